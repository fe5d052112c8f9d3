"""What the scheduler is told to do, and when."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from history import History
from lives import planned, requested
from psycopg import Connection

from tocsin.domain.chunk_state import REPEAT_AFTER
from tocsin.domain.events.chunk import (
    AttemptStarted,
    ChunkCompleted,
    ChunkDue,
    ChunkHeld,
    ChunkReleased,
    Outcome,
    OutcomeKind,
    OutcomesRecorded,
)
from tocsin.domain.events.send import (
    AudienceFrozen,
    InDoubt,
    SendCancelled,
    SendCompleted,
    SendExpired,
    SendRejected,
    SendScheduled,
    SendStarted,
    Tally,
)
from tocsin.projections.agenda import Due, DueKind, due, held_chunks, next_due

Project = Callable[..., None]

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
LATER = NOON + timedelta(hours=1)
END_OF_TIME = NOON.replace(year=2100)


def items(connection: Connection[Any], now: datetime = END_OF_TIME) -> dict[DueKind, UUID]:
    found = due(connection, now)
    assert len({item.kind for item in found}) == len(found)
    return {item.kind: item.stream_id for item in found}


def frozen(chunks: int) -> AudienceFrozen:
    return AudienceFrozen(as_of=1, audience=6 * chunks, chunks=chunks)


def settled(kind: OutcomeKind, *indices: int) -> OutcomesRecorded:
    return OutcomesRecorded(attempt=1, outcomes=tuple(Outcome(index, kind) for index in indices))


def test_a_scheduled_send_starts_at_its_time_and_expires_at_its_own(
    history: History, connection: Connection[Any], project: Project
) -> None:
    send = uuid4()
    history.append(send, requested(expires_at=LATER), SendScheduled(at=NOON))
    project("agenda")
    assert items(connection, NOON - timedelta(seconds=1)) == {}
    assert next_due(connection) == NOON
    assert items(connection, NOON) == {DueKind.START_SEND: send}
    assert items(connection, LATER) == {DueKind.START_SEND: send, DueKind.EXPIRE_SEND: send}
    history.append(send, SendExpired())
    project("agenda")
    assert items(connection) == {}
    assert next_due(connection) is None


def test_a_started_send_waits_for_its_audience(history: History, connection: Connection[Any], project: Project) -> None:
    send = uuid4()
    history.append(send, requested(), SendStarted())
    project("agenda")
    assert items(connection) == {DueKind.FREEZE_AUDIENCE: send}
    history.append(send, frozen(1))
    project("agenda")
    assert items(connection) == {}


def test_a_rejected_send_is_nobodys_business(history: History, connection: Connection[Any], project: Project) -> None:
    history.append(uuid4(), requested(expires_at=LATER), SendRejected())
    project("agenda")
    assert items(connection) == {}


def test_devices_that_lie_open_are_announced_once_the_audience_is_frozen(
    history: History, connection: Connection[Any], project: Project
) -> None:
    send, chunk = uuid4(), uuid4()
    history.append(send, requested(), SendStarted())
    history.append(chunk, planned(send, 0), root=send)
    project("agenda")
    assert items(connection) == {DueKind.FREEZE_AUDIENCE: send}
    history.append(send, frozen(1))
    project("agenda")
    assert items(connection) == {DueKind.ANNOUNCE: chunk}
    history.append(chunk, ChunkDue(send_id=send, provider="apns", lane="normal", cause="planned"), root=send)
    project("agenda")
    assert items(connection, datetime.now(UTC)) == {}


def test_an_announcement_nobody_answers_is_made_again_later_and_later(
    history: History, connection: Connection[Any], project: Project
) -> None:
    send, chunk = uuid4(), uuid4()
    told = ChunkDue(send_id=send, provider="apns", lane="normal", cause="planned")
    history.append(send, requested(), SendStarted(), frozen(1))
    history.append(chunk, planned(send, 0), told, root=send)
    project("agenda")
    first, last = _recorded(history, chunk)
    [item] = due(connection, END_OF_TIME)
    assert (item.kind, item.due_at) == (DueKind.REPEAT, last + max(REPEAT_AFTER, last - first))
    for fact in (ChunkHeld(reason="x"), ChunkReleased()):
        history.append(chunk, fact, root=send)
        project("agenda")
        assert (DueKind.REPEAT in items(connection)) == isinstance(fact, ChunkReleased)
    claim = AttemptStarted(attempt=1, devices=((0, 1),), worker="w", lease_expires_at=NOON)
    history.append(chunk, claim, root=send)
    project("agenda")
    assert items(connection) == {DueKind.LEASE: chunk}


def _recorded(history: History, stream_id: UUID) -> tuple[datetime, datetime]:
    """When a stream's first and last events were recorded."""
    found = [entry.recorded_at for entry in history.record.load(stream_id)]
    assert found[0] is not None
    assert found[-1] is not None
    return found[0], found[-1]


