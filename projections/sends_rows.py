"""The rows of the read model of sends, and what each fact of a send makes of one."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from msgspec.structs import replace

from tocsin.domain.audience import Audience
from tocsin.domain.entry import Entry
from tocsin.domain.events.send import (
    AudienceFrozen,
    SendApproved,
    SendCancelled,
    SendCompleted,
    SendExpired,
    SendRejected,
    SendRequested,
    SendScheduled,
    SendStarted,
    SendWithdrawn,
    Tally,
)
from tocsin.domain.send import STOPPED, Status
from tocsin.projections.tables import Table

SCHEMA = "sends_v1"


class SendRow(msgspec.Struct, frozen=True):
    """``message``: the JSON of the message all recipients share. ``audience``: what was asked for, with people counted
    and not named. ``status``: as ``domain.send.Status``. ``as_of``: the position its audience is frozen at.
    ``audience_count``: devices to send to; ``excluded``: devices left out, by reason. ``requested_by``: the principal;
    ``requested_through``: the API it spoke. ``personal``: whether recipients have messages of their own, which the
    record alone holds. ``created_position`` is also the send's number, for protocols whose ids are numbers.
    """

    send_id: UUID
    app_id: UUID
    notification_id: UUID | None
    followup_id: int | None
    message: dict[str, Any]
    audience: dict[str, Any]
    lane: str
    in_doubt: str
    max_attempts: int
    pace: int | None
    name: str | None
    campaign: str | None
    labels: list[str]
    inbox: bool
    protected: bool
    personal: bool
    status: str
    reason: str | None
    not_before: datetime | None
    expires_at: datetime | None
    requested_by: str
    requested_through: str
    requested_at: datetime
    approved_at: datetime | None
    scheduled_at: datetime | None
    started_at: datetime | None
    frozen_at: datetime | None
    as_of: int | None
    audience_count: int | None
    excluded: dict[str, Any]
    chunks: int | None
    stopped_at: datetime | None
    withdrawn_at: datetime | None
    completed_at: datetime | None
    correlation_id: UUID
    created_position: int
    position: int


class Send(msgspec.Struct, frozen=True):
    """A send and what became of its devices so far, by provider. Answers that came late are counted in.

    ``caught_up``: all that was recorded before the send's own last event is counted.
    """

    row: SendRow
    by_provider: dict[str, Tally]
    caught_up: bool

    @property
    def tally(self) -> Tally:
        """The outcomes of all providers together."""
        numbers = [msgspec.structs.astuple(one) for one in self.by_provider.values()]
        return Tally(**dict(zip(Tally.__struct_fields__, map(sum, zip(*numbers, strict=True)), strict=False)))

    @property
    def adds_up(self) -> bool | None:
        """Whether the devices counted are as many as the audience. None while that is not known: the audience is not
        frozen, or not all of the chunks, which are planned before it is, are counted yet."""
        if self.row.audience_count is None:
            return None
        if self.row.audience_count == self.tally.audience:
            return True
        return False if self.caught_up else None


class Excluded(msgspec.Struct, frozen=True):
    """A device that a send left out. Its address in the record: ``position`` and ``index``."""

    send_id: UUID
    ordinal: int
    index: int
    device_id: UUID
    reason: str
    position: int


class Chunk(msgspec.Struct, frozen=True):
    """``status``: ``planned``, ``due``, ``sending``, ``waiting`` (for a retry), ``held`` or ``completed``. ``attempt``:
    how many claims there were. ``state``: the domain's, for the fold alone."""

    chunk_id: UUID
    send_id: UUID
    app_id: UUID
    ordinal: int
    provider: str
    profile: str
    lane: str
    status: str
    held: str | None
    attempt: int
    devices: int
    pending: int
    planned_at: datetime
    updated_at: datetime
    position: int
    state: bytes


SEND_ROWS = Table(SCHEMA, "send", SendRow, "send_id")
EXCLUSIONS = Table(SCHEMA, "exclusion", Excluded, "send_id", "ordinal", "index")
CHUNKS = Table(SCHEMA, "chunk", Chunk, "chunk_id")


def evolved(row: SendRow | None, entry: Entry) -> SendRow:
    """The row after an entry of the Send stream."""
    if isinstance(entry.fact, SendRequested):
        return _requested(entry.fact, entry)
    if row is None:
        raise LookupError(f"send {entry.originator_id} was never requested")
    return replace(row, **_changes(row, entry), position=entry.position)


def _changes(row: SendRow, entry: Entry) -> dict[str, Any]:
    fact, at = entry.fact, entry.recorded_at
    match fact:
        case SendApproved():
            return {"approved_at": at}
        case SendRejected(note=note):
            return {"status": Status.REJECTED.value, "reason": note, "stopped_at": at}
        case SendScheduled():
            return {"status": Status.SCHEDULED.value, "scheduled_at": fact.at}
        case SendStarted():
            return {"status": Status.STARTED.value, "started_at": at}
        case AudienceFrozen():
            return _frozen(fact, at)
        case SendCancelled(reason=reason):
            return {"status": Status.CANCELLED.value, "reason": reason, "stopped_at": at}
        case SendWithdrawn():
            return {"withdrawn_at": at}
        case SendExpired():
            return {"status": Status.EXPIRED.value, "stopped_at": at}
        case SendCompleted():
            return {"status": row.status if row.status in STOPPED else Status.COMPLETED.value, "completed_at": at}
    raise LookupError(f"{type(fact).__name__} is no fact of a send")


def _frozen(fact: AudienceFrozen, at: datetime | None) -> dict[str, Any]:
    return {
        "status": Status.SENDING.value,
        "frozen_at": at,
        "as_of": fact.as_of,
        "audience_count": fact.audience,
        "excluded": fact.excluded,
        "chunks": fact.chunks,
    }


def _requested(fact: SendRequested, entry: Entry) -> SendRow:
    assert entry.recorded_at is not None
    return SendRow(
        send_id=entry.originator_id,
        app_id=entry.app_id,
        notification_id=fact.subject.notification_id,
        followup_id=fact.subject.followup_id,
        message=msgspec.to_builtins(fact.message),
        audience=asked_for(fact.audience),
        lane=fact.lane,
        in_doubt=fact.in_doubt.value,
        max_attempts=fact.max_attempts,
        pace=fact.pace,
        name=fact.name,
        campaign=fact.campaign,
        labels=list(fact.labels),
        inbox=fact.inbox,
        protected=fact.protected,
        personal=bool(fact.personal),
        status=Status.REQUESTED.value,
        reason=None,
        not_before=fact.not_before,
        expires_at=fact.expires_at,
        requested_by=entry.actor.principal,
        requested_through=entry.actor.dialect,
        requested_at=entry.recorded_at,
        approved_at=None,
        scheduled_at=None,
        started_at=None,
        frozen_at=None,
        as_of=None,
        audience_count=None,
        excluded={},
        chunks=None,
        stopped_at=None,
        withdrawn_at=None,
        completed_at=None,
        correlation_id=entry.correlation_id,
        created_position=entry.position,
        position=entry.position,
    )


def asked_for(audience: Audience) -> dict[str, Any]:
    """What was asked for, with people counted: their names stand encrypted in the record alone."""
    return {
        "everyone": audience.everyone,
        "devices": len(audience.devices),
        "users": len(audience.users),
        "aliases": len(audience.aliases),
        "tags": list(audience.tags),
        "expression": audience.expression,
        "segments": [segment.name for segment in audience.segments],
        "properties": {name: list(values) for name, values in audience.properties.items()},
        "platforms": list(audience.platforms),
        "through": list(audience.through),
        "profile": audience.profile,
    }
