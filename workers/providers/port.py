"""What delivery and the provider adapters say to each other: a push goes out, one answer comes back."""

from __future__ import annotations

from enum import StrEnum
from typing import Protocol
from uuid import UUID

import msgspec

from tocsin.domain.message import Message
from tocsin.workers.providers.exchange import HttpRequest, HttpResult
from tocsin.workers.providers.tokens import Bearer, TokenSource


class Verdict(StrEnum):
    """What one answer means for one push.

    ``DELIVERED``: accepted by the provider. ``FAILED``: refused for good. ``RETRY``: certainly not accepted, and it
    may be tried again. ``UNKNOWN``: sent, and nobody can say whether it was accepted; trying again may show it twice
    to a provider without replacement by id.
    """

    DELIVERED = "delivered"
    FAILED = "failed"
    RETRY = "retry"
    UNKNOWN = "unknown"


class Push(msgspec.Struct, frozen=True, kw_only=True):
    """One message for one device.

    ``index``: the caller's own number, carried back in the answer. ``push_id``: the same for every transfer of this
    push (UUIDv5 of the send's namespace and the device). ``token``: APNs device token (hex), FCM registration token
    or installation id, WNS channel URI. ``expires_at``: unix seconds after which the provider must give up, or None.
    ``lane``: pushes of different lanes travel on different connections, so that a lane of suspect tokens cannot take
    the good ones down with it.
    """

    index: int
    push_id: UUID
    token: str
    message: Message
    expires_at: float | None = None
    lane: str = ""

    def __repr__(self) -> str:
        """Neither the token nor the message: both are personal."""
        return f"<Push {self.index} {self.push_id}>"


class Answer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What became of one push.

    ``status``: the HTTP status, 0 where no answer came. ``code``: the provider's own word for it (``Unregistered``,
    ``UNREGISTERED``, ``410``), or for a push without an answer ``not-sent.<cause>`` or ``in-doubt.<cause>``.
    ``reason``: what the provider wrote, at most 500 characters, never a token. ``retry_after``: seconds the provider
    asks to wait. ``retire_token``: this token will never work again; ``unregistered_at`` (unix seconds): since when,
    so that a registration renewed after it is kept. ``replacement_token``: the token to use from now on.
    ``pause_credential``: no push of this credential can succeed until somebody looks at it. ``throttle``: the provider
    asks for a slower pace. ``sent_at`` (None where nothing left this machine) and ``answered_at`` (None where no answer
    came): monotonic seconds of this process.
    """

    index: int
    push_id: UUID
    verdict: Verdict
    provider_message_id: str | None = None
    status: int = 0
    code: str = ""
    reason: str = ""
    retry_after: float | None = None
    retire_token: bool = False
    unregistered_at: float | None = None
    replacement_token: str | None = None
    pause_credential: bool = False
    throttle: bool = False
    sent_at: float | None = None
    answered_at: float | None = None


class TokenRefused(msgspec.Struct, frozen=True):
    """The provider did not take the bearer token: a new one is worth one more try. ``answer``: if it is not."""

    answer: Answer


class Provider(Protocol):
    """One credential at one provider: turns pushes into requests and results into answers. Does no I/O itself."""

    name: str
    tokens: TokenSource

    def request(self, push: Push, bearer: Bearer, now: float) -> HttpRequest | Answer:
        """The request that sends ``push``; an Answer at once where it must not be sent at all."""
        ...

    def answer(self, push: Push, result: HttpResult) -> Answer | TokenRefused:
        """What the provider's answer, or the lack of one, means for ``push``."""
        ...
