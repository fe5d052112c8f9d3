"""The Chunk stream: at most 1,000 devices of one send, one provider, one lane, and what became of each.

Devices are named by their index in ``ChunkPlanned.devices``. Runs of indices are half-open ranges ``(start, stop)``.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from uuid import UUID

import msgspec

from tocsin.domain.entry import Fact
from tocsin.domain.events.send import InDoubt, Tally

Ranges = tuple[tuple[int, int], ...]
"""Indices as half-open, ascending, disjoint ranges."""


class OutcomeKind(StrEnum):
    """A device's final outcome. ``delivered`` means accepted by the provider, never that a phone showed it."""

    DELIVERED = "delivered"
    FAILED = "failed"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    SUPPRESSED = "suppressed"
    UNKNOWN = "unknown"


class Outcome(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One device's outcome: what the provider said, in its own words, and when.

    ``code``: the provider's error code, or for ``suppressed`` the reason (``retired``, ``opted-out``, ``no-token``).
    ``sent_at``: when the request was handed to a live connection, None where nothing was sent or nobody knows.
    ``answered_at``: when the provider's answer had come, never before ``sent_at``; None where none came. Both are times
    of the record's clock, to the microsecond.
    """

    index: int
    kind: OutcomeKind
    message_id: str | None = None
    code: str | None = None
    reason: str | None = None
    sent_at: datetime | None = None
    answered_at: datetime | None = None


class ChunkPlanned(Fact, frozen=True, kw_only=True):
    """``not_before``: none of its devices is claimed earlier, as its send goes out at a pace."""

    send_id: UUID
    ordinal: int
    provider: str
    profile: str = "default"
    lane: str
    devices: tuple[UUID, ...]
    not_before: datetime | None = None


class ChunkDue(Fact, frozen=True, kw_only=True):
    """Work for the delivery workers of ``provider`` and ``lane``. ``cause``: planned, retry, released, abandoned.

    ``at``: when this was found; whatever waits until a later time has not been announced by it.
    """

    send_id: UUID
    provider: str
    lane: str
    cause: str
    at: datetime | None = None


class AttemptStarted(Fact, frozen=True, kw_only=True):
    """``worker`` alone may call the provider for these devices, until ``lease_expires_at`` on the database's clock.

    ``as_of``: the position of the record at which the worker looked at them. Each is sent to under the token it had
    then, whatever became of it since.
    ``badges``: what each of the devices, in their order, shows from then on, where the message changes or sets it. It
    stays so however often the device is tried.
    """

    attempt: int
    devices: Ranges
    worker: str
    lease_expires_at: datetime
    as_of: int | None = None
    badges: tuple[int, ...] = ()


class OutcomesRecorded(Fact, frozen=True, kw_only=True):
    """``attempt`` 0: devices nobody had claimed, settled without a provider (cancelled, expired, suppressed)."""

    attempt: int
    outcomes: tuple[Outcome, ...]


class Retry(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A try that did not settle a device: the provider's answer, kept because the account of an alert needs it.

    ``in_doubt``: the provider may have taken the message all the same (a connection cut before its answer).
    ``sent_at``, ``answered_at``: as in an ``Outcome``.
    """

    index: int
    code: str | None = None
    reason: str | None = None
    sent_at: datetime | None = None
    answered_at: datetime | None = None
    in_doubt: bool = False


class RetrySet(Fact, frozen=True, kw_only=True):
    """These devices are tried again, not before ``at``."""

    attempt: int
    devices: tuple[Retry, ...]
    at: datetime


class ChunkHeld(Fact, frozen=True, kw_only=True):
    """Nobody claims from it until it is released (a credential is refused, an operator said stop, a restore)."""

    reason: str


class ChunkReleased(Fact, frozen=True, kw_only=True):
    reason: str | None = None


class AttemptAbandoned(Fact, frozen=True, kw_only=True):
    """The lease of ``attempt`` ran out with ``devices`` claimed and unrecorded: they are in doubt."""

    attempt: int
    devices: Ranges
    resolution: InDoubt


class OutcomeArrivedLate(Fact, frozen=True, kw_only=True):
    """Answers to an attempt that was abandoned or recorded ``unknown``.

    ``delivered`` stands against whatever was recorded since: the provider has the message. Any other answer settles
    a device that is pending or ``unknown``, if the attempt is the last that claimed it.
    """

    attempt: int
    outcomes: tuple[Outcome, ...]


class ChunkCompleted(Fact, frozen=True, kw_only=True):
    """Every device has a final outcome. ``tally.pending`` is 0."""

    tally: Tally
