"""What can be asked of a chunk."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import msgspec

from tocsin.domain.events.chunk import Outcome, OutcomeKind, Retry
from tocsin.domain.events.send import InDoubt
from tocsin.domain.rules import Command

MAX_DEVICES = 1000
MAX_CLAIM = 256
"""Devices in one claim: what is in doubt after a crash, and what one append of outcomes holds."""


class PlanChunk(Command, frozen=True, kw_only=True):
    """The same plan again is no event: a planner that starts over finds its work done."""

    send_id: UUID
    ordinal: int
    provider: str
    profile: str = "default"
    lane: str
    devices: tuple[UUID, ...]
    not_before: datetime | None = None


class MakeDue(Command, frozen=True, kw_only=True):
    """Announces devices that may be claimed at ``now``, once. ``repeat``: also those announced before, where the
    announcement is believed lost."""

    cause: str
    now: datetime
    repeat: bool = False


class StartAttempt(Command, frozen=True, kw_only=True):
    """Claims the lowest ``limit`` claimable devices; no event where there are none.

    ``among``: only these, which the worker has just looked at (None: any), at the position ``as_of``. ``badges``: by
    device, what it is to show where the message changes that; a device that was claimed before keeps what it was given
    then.
    """

    worker: str
    now: datetime
    lease_expires_at: datetime
    limit: int = MAX_CLAIM
    among: tuple[int, ...] | None = None
    as_of: int | None = None
    badges: dict[int, int] = {}


class RetryGroup(msgspec.Struct, frozen=True, kw_only=True):
    """Devices that are to be tried again, not before ``at``."""

    devices: tuple[Retry, ...]
    at: datetime


class RecordAnswers(Command, frozen=True, kw_only=True):
    """What the provider answered to ``attempt``, one answer a device.

    A device to be retried that was tried ``max_attempts`` times is settled instead. An answer to an attempt that was
    given up is recorded as having arrived late. What changes nothing any more is left out: see ``unneeded``.
    """

    attempt: int
    outcomes: tuple[Outcome, ...] = ()
    retries: tuple[RetryGroup, ...] = ()
    max_attempts: int = 8


class AbandonAttempt(Command, frozen=True, kw_only=True):
    """Gives up what an attempt whose lease ran out before ``now`` has left unanswered.

    ``resolution`` is the send's policy; a device tried ``max_attempts`` times becomes ``unknown`` under either.
    """

    attempt: int
    now: datetime
    resolution: InDoubt
    max_attempts: int = 8


class CloseRemaining(Command, frozen=True, kw_only=True):
    """Settles every device that no attempt holds: the send was cancelled, or expired, or its app may not send."""

    kind: OutcomeKind
    code: str | None = None
    reason: str | None = None


class Suppress(Command, frozen=True, kw_only=True):
    """Settles single devices a worker found not to be sent to when it was about to claim them: index and code
    (``retired``, ``opted-out``, ``no-token``). Those somebody else has claimed or settled are left as they are."""

    devices: tuple[tuple[int, str], ...]


class HoldChunk(Command, frozen=True, kw_only=True):
    reason: str


class ReleaseChunk(Command, frozen=True, kw_only=True):
    reason: str | None = None


ChunkCommand = (
    PlanChunk
    | MakeDue
    | StartAttempt
    | RecordAnswers
    | AbandonAttempt
    | CloseRemaining
    | Suppress
    | HoldChunk
    | ReleaseChunk
)
