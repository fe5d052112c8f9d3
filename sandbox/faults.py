"""Faults on purpose: scripted over the control port, or chosen by the first characters of a device token."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from itertools import count
from typing import Any

from tocsin.sandbox.exchange import Ending

PROVIDERS = ("apns", "fcm", "wns")
ACTIONS = ("answer", "status", *(ending.value for ending in Ending if ending is not Ending.ANSWER))
ENDPOINTS = ("push", "token")


class BadFault(ValueError):
    """A fault that cannot be scripted; the message says what to change."""


@dataclass(slots=True)
class Fault:
    """One fault.

    ``provider``: "apns", "fcm" or "wns". ``token``: the device token, or how it starts; empty for every device.
    ``exact``: ``token`` is the whole token. ``endpoint``: "push", or "token" for the issue of access tokens.
    ``action``: "answer" (the provider's own error for ``status`` and ``reason``, or its success where neither is
    given), "status" (the bare status, as a middle box answers), or an ending of the exchange: "reset", "goaway",
    "hang", "close". ``times``: how often it happens; None for ever. ``retry_after``: seconds. ``delay_ms``: before
    the answer. ``error_code``: of a reset stream (RFC 9113, section 7). ``delivered``: the device shows the message
    although the sender does not learn of it. ``timestamp_ms``: since when APNs knows a token to be dead.
    """

    provider: str
    token: str = ""
    exact: bool = False
    endpoint: str = "push"
    action: str = "answer"
    status: int | None = None
    reason: str | None = None
    times: int | None = None
    retry_after: int | None = None
    delay_ms: float = 0
    error_code: int = 2
    delivered: bool = False
    timestamp_ms: int | None = None
    id: int = 0
    hits: int = 0

    @property
    def spent(self) -> bool:
        return self.times is not None and self.hits >= self.times

    @property
    def refuses(self) -> bool:
        """Whether the provider's answer is to be an error; a fault may also only delay or cut a success."""
        return self.reason is not None or (self.status is not None and self.status >= 300)

    def meets(self, provider: str, endpoint: str, token: str) -> bool:
        if provider != self.provider or endpoint != self.endpoint:
            return False
        return token == self.token if self.exact else token.startswith(self.token)

    def as_json(self) -> dict[str, Any]:
        remaining = None if self.times is None else self.times - self.hits
        return {spec.name: getattr(self, spec.name) for spec in fields(self)} | {"remaining": remaining}


@dataclass(slots=True)
class FaultScript:
    """The scripted faults, oldest first: the first that meets a request and is not spent is taken."""

    faults: list[Fault] = field(default_factory=list)
    ids: "count[int]" = field(default_factory=lambda: count(1))

    def add(self, fault: Fault) -> Fault:
        fault.id = next(self.ids)
        self.faults.append(fault)
        return fault

    def take(self, provider: str, endpoint: str, token: str) -> Fault | None:
        """The fault that meets this request, counted as happened."""
        for fault in self.faults:
            if not fault.spent and fault.meets(provider, endpoint, token):
                fault.hits += 1
                return fault
        return None

    def remove(self, fault_id: int) -> bool:
        before = len(self.faults)
        self.faults[:] = [fault for fault in self.faults if fault.id != fault_id]
        return len(self.faults) < before

    def clear(self) -> None:
        self.faults.clear()


SCRIPTABLE: Mapping[str, tuple[type, ...]] = {
    "provider": (str,),
    "token": (str,),
    "exact": (bool,),
    "endpoint": (str,),
    "action": (str,),
    "status": (int,),
    "reason": (str,),
    "times": (int,),
    "retry_after": (int,),
    "delay_ms": (int, float),
    "error_code": (int,),
    "delivered": (bool,),
    "timestamp_ms": (int,),
}


def fault_from_json(document: Any) -> Fault:
    """A fault from what a user sent; raises BadFault with what to change. A field that is null counts as left out."""
    if not isinstance(document, dict):
        raise BadFault('a fault is a JSON object, such as {"provider": "apns", "status": 503}')
    given = {name: value for name, value in document.items() if value is not None}
    for name, value in given.items():
        _check_field(name, value)
    if "provider" not in given:
        raise BadFault(f"provider is missing: give one of {', '.join(PROVIDERS)}")
    _check_choices(given)
    if given.get("action") == "status" and "status" not in given:
        raise BadFault('action "status" needs the status to answer with, such as 502')
    return Fault(**given)


def _check_field(name: str, value: Any) -> None:
    if name not in SCRIPTABLE:
        raise BadFault(f"unknown field {name!r}: known are {', '.join(SCRIPTABLE)}")
    kinds = SCRIPTABLE[name]
    # JSON's true is Python's int 1, and would pass as a number.
    if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
        raise BadFault(f"{name} must be {' or '.join(kind.__name__ for kind in kinds)}, not {value!r}")
    if isinstance(value, int | float) and value < 0:
        raise BadFault(f"{name} must not be negative")


def _check_choices(given: Mapping[str, Any]) -> None:
    for name, choices in (("provider", PROVIDERS), ("action", ACTIONS), ("endpoint", ENDPOINTS)):
        if name in given and given[name] not in choices:
            raise BadFault(f"{name} must be one of {', '.join(choices)}, not {given[name]!r}")
    if not 200 <= given.get("status", 200) <= 599:
        raise BadFault("status must be an HTTP status from 200 to 599")
