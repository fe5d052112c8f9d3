"""Calls to webhooks as they are kept: noted once, claimed by one worker at a time, tried until settled."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from psycopg import Connection
from psycopg.rows import class_row


class CallStatus(StrEnum):
    """``given-up``: the receiver never took it. ``dropped``: the webhook was deleted, or its app disabled."""

    PENDING = "pending"
    DELIVERED = "delivered"
    GIVEN_UP = "given-up"
    DROPPED = "dropped"


Place = tuple[int, int]
"""A call among those to one webhook: position and part."""


@dataclass(frozen=True, slots=True)
class Call:
    """One event, or of one that is about many devices one ``part``, to be told to one webhook. ``attempts``: tries
    begun so far."""

    webhook_id: UUID
    position: int
    part: int
    app_id: UUID
    name: str
    attempts: int = 0

    @property
    def message_id(self) -> str:
        """The ``webhook-id`` of every try of it (Standard Webhooks, "Webhook headers")."""
        return f"evt_{self.position}_{self.part}"


def place_of(message_id: str) -> Place | None:
    """The place of the call whose ``message_id`` this is; None where it cannot be one."""
    found = _MESSAGE_ID.fullmatch(message_id)
    return (int(found[1]), int(found[2])) if found else None


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptCall(Call):
    """A call as it stands."""

    status: str
    next_at: datetime
    created_at: datetime
    settled_at: datetime | None


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try. ``http_status``: what the receiver answered, None where it did not; ``error``: what went wrong."""

    attempt: int
    at: datetime
    http_status: int | None
    error: str | None
    milliseconds: int


_NOTE = """
    insert into record.webhook_calls (webhook_id, position, part, app_id, name)
    select * from unnest(%s::uuid[], %s::bigint[], %s::smallint[], %s::uuid[], %s::text[])
    on conflict do nothing"""

_CLAIM = """
    update record.webhook_calls c set attempts = c.attempts + 1, next_at = clock_timestamp() + %s
    from (select webhook_id, position, part from record.webhook_calls
          where status = 'pending' and next_at <= clock_timestamp() and webhook_id <> all(%s)
          order by next_at limit %s for update skip locked) due
    where (c.webhook_id, c.position, c.part) = (due.webhook_id, due.position, due.part)
    returning c.webhook_id, c.position, c.part, c.app_id, c.name, c.attempts"""

_SETTLE = """
    update record.webhook_calls
    set status = %s, next_at = clock_timestamp() + %s,
        settled_at = case when %s <> 'pending' then clock_timestamp() end
    where webhook_id = %s and position = %s and part = %s and attempts = %s and status = 'pending'"""

_TRIED = """
    insert into record.webhook_attempts (webhook_id, position, part, attempt, http_status, error, milliseconds)
    values (%s, %s, %s, %s, %s, %s, %s) on conflict do nothing"""

_CALLS = """
    select webhook_id, position, part, app_id, name, attempts, status, next_at, created_at, settled_at
    from record.webhook_calls where webhook_id = %s"""

_BACKLOG = """
    select count(*), coalesce(extract(epoch from clock_timestamp() - min(created_at)), 0)
    from record.webhook_calls where status = 'pending'"""

_MESSAGE_ID = re.compile(r"evt_([1-9][0-9]{0,17})_([0-9]{1,3})")


def note(connection: Connection[Any], calls: Sequence[Call]) -> None:
    """Keep calls to be made; those that are kept already stay as they are."""
    if calls:
        rows = [(call.webhook_id, call.position, call.part, call.app_id, call.name) for call in calls]
        connection.execute(_NOTE, [list(column) for column in zip(*rows, strict=True)])


def claim(connection: Connection[Any], lease: timedelta, limit: int, but: Sequence[UUID] = ()) -> list[Call]:
    """Calls that are due now, for the caller alone until ``lease`` is over; none to the webhooks ``but``."""
    with connection.cursor(row_factory=class_row(Call)) as cursor:
        return cursor.execute(_CLAIM, (lease, list(but), limit)).fetchall()


def settle(
    connection: Connection[Any],
    call: Call,
    status: CallStatus,
    *,
    again_in: timedelta = timedelta(),
    http_status: int | None = None,
    error: str | None = None,
    milliseconds: int | None = None,
) -> None:
    """Keep what became of a try (``milliseconds`` None: there was none) and, where it is to be tried again, when.

    Of a call that somebody else has claimed since, only the try is kept.
    """
    key = (call.webhook_id, call.position, call.part)
    with connection.transaction():
        if milliseconds is not None:
            connection.execute(_TRIED, (*key, call.attempts, http_status, error, milliseconds))
        connection.execute(_SETTLE, (status, again_in, status, *key, call.attempts))


def calls(
    connection: Connection[Any],
    webhook_id: UUID,
    *,
    before: Place | None = None,
    status: str | None = None,
    limit: int = 100,
) -> list[KeptCall]:
    """A webhook's calls, the newest events first, from those that come before ``before``; of one status or of all."""
    condition = "and (position, part) < (%s, %s) and status = coalesce(%s, status) order by position desc, part desc"
    place = before or (2**63 - 1, 0)
    with connection.cursor(row_factory=class_row(KeptCall)) as cursor:
        return cursor.execute(f"{_CALLS} {condition} limit %s".encode(), (webhook_id, *place, status, limit)).fetchall()


def call(connection: Connection[Any], webhook_id: UUID, place: Place) -> KeptCall | None:
    """One call; None where there was none, or it is kept no longer."""
    with connection.cursor(row_factory=class_row(KeptCall)) as cursor:
        return cursor.execute(f"{_CALLS} and (position, part) = (%s, %s)".encode(), (webhook_id, *place)).fetchone()


def attempts(connection: Connection[Any], webhook_id: UUID, position: int, part: int = 0) -> list[Attempt]:
    """The tries of one call, in order."""
    statement = """
        select attempt, at, http_status, error, milliseconds from record.webhook_attempts
        where webhook_id = %s and position = %s and part = %s order by attempt"""
    with connection.cursor(row_factory=class_row(Attempt)) as cursor:
        return cursor.execute(statement, (webhook_id, position, part)).fetchall()


def forget(connection: Connection[Any], older: timedelta) -> int:
    """Remove calls that were settled longer ago than this; how many."""
    removed = connection.execute(
        "delete from record.webhook_calls where status <> 'pending' and settled_at < clock_timestamp() - %s", (older,)
    )
    return removed.rowcount


def backlog(connection: Connection[Any]) -> tuple[int, float]:
    """How many calls are not settled yet, and how many seconds ago the oldest of them was noted."""
    row = connection.execute(_BACKLOG).fetchone()
    return (int(row[0]), float(row[1])) if row else (0, 0.0)
