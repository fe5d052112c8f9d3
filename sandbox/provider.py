"""What the three providers have in common: examine a push, accept it, or refuse it in the provider's own words."""

from abc import ABC, abstractmethod
from collections.abc import Mapping

from tocsin.sandbox.exchange import Answer, Refused, Request
from tocsin.sandbox.faults import Fault
from tocsin.sandbox.journal import Push

RETRY_AFTER_SECONDS = 1


class PushProvider(ABC):
    """One provider's rules for a push request."""

    name: str
    prefix_faults: Mapping[str, Fault]
    prefix_length = 4

    @abstractmethod
    def examine(self, push: Push) -> None:
        """Read the push's request into its other fields; raises Refused at the first thing that is not right."""

    @abstractmethod
    def accept(self, push: Push) -> Answer:
        """The provider's success; gives the push its message id where it has none."""

    @abstractmethod
    def refuse(self, refused: Refused, request: Request) -> Answer:
        """The provider's error, with its headers and body."""

    @abstractmethod
    def scripted_refusal(self, status: int | None, reason: str | None) -> Refused:
        """A refusal of which a script gave the status, the reason or both; the other follows from the one given."""

    def prefix_fault(self, token: str) -> Fault | None:
        """The fault that the first characters of a device token ask for."""
        return self.prefix_faults.get(token[: self.prefix_length])


def retry_after_seconds(refused: Refused) -> int | None:
    """What Retry-After says: as scripted, one second where the status asks to come again later, else nothing."""
    if refused.retry_after is not None:
        return refused.retry_after
    return RETRY_AFTER_SECONDS if refused.status in (429, 503) else None
