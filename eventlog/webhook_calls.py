"""Calls to webhooks as they are kept: noted once, claimed by one worker at a time, tried until settled."""

from __future__ import annotations

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


@dataclass(frozen=True, slots=True)
class KeptCall(Call):
    """A call as it stands."""

    status: str = CallStatus.PENDING
    next_at: datetime | None = None
    created_at: datetime | None = None
    settled_at: datetime | None = None


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
    from record.webhook_calls where webhook_id = %s and position < %s order by position desc, part limit %s"""


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
    connection: Connection[Any], webhook_id: UUID, *, before: int = 2**63 - 1, limit: int = 100
) -> list[KeptCall]:
    """A webhook's calls, the newest events first, from those at positions below ``before``."""
    with connection.cursor(row_factory=class_row(KeptCall)) as cursor:
        return cursor.execute(_CALLS, (webhook_id, before, limit)).fetchall()


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
