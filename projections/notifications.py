"""The read model of notifications: what people can read, whether it is in force, and its follow-ups."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

import msgspec
from msgspec import UNSET
from msgspec.structs import replace
from psycopg import Connection

from tocsin.domain.entry import Entry, Fact
from tocsin.domain.events.notification import (
    FollowupAdded,
    FollowupAmended,
    FollowupWithdrawn,
    NotificationAmended,
    NotificationCreated,
    NotificationWithdrawn,
)
from tocsin.projections.cursors import settled
from tocsin.projections.pages import Conditions, Page, page
from tocsin.projections.projection import Projection, Target, of_streams
from tocsin.projections.tables import Table

SCHEMA = "notifications_v1"


class Row(msgspec.Struct, frozen=True):
    """In force from ``starts_at`` until ``expires_at`` (None: for good), unless ``withdrawn_at`` is set. ``reason``: of
    the withdrawal."""

    notification_id: UUID
    app_id: UUID
    body: str
    title: str | None
    label: str | None
    url: str | None
    data: dict[str, Any]
    starts_at: datetime
    expires_at: datetime | None
    withdrawn_at: datetime | None
    reason: str | None
    created_at: datetime
    updated_at: datetime
    created_position: int
    position: int


class Followup(msgspec.Struct, frozen=True):
    """``at``: the time it tells of. ``reason``: of its withdrawal."""

    notification_id: UUID
    followup_id: int
    body: str
    at: datetime
    withdrawn_at: datetime | None
    reason: str | None
    created_at: datetime
    position: int


class Notification(msgspec.Struct, frozen=True):
    """A notification and its follow-ups in the order they were added, withdrawn ones among them."""

    row: Row
    followups: tuple[Followup, ...]

    def is_in_force(self, now: datetime) -> bool:
        """Whether people are to read it at ``now``."""
        row = self.row
        ended = row.expires_at is not None and row.expires_at <= now
        return row.withdrawn_at is None and row.starts_at <= now and not ended


class When(StrEnum):
    """``current``: in force. ``upcoming``: will be. ``past``: was, or was withdrawn."""

    CURRENT = "current"
    UPCOMING = "upcoming"
    PAST = "past"


_ROWS = Table(SCHEMA, "notification", Row, "notification_id")
_FOLLOWUPS = Table(SCHEMA, "followup", Followup, "notification_id", "followup_id")

_OF_NOTIFICATIONS = (NotificationCreated, NotificationAmended, NotificationWithdrawn)

_WHEN = {
    When.CURRENT: "withdrawn_at is null and starts_at <= %s and (expires_at is null or expires_at > %s)",
    When.UPCOMING: "withdrawn_at is null and starts_at > %s and (expires_at is null or expires_at > %s)",
    When.PAST: "(withdrawn_at is not null or expires_at <= %s)",
}


class NotificationsProjection(Projection):
    """Folds the Notification streams."""

    name = "notifications"
    wanted = of_streams("notification")

    def fold(self, target: Target, entries: Sequence[Entry]) -> None:
        _fold_rows(target, [entry for entry in entries if isinstance(entry.fact, _OF_NOTIFICATIONS)])
        _fold_followups(target, [entry for entry in entries if not isinstance(entry.fact, _OF_NOTIFICATIONS)])


def _fold_rows(target: Target, entries: Sequence[Entry]) -> None:
    before = _ROWS.load(target, {entry.originator_id for entry in entries})
    rows = dict(before)
    for entry in entries:
        fact, row = entry.fact, rows.get(entry.originator_id)
        if isinstance(fact, NotificationCreated):
            rows[entry.originator_id] = _created(fact, entry)
        elif row is None:
            raise LookupError(f"notification {entry.originator_id} was never created")
        elif isinstance(fact, NotificationWithdrawn):
            changes = {"withdrawn_at": entry.recorded_at, "reason": fact.reason}
            rows[entry.originator_id] = _touched(row, entry, changes)
        else:
            rows[entry.originator_id] = _touched(row, entry, _given(fact))
    _ROWS.save(target, before, rows)


def _created(fact: NotificationCreated, entry: Entry) -> Row:
    assert entry.recorded_at is not None
    return Row(
        notification_id=entry.originator_id,
        app_id=entry.app_id,
        body=fact.body,
        title=fact.title,
        label=fact.label,
        url=fact.url,
        data=fact.data,
        starts_at=fact.starts_at,
        expires_at=fact.expires_at,
        withdrawn_at=None,
        reason=None,
        created_at=entry.recorded_at,
        updated_at=entry.recorded_at,
        created_position=entry.position,
        position=entry.position,
    )


def _touched(row: Row, entry: Entry, changes: dict[str, Any]) -> Row:
    assert entry.recorded_at is not None
    return replace(row, **changes, updated_at=entry.recorded_at, position=entry.position)


def _given(fact: Fact) -> dict[str, Any]:
    """The fields of a fact that are set."""
    given = {name: getattr(fact, name) for name in fact.__struct_fields__}
    return {name: value for name, value in given.items() if value is not UNSET}


def _fold_followups(target: Target, entries: Sequence[Entry]) -> None:
    keyed = [((entry.originator_id, _number(entry.fact)), entry) for entry in entries]
    before = _FOLLOWUPS.load(target, {key for key, _ in keyed})
    rows = dict(before)
    for key, entry in keyed:
        fact, row = entry.fact, rows.get(key)
        if isinstance(fact, FollowupAdded):
            rows[key] = _added(fact, entry)
        elif row is None:
            raise LookupError(f"follow-up {key[1]} of notification {key[0]} was never added")
        elif isinstance(fact, FollowupWithdrawn):
            rows[key] = replace(row, withdrawn_at=entry.recorded_at, reason=fact.reason, position=entry.position)
        else:
            rows[key] = replace(row, **_given(fact), position=entry.position)
    _FOLLOWUPS.save(target, before, rows)


def _number(fact: Fact) -> int:
    assert isinstance(fact, FollowupAdded | FollowupAmended | FollowupWithdrawn)
    return fact.followup_id


def _added(fact: FollowupAdded, entry: Entry) -> Followup:
    assert entry.recorded_at is not None
    return Followup(
        notification_id=entry.originator_id,
        followup_id=fact.followup_id,
        body=fact.body,
        at=fact.at,
        withdrawn_at=None,
        reason=None,
        created_at=entry.recorded_at,
        position=entry.position,
    )


def notification(connection: Connection[Any], app_id: UUID, notification_id: UUID) -> Notification | None:
    """One notification of an app."""
    return _one(connection, "where notification_id = %s and app_id = %s", notification_id, app_id)


def notification_by_number(connection: Connection[Any], app_id: UUID, number: int) -> Notification | None:
    """One notification by the number that is its ``created_position``."""
    return _one(connection, "where created_position = %s and app_id = %s", number, app_id)


def _one(connection: Connection[Any], condition: str, *parameters: object) -> Notification | None:
    rows = _ROWS.select(connection, condition, *parameters)
    return _with_followups(connection, rows)[0] if rows else None


def list_notifications(
    connection: Connection[Any],
    app_id: UUID,
    *,
    now: datetime,
    when: When | None = None,
    before: int | None = None,
    limit: int = 100,
) -> Page[Notification, int]:
    """An app's notifications, the newest first, from those whose ``created_position`` is below ``before``.

    ``when``: narrowed to those in force at ``now``, not yet, or no longer; None: all there ever were.
    """
    conditions = Conditions.of("app_id = %s", app_id)
    conditions.add(settled(connection, SCHEMA), "created_position <= %s")
    conditions.add(before, "created_position < %s")
    if when is not None:
        conditions.texts.append(_WHEN[when])
        conditions.parameters += [now] * _WHEN[when].count("%s")
    rows = _ROWS.select(
        connection, f"{conditions.where} order by created_position desc limit %s", *conditions.parameters, limit + 1
    )
    return page(_with_followups(connection, rows), limit, lambda found: found.row.created_position)


def _with_followups(connection: Connection[Any], rows: Sequence[Row]) -> list[Notification]:
    found: dict[UUID, list[Followup]] = {row.notification_id: [] for row in rows}
    for followup in _FOLLOWUPS.select(connection, "where notification_id = any(%s) order by followup_id", list(found)):
        found[followup.notification_id].append(followup)
    return [Notification(row, tuple(found[row.notification_id])) for row in rows]
