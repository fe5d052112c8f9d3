"""The JSON of notifications and their follow-ups."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

import marshmallow as ma
import msgspec
from marshmallow import fields, validate
from msgspec import UNSET, UnsetType

from tocsin.commands.notifications import NotificationResult
from tocsin.domain.entry import Entry
from tocsin.domain.notification import MAX_BODY, MAX_LABEL, MAX_TITLE, MAX_URL
from tocsin.domain.notification import Followup as FollowupState
from tocsin.domain.notification import Notification as NotificationState
from tocsin.projections.notifications import Followup, Notification


def _text(longest: int) -> fields.String:
    return fields.String(allow_none=True, validate=validate.Length(1, longest))


class NotificationForm(ma.Schema):
    """A notification people can read from ``starts_at`` (now) to ``expires_at`` (until it is withdrawn)."""

    body = fields.String(required=True, validate=validate.Length(1, MAX_BODY))
    title = _text(MAX_TITLE)
    label = _text(MAX_LABEL)
    url = _text(MAX_URL)
    data = fields.Dict(keys=fields.String(), metadata={"description": "At most 4096 bytes."})
    starts_at = fields.AwareDateTime()
    expires_at = fields.AwareDateTime(allow_none=True)


class NotificationChanges(ma.Schema):
    """What is to change; what is left out stays, null removes."""

    body = fields.String(validate=validate.Length(1, MAX_BODY))
    title = _text(MAX_TITLE)
    label = _text(MAX_LABEL)
    url = _text(MAX_URL)
    data = fields.Dict(keys=fields.String())
    starts_at = fields.AwareDateTime()
    expires_at = fields.AwareDateTime(allow_none=True)


class FollowupForm(ma.Schema):
    """What there is to add, and the time it tells of (now)."""

    body = fields.String(required=True, validate=validate.Length(1, MAX_BODY))
    at = fields.AwareDateTime()


class FollowupChanges(ma.Schema):
    """What is to change of a follow-up."""

    body = fields.String(validate=validate.Length(1, MAX_BODY))
    at = fields.AwareDateTime()


class FollowupAnswer(msgspec.Struct, kw_only=True):
    """A follow-up, by its number in the notification. ``at``: the time it tells of."""

    notification_id: UUID
    followup_id: int
    body: str
    at: datetime
    withdrawn: bool
    reason: str | None | UnsetType = UNSET
    created_at: datetime | UnsetType = UNSET
    position: int | UnsetType = UNSET


class NotificationAnswer(msgspec.Struct, kw_only=True):
    """A notification with its follow-ups. ``current``: it is in force."""

    notification_id: UUID
    app_id: UUID
    title: str | None
    body: str
    label: str | None
    url: str | None
    data: dict[str, Any]
    starts_at: datetime
    expires_at: datetime | None
    current: bool | UnsetType = UNSET
    withdrawn: bool
    withdrawn_at: datetime | None | UnsetType = UNSET
    reason: str | None | UnsetType = UNSET
    followups: list[FollowupAnswer]
    created_at: datetime | UnsetType = UNSET
    updated_at: datetime | UnsetType = UNSET
    position: int | UnsetType = UNSET


def of_row(found: Notification, now: datetime) -> NotificationAnswer:
    """A notification as the read model has it."""
    row = found.row
    return NotificationAnswer(
        notification_id=row.notification_id,
        app_id=row.app_id,
        title=row.title,
        body=row.body,
        label=row.label,
        url=row.url,
        data=row.data,
        starts_at=row.starts_at,
        expires_at=row.expires_at,
        current=found.is_in_force(now),
        withdrawn=row.withdrawn_at is not None,
        withdrawn_at=row.withdrawn_at,
        reason=row.reason,
        followups=[followup_of_row(followup) for followup in found.followups if followup.withdrawn_at is None],
        created_at=row.created_at,
        updated_at=row.updated_at,
        position=row.position,
    )


def followup_of_row(row: Followup) -> FollowupAnswer:
    """A follow-up as the read model has it."""
    return FollowupAnswer(
        notification_id=row.notification_id,
        followup_id=row.followup_id,
        body=row.body,
        at=row.at,
        withdrawn=row.withdrawn_at is not None,
        reason=row.reason,
        created_at=row.created_at,
        position=row.position,
    )


def of_result(result: NotificationResult) -> NotificationAnswer:
    """A notification as a command left it."""
    return of_state(result.app_id, result.notification_id, result.notification)


def of_state(
    app_id: UUID, notification_id: UUID, state: NotificationState, entries: list[Entry] | None = None
) -> NotificationAnswer:
    """A notification as its events make it."""
    answer = NotificationAnswer(
        notification_id=notification_id,
        app_id=app_id,
        title=state.title,
        body=state.body,
        label=state.label,
        url=state.url,
        data=state.data,
        starts_at=state.starts_at,
        expires_at=state.expires_at,
        withdrawn=state.withdrawn,
        followups=[followup_of_state(notification_id, *one) for one in sorted(state.followups.items())],
    )
    if entries:
        answer.created_at = entries[0].recorded_at or UNSET
        answer.updated_at = entries[-1].recorded_at or UNSET
        answer.position = entries[-1].position
    return answer


def followup_of_state(notification_id: UUID, number: int, state: FollowupState) -> FollowupAnswer:
    """A follow-up as its events make it."""
    return FollowupAnswer(
        notification_id=notification_id, followup_id=number, body=state.body, at=state.at, withdrawn=False
    )
