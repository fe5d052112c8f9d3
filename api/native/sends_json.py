"""What is answered of sends: what was asked for, and what became of it."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType

from tocsin.commands.sends import SendResult
from tocsin.domain.entry import Entry
from tocsin.domain.events.send import Tally
from tocsin.domain.send import Send as SendState
from tocsin.projections.sends import Send
from tocsin.projections.sends_rows import asked_for


class SubjectAnswer(msgspec.Struct, kw_only=True):
    """What was pushed; both null: a message of its own."""

    notification_id: UUID | None
    followup_id: int | None


class LawAnswer(msgspec.Struct, kw_only=True):
    """audience = delivered + failed + expired + cancelled + suppressed + unknown + pending. ``audience`` is null until
    it is frozen; ``holds`` says whether what was counted adds up to it. It is null as long as that cannot be told: the
    audience is not frozen, or not all that was recorded before is counted yet. False is an error, and ours."""

    audience: int | None
    accounted: int
    holds: bool | None


class SendAnswer(msgspec.Struct, kw_only=True):
    """A send. ``audience``: what was asked for, people counted and not named. ``as_of``: the position its audience is
    frozen at. ``excluded``: devices that matched and were left out, by reason. ``outcomes``: devices by outcome.
    """

    send_id: UUID
    app_id: UUID
    status: str
    reason: str | None
    subject: SubjectAnswer
    message: dict[str, Any]
    audience: dict[str, Any]
    lane: str
    in_doubt: str
    max_attempts: int
    pace: int | None
    name: str | None
    campaign: str | None
    labels: list[str]
    not_before: datetime | None
    expires_at: datetime | None
    scheduled_at: datetime | None
    as_of: int | None
    audience_count: int | None
    excluded: dict[str, int]
    outcomes: Tally | None
    by_provider: dict[str, Tally] | UnsetType = UNSET
    law: LawAnswer | UnsetType = UNSET
    chunks: int | None
    requested_by: str | UnsetType = UNSET
    requested_at: datetime | UnsetType = UNSET
    approved_at: datetime | None | UnsetType = UNSET
    started_at: datetime | None | UnsetType = UNSET
    frozen_at: datetime | None | UnsetType = UNSET
    stopped_at: datetime | None | UnsetType = UNSET
    completed_at: datetime | None | UnsetType = UNSET
    correlation_id: UUID | UnsetType = UNSET
    position: int | UnsetType = UNSET


class PayloadAnswer(msgspec.Struct, kw_only=True):
    """Bytes the message takes at a provider, and bytes it may take."""

    size: int
    limit: int


class PreviewAnswer(msgspec.Struct, kw_only=True):
    """Who would be reached now. ``audience``: devices in all; ``excluded``: devices left out, by reason."""

    audience: int
    by_provider: dict[str, int]
    excluded: dict[str, int]
    payload: dict[str, PayloadAnswer]


def of_row(found: Send) -> SendAnswer:
    """A send as the read model has it."""
    row, tally = found.row, found.tally
    return SendAnswer(
        send_id=row.send_id,
        app_id=row.app_id,
        status=row.status,
        reason=row.reason,
        subject=SubjectAnswer(notification_id=row.notification_id, followup_id=row.followup_id),
        message=row.message,
        audience=row.audience,
        lane=row.lane,
        in_doubt=row.in_doubt,
        max_attempts=row.max_attempts,
        pace=row.pace,
        name=row.name,
        campaign=row.campaign,
        labels=row.labels,
        not_before=row.not_before,
        expires_at=row.expires_at,
        scheduled_at=row.scheduled_at,
        as_of=row.as_of,
        audience_count=row.audience_count,
        excluded=row.excluded,
        outcomes=tally,
        by_provider=found.by_provider,
        law=LawAnswer(audience=row.audience_count, accounted=tally.audience, holds=found.adds_up),
        chunks=row.chunks,
        requested_by=row.requested_by,
        requested_at=row.requested_at,
        approved_at=row.approved_at,
        started_at=row.started_at,
        frozen_at=row.frozen_at,
        stopped_at=row.stopped_at,
        completed_at=row.completed_at,
        correlation_id=row.correlation_id,
        position=row.position,
    )


def of_result(result: SendResult) -> SendAnswer:
    """A send as a command left it."""
    return of_state(result.app_id, result.send_id, result.send)


def of_state(app_id: UUID, send_id: UUID, send: SendState, entries: list[Entry] | None = None) -> SendAnswer:
    """A send as its own events make it. ``outcomes`` only once it was completed: its chunks have streams of theirs."""
    request, frozen = send.request, send.audience
    answer = SendAnswer(
        send_id=send_id,
        app_id=app_id,
        status=send.status.value,
        reason=send.reason,
        subject=SubjectAnswer(notification_id=request.subject.notification_id, followup_id=request.subject.followup_id),
        message=msgspec.to_builtins(request.message),
        audience=asked_for(request.audience),
        lane=request.lane,
        in_doubt=request.in_doubt.value,
        max_attempts=request.max_attempts,
        pace=request.pace,
        name=request.name,
        campaign=request.campaign,
        labels=list(request.labels),
        not_before=request.not_before,
        expires_at=request.expires_at,
        scheduled_at=send.scheduled_at,
        as_of=frozen.as_of if frozen else None,
        audience_count=frozen.audience if frozen else None,
        excluded=frozen.excluded if frozen else {},
        outcomes=send.tally,
        chunks=frozen.chunks if frozen else None,
    )
    if entries:
        answer.requested_by = entries[0].actor.principal
        answer.requested_at = entries[0].recorded_at or UNSET
        answer.correlation_id = entries[0].correlation_id
        answer.position = entries[-1].position
    return answer