def test_a_lease_and_the_policy_for_what_it_leaves_in_doubt(
    history: History, connection: Connection[Any], project: Project
) -> None:
    send, chunk = uuid4(), uuid4()
    claim = AttemptStarted(attempt=1, devices=((0, 6),), worker="w", lease_expires_at=NOON)
    history.append(send, requested(in_doubt=InDoubt.UNKNOWN, max_attempts=3), SendStarted(), frozen(1))
    history.append(chunk, planned(send, 0), claim, root=send)
    project("agenda")
    assert due(connection, NOON - timedelta(seconds=1)) == []
    detail = {"in_doubt": "unknown", "max_attempts": 3}
    assert due(connection, NOON) == [Due(DueKind.LEASE, chunk, send, history.app_id, NOON, detail)]
    history.append(chunk, settled(OutcomeKind.DELIVERED, *range(6)), root=send)
    project("agenda")
    assert items(connection) == {}


def test_a_paced_chunk_is_announced_at_its_time(
    history: History, connection: Connection[Any], project: Project
) -> None:
    send, chunk = uuid4(), uuid4()
    history.append(send, requested(), SendStarted(), frozen(1))
    history.append(chunk, planned(send, 0, not_before=NOON), root=send)
    project("agenda")
    assert items(connection, NOON - timedelta(seconds=1)) == {}
    assert items(connection, NOON) == {DueKind.RETRY: chunk}


def test_a_send_is_completed_when_its_last_chunk_is(
    history: History, connection: Connection[Any], project: Project
) -> None:
    send, first, last = uuid4(), uuid4(), uuid4()
    claim = AttemptStarted(attempt=1, devices=((0, 6),), worker="w", lease_expires_at=END_OF_TIME)
    history.append(send, requested(), SendStarted(), frozen(2))
    for ordinal, chunk in enumerate((first, last)):
        history.append(chunk, planned(send, ordinal), claim, root=send)
        history.append(
            chunk,
            settled(OutcomeKind.DELIVERED, 0, 1, 2, 3, 4),
            settled(OutcomeKind.FAILED, 5),
            root=send,
        )
    history.append(first, ChunkCompleted(tally=Tally(delivered=5, failed=1)), root=send)
    project("agenda")
    assert items(connection) == {}
    history.append(last, ChunkCompleted(tally=Tally(delivered=5, failed=1)), root=send)
    project("agenda")
    (item,) = due(connection, END_OF_TIME)
    assert (item.kind, item.stream_id, item.detail["chunks"]) == (DueKind.COMPLETE_SEND, send, 2)
    assert item.detail["tally"] == {
        "delivered": 10,
        "failed": 2,
        "expired": 0,
        "cancelled": 0,
        "suppressed": 0,
        "unknown": 0,
    }
    history.append(send, SendCompleted(tally=Tally(delivered=10, failed=2)))
    project("agenda")
    assert items(connection) == {}


def test_the_open_devices_of_a_cancelled_send_are_closed_and_those_at_a_provider_awaited(
    history: History, connection: Connection[Any], project: Project
) -> None:
    send, waiting, claimed = uuid4(), uuid4(), uuid4()
    history.append(send, requested(), SendStarted(), frozen(2), SendCancelled())
    history.append(waiting, planned(send, 0), root=send)
    claim = AttemptStarted(attempt=1, devices=((0, 6),), worker="w", lease_expires_at=NOON)
    history.append(claimed, planned(send, 1), claim, root=send)
    project("agenda")
    assert items(connection) == {DueKind.CLOSE_CHUNK: waiting, DueKind.LEASE: claimed}
    (item,) = due(connection, END_OF_TIME, kinds=[DueKind.CLOSE_CHUNK])
    assert item.detail == {"kind": "cancelled"}


