"""The Send stream: one push of a notification, of a follow-up, or of a bare message, to one audience."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from uuid import UUID

import msgspec

from tocsin.domain.audience import Audience
from tocsin.domain.entry import Fact
from tocsin.domain.message import Message
from tocsin.domain.personal import Personal


class InDoubt(StrEnum):
    """What becomes of devices whose attempt was cut off before its answer: sent again under the same id, or not."""

    RESEND = "resend"
    UNKNOWN = "unknown"


class Subject(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is pushed: a notification, one of its follow-ups, or (both None) a message of its own."""

    notification_id: UUID | None = None
    followup_id: int | None = None


class SendRequested(Fact, frozen=True, kw_only=True):
    """``personal``: per-recipient changes to the message, each ``{"device"|"user"|"alias", "message": {...}}``.

    ``not_before``: when it starts (None: at once). ``expires_at``: no device is tried after it. ``lane``: the queue it
    travels in (``urgent``, ``normal``, ``bulk``). ``max_attempts``: tries a device gets in all. ``pace``: at most so
    many devices a minute.

    For those who look it up later: ``name``, ``campaign`` (what it is part of) and ``labels`` find it again; ``inbox``:
    its recipients keep it in their inbox until they remove it; ``protected``: its text is for its recipients' eyes.
    """

    subject: Subject = Subject()
    message: Message
    audience: Audience
    personal: tuple[Personal, ...] = ()
    not_before: datetime | None = None
    expires_at: datetime | None = None
    lane: str = "normal"
    in_doubt: InDoubt = InDoubt.RESEND
    max_attempts: int = 8
    pace: int | None = None
    name: str | None = None
    campaign: str | None = None
    labels: tuple[str, ...] = ()
    inbox: bool = False
    protected: bool = False


class SendApproved(Fact, frozen=True, kw_only=True):
    note: str | None = None


class SendRejected(Fact, frozen=True, kw_only=True):
    note: str | None = None


class SendScheduled(Fact, frozen=True, kw_only=True):
    at: datetime


class SendStarted(Fact, frozen=True, kw_only=True):
    """Its time has come: the planner freezes the audience next."""


class Tally(msgspec.Struct, frozen=True, kw_only=True):
    """The law: audience = delivered + failed + expired + cancelled + suppressed + unknown + pending."""

    delivered: int = 0
    failed: int = 0
    expired: int = 0
    cancelled: int = 0
    suppressed: int = 0
    unknown: int = 0
    pending: int = 0

    @property
    def audience(self) -> int:
        """How many devices this counts."""
        return (
            self.delivered + self.failed + self.expired + self.cancelled + self.suppressed + self.unknown + self.pending
        )


class AudienceFrozen(Fact, frozen=True, kw_only=True):
    """The audience is the devices that matched at position ``as_of``; it can be recomputed at any later time.

    ``by_provider``: devices to send to. ``excluded``: devices that matched and are left out, by reason; each is named
    by a ``send.devices_excluded``. ``chunks``: how many chunk streams were planned.
    """

    as_of: int
    audience: int
    by_provider: dict[str, int] = {}
    excluded: dict[str, int] = {}
    chunks: int


class Exclusion(StrEnum):
    """Why a device that matched is not sent to."""

    OPTED_OUT = "opted-out"
    NO_TOKEN = "no-token"
    RETIRED = "retired"
    EXPIRED = "expired"
    NO_PROVIDER = "no-provider"


class DevicesExcluded(Fact, frozen=True, kw_only=True):
    """On streams of their own under the send, at most 1,000 devices each: pairs of device and reason."""

    send_id: UUID
    ordinal: int
    devices: tuple[tuple[UUID, Exclusion], ...]


class SendCancelled(Fact, frozen=True, kw_only=True):
    reason: str | None = None


class SendExpired(Fact, frozen=True, kw_only=True):
    pass


class SendCompleted(Fact, frozen=True, kw_only=True):
    """Every device has a final outcome. ``tally.pending`` is 0."""

    tally: Tally


class SendWithdrawn(Fact, frozen=True, kw_only=True):
    """It is taken out of every inbox and list, whatever has become of its devices."""

    reason: str | None = None