def test_a_held_chunk_is_left_alone_until_it_is_looked_for(
    history: History, connection: Connection[Any], project: Project
) -> None:
    send, chunks = uuid4(), sorted(uuid4() for _ in range(3))
    history.append(send, requested(), SendStarted(), frozen(3))
    for ordinal, chunk in enumerate(chunks):
        history.append(chunk, planned(send, ordinal), ChunkHeld(reason="refused"), root=send)
    project("agenda")
    assert items(connection) == {}
    assert held_chunks(connection, 2) == chunks[:2]
    assert held_chunks(connection, 2, chunks[1]) == chunks[2:]


def test_the_longest_overdue_comes_first(history: History, connection: Connection[Any], project: Project) -> None:
    sends = [uuid4() for _ in range(5)]
    for number, send in enumerate(sends):
        history.append(send, requested(), SendScheduled(at=NOON - timedelta(minutes=number)))
    project("agenda")
    assert [item.stream_id for item in due(connection, NOON, limit=3)] == sends[:1:-1]


@pytest.mark.parametrize("running", [0, 300])
def test_what_is_due_is_found_without_reading_what_is_over(
    history: History, connection: Connection[Any], project: Project, running: int
) -> None:
    send, chunk = uuid4(), uuid4()
    history.append(send, requested(), SendStarted(), frozen(1), SendCancelled())
    history.append(chunk, planned(send, 0), root=send)
    for number in range(running):
        other, part = uuid4(), uuid4()
        claim = AttemptStarted(attempt=1, devices=((0, 6),), worker="w", lease_expires_at=END_OF_TIME)
        history.append(other, requested(), SendStarted(), frozen(2))
        history.append(part, planned(other, number), claim, root=other)
    project("agenda")
    repeat_as_over(connection, send, chunk, 20_000)
    # Often enough for a plan that is kept.
    for _ in range(15):
        with connection.transaction():
            before = rows_read(connection)
            found = due(connection, NOON.replace(year=2099))
            assert [(item.kind, item.stream_id) for item in found] == [(DueKind.CLOSE_CHUNK, chunk)]
            assert 0 < rows_read(connection) - before < 100


def repeat_as_over(connection: Connection[Any], send: UUID, chunk: UUID, times: int) -> None:
    """Copies of a stopped send and its chunk, as rows of what ended long ago."""
    connection.execute(
        "insert into agenda_v2.send select (jsonb_populate_record(s, jsonb_build_object('send_id', gen_random_uuid(),"
        " 'ended', true))).* from agenda_v2.send s, generate_series(1, %s) where send_id = %s",
        (times, send),
    )
    connection.execute(
        "insert into agenda_v2.progress select (jsonb_populate_record(p, jsonb_build_object('send_id', s.send_id,"
        " 'ended', true, 'unclaimed', 0, 'completed', 1, 'cancelled', 6, 'pending', 0))).*"
        " from agenda_v2.progress p, agenda_v2.send s where p.send_id = %s and s.send_id <> p.send_id and s.ended",
        (send,),
    )
    connection.execute(
        "insert into agenda_v2.chunk select (jsonb_populate_record(c, jsonb_build_object('chunk_id', gen_random_uuid(),"
        " 'send_id', s.send_id, 'unclaimed', false, 'completed', true, 'open_at', null, 'repeat_at', null))).*"
        " from agenda_v2.chunk c, agenda_v2.send s where c.chunk_id = %s and s.send_id <> c.send_id and s.ended",
        (chunk,),
    )
    connection.execute("analyze agenda_v2.send, agenda_v2.progress, agenda_v2.chunk")


def rows_read(connection: Connection[Any]) -> int:
    """How many rows of the agenda this session has read lately; none is left out between two calls in a transaction."""
    row = connection.execute(
        "select sum(seq_tup_read + coalesce(idx_tup_fetch, 0)) from pg_stat_xact_user_tables"
        " where schemaname = 'agenda_v2'"
    ).fetchone()
    assert row is not None
    return int(row[0])
