"""The read model of what is to be done, and when: it is all the scheduler looks at."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

import msgspec
from msgspec.structs import replace
from psycopg import Connection
from psycopg.rows import args_row

from tocsin.domain.chunk_state import Chunk, repeat_at, tally
from tocsin.domain.entry import Entry
from tocsin.domain.events.chunk import OutcomeKind
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
from tocsin.domain.send import Status
from tocsin.projections.chunk_states import CHUNK_FACTS, Step, chunks_to_load, freeze, steps
from tocsin.projections.projection import SENDS, Projection, Target, of_streams
from tocsin.projections.tables import Table

SCHEMA = "agenda_v2"

OVERDUE_AFTER = timedelta(minutes=1)
"""How long a send may be started without an audience before it counts as left lying."""

_NOBODY = UUID(int=0)


class DueKind(StrEnum):
    """What is to be done with the stream an item names.

    ``start_send``, ``expire_send``: the send's time has come. ``freeze_audience``: it was started and has no audience
    yet. ``complete_send``: all its chunks are completed (``detail``: ``chunks`` and the ``tally`` that ``CompleteSend``
    asks for). ``lease``: an attempt of the chunk ran out (``detail``: ``in_doubt``, ``max_attempts``). ``retry``:
    devices of the chunk may be tried again. ``announce``: devices of the chunk lie open and nobody was told.
    ``repeat``: somebody was told, long ago, and nobody has claimed them.
    ``close_chunk``: the send was stopped, and the chunk has devices that no attempt holds (``detail``: ``kind``).
    """

    START_SEND = "start_send"
    EXPIRE_SEND = "expire_send"
    FREEZE_AUDIENCE = "freeze_audience"
    COMPLETE_SEND = "complete_send"
    LEASE = "lease"
    RETRY = "retry"
    ANNOUNCE = "announce"
    REPEAT = "repeat"
    CLOSE_CHUNK = "close_chunk"


class Due(msgspec.Struct, frozen=True):
    """One thing to do. ``stream_id``: the send or the chunk, by ``kind``; ``send_id``: the send in either case."""

    kind: DueKind
    stream_id: UUID
    send_id: UUID
    app_id: UUID
    due_at: datetime
    detail: dict[str, Any]


class _Send(msgspec.Struct, frozen=True):
    send_id: UUID
    app_id: UUID
    status: str
    scheduled_at: datetime | None
    expires_at: datetime | None
    started_at: datetime | None
    stopped_as: str | None
    stopped_at: datetime | None
    frozen_at: datetime | None
    chunks: int | None
    ended: bool
    in_doubt: str
    max_attempts: int


class _Chunk(msgspec.Struct, frozen=True):
    chunk_id: UUID
    send_id: UUID
    app_id: UUID
    provider: str
    lane: str
    lease_at: datetime | None
    retry_at: datetime | None
    open_at: datetime | None
    planned_at: datetime
    repeat_at: datetime | None
    unclaimed: bool
    held: str | None
    completed: bool
    state: bytes


_SENDS = Table(SCHEMA, "send", _Send, "send_id")
_CHUNKS = Table(SCHEMA, "chunk", _Chunk, "chunk_id")

_TOLD = ("stopped_as", "stopped_at", "frozen_at", "chunks")
_COUNTED = ("unclaimed", "completed", *Tally.__struct_fields__)
_NOTE = f"""
    insert into {{schema}}.progress as p (send_id, {", ".join(_TOLD)}, ended, {", ".join(_COUNTED)})
    select * from unnest(%s::uuid[], %s::text[], %s::timestamptz[], %s::timestamptz[], %s::int8[], %s::bool[]
                         {", %s::int8[]" * len(_COUNTED)}) order by 1
    on conflict (send_id) do update set
        {", ".join(f"{name} = coalesce(excluded.{name}, p.{name})" for name in _TOLD)},
        ended = p.ended or excluded.ended,
        {", ".join(f"{name} = p.{name} + excluded.{name}" for name in _COUNTED)}"""


class AgendaProjection(Projection):
    """Folds the Send and the Chunk streams."""

    name = "agenda"
    version = 2
    group = SENDS
    wanted = of_streams("send", "chunk") - {"send.devices_excluded"}

    def fold(self, target: Target, entries: Sequence[Entry]) -> None:
        sends = _fold_sends(target, [entry for entry in entries if type(entry.fact) not in CHUNK_FACTS])
        counts = _fold_chunks(target, [entry for entry in entries if type(entry.fact) in CHUNK_FACTS])
        _note_progress(target, sends, counts)


def _fold_sends(target: Target, entries: Sequence[Entry]) -> dict[UUID, _Send]:
    """The sends whose progress is told by more than their chunks now."""
    before = _SENDS.load(target, {entry.originator_id for entry in entries})
    rows = dict(before)
    for entry in entries:
        rows[entry.originator_id] = _evolved(rows.get(entry.originator_id), entry)
    _SENDS.save(target, before, rows)
    return {send_id: row for send_id, row in rows.items() if row.frozen_at or row.stopped_at or row.ended}


def _note_progress(target: Target, sends: Mapping[UUID, _Send], counts: Mapping[UUID, Counter[str]]) -> None:
    # In one statement and in one order, as members of the group that fold other partitions write the same rows.
    send_ids = [*sends, *(counts.keys() - sends)]
    if not send_ids:
        return
    told = [[getattr(sends[one], name) if one in sends else None for one in send_ids] for name in _TOLD]
    ended = [one in sends and sends[one].ended for one in send_ids]
    counted = [[counts[one][name] if one in counts else 0 for one in send_ids] for name in _COUNTED]
    target.run(_NOTE, send_ids, *told, ended, *counted)


def _evolved(row: _Send | None, entry: Entry) -> _Send:
    fact, at = entry.fact, entry.recorded_at
    if isinstance(fact, SendRequested):
        return _requested(fact, entry)
    if row is None:
        raise LookupError(f"send {entry.originator_id} was never requested")
    match fact:
        case SendScheduled():
            return replace(row, status=Status.SCHEDULED.value, scheduled_at=fact.at)
        case SendStarted():
            return replace(row, status=Status.STARTED.value, started_at=at)
        case AudienceFrozen():
            return replace(row, status=Status.SENDING.value, frozen_at=at, chunks=fact.chunks)
        case SendRejected():
            return replace(row, status=Status.REJECTED.value, ended=True)
        case SendCancelled():
            return _stopped(row, Status.CANCELLED, OutcomeKind.CANCELLED, at)
        case SendExpired():
            return _stopped(row, Status.EXPIRED, OutcomeKind.EXPIRED, at)
        case SendCompleted():
            return replace(row, status=row.status if row.stopped_as else Status.COMPLETED.value, ended=True)
        case SendApproved() | SendWithdrawn():
            return row
    raise LookupError(f"{type(fact).__name__} is no fact of a send")


def _requested(fact: SendRequested, entry: Entry) -> _Send:
    return _Send(
        send_id=entry.originator_id,
        app_id=entry.app_id,
        status=Status.REQUESTED.value,
        scheduled_at=None,
        expires_at=fact.expires_at,
        started_at=None,
        stopped_as=None,
        stopped_at=None,
        frozen_at=None,
        chunks=None,
        ended=False,
        in_doubt=fact.in_doubt.value,
        max_attempts=fact.max_attempts,
    )


def _stopped(row: _Send, status: Status, kind: OutcomeKind, at: datetime | None) -> _Send:
    """A send that has no audience yet ends here; one that has, with its last chunk."""
    return replace(row, status=status.value, stopped_as=kind.value, stopped_at=at, ended=row.frozen_at is None)


def _fold_chunks(target: Target, entries: Sequence[Entry]) -> dict[UUID, Counter[str]]:
    """What the entries add to the counts of their sends."""
    before = _CHUNKS.load(target, chunks_to_load(entries))
    last: dict[UUID, Step] = {}
    planned_at = {chunk_id: row.planned_at for chunk_id, row in before.items()}
    counts: dict[UUID, Counter[str]] = {}
    for step in steps(entries, {row.chunk_id: row.state for row in before.values()}):
        last[step.entry.originator_id] = step
        planned_at.setdefault(step.entry.originator_id, _recorded(step.entry))
        _add(counts.setdefault(step.after.send_id, Counter()), step)
    _CHUNKS.save(target, before, {chunk_id: _row(step, planned_at[chunk_id]) for chunk_id, step in last.items()})
    return counts


def _recorded(entry: Entry) -> datetime:
    assert entry.recorded_at is not None
    return entry.recorded_at


def _row(step: Step, planned_at: datetime) -> _Chunk:
    chunk, last = step.after, _recorded(step.entry)
    leases = [attempt.lease_expires_at for attempt in chunk.attempts.values() if attempt.claimed]
    waits = [at for at, group in chunk.waiting.items() if group & ~chunk.announced]
    unannounced = chunk.pending & ~chunk.announced and not leases
    return _Chunk(
        chunk_id=step.entry.originator_id,
        send_id=chunk.send_id,
        app_id=step.entry.app_id,
        provider=chunk.provider,
        lane=chunk.lane,
        lease_at=min(leases, default=None),
        retry_at=min(waits, default=None) if chunk.held is None else None,
        open_at=last if unannounced and chunk.held is None else None,
        planned_at=planned_at,
        repeat_at=repeat_at(chunk, planned_at, last),
        unclaimed=bool(chunk.unclaimed),
        held=chunk.held,
        completed=chunk.completed,
        state=freeze(chunk),
    )


def _add(count: Counter[str], step: Step) -> None:
    for chunk, sign in ((step.after, 1), (step.before, -1)):
        if chunk is not None:
            count["unclaimed"] += sign * bool(chunk.unclaimed)
            count["completed"] += sign * chunk.completed
            for name, number in _tally(chunk).items():
                count[name] += sign * number


def _tally(chunk: Chunk) -> dict[str, int]:
    return msgspec.structs.asdict(tally(chunk))


def due(
    connection: Connection[Any],
    now: datetime,
    limit: int = 100,
    kinds: Sequence[DueKind] = tuple(DueKind),
    but_for: Collection[UUID] = (),
) -> list[Due]:
    """What is to be done at ``now``, the longest overdue first, narrowed to ``kinds``.

    ``but_for``: sends and chunks of which nothing is wanted; of such a send, nothing of its chunks either. An item
    stays until the events that settle it are projected: doing it a second time must be no event.
    """
    with connection.cursor(row_factory=args_row(_due), binary=True) as cursor:
        return cursor.execute(
            "select kind, stream_id, send_id, app_id, due_at, detail from agenda_v2.item"
            " where due_at <= %s and kind = any(%s) and stream_id <> all(%s::uuid[]) and send_id <> all(%s::uuid[])"
            " order by due_at, stream_id limit %s",
            (now, list(kinds), list(but_for), list(but_for), limit),
        ).fetchall()


def _due(kind: str, *rest: Any) -> Due:
    return Due(DueKind(kind), *rest)


def unplanned(connection: Connection[Any], limit: int = 100, but_for: Collection[UUID] = ()) -> list[UUID]:
    """Sends without an audience that were started longer than ``OVERDUE_AFTER`` ago, and of which nothing was planned
    lately, the oldest first: no planner is at them, or none can plan them. ``but_for``: of these nothing is said.
    """
    rows = connection.execute(
        "select send_id from agenda_v2.item i where kind = %s and due_at < clock_timestamp() - %s"
        " and send_id <> all(%s::uuid[]) and not exists (select from agenda_v2.chunk c where c.send_id = i.send_id"
        " and c.unclaimed and c.planned_at > clock_timestamp() - %s) order by due_at limit %s",
        (DueKind.FREEZE_AUDIENCE, OVERDUE_AFTER, list(but_for), OVERDUE_AFTER, limit),
    )
    return [send_id for (send_id,) in rows]


def next_due(connection: Connection[Any], kinds: Sequence[DueKind] = tuple(DueKind)) -> datetime | None:
    """When the next item falls due (in the past where one has); None while nothing is foreseen."""
    row = connection.execute("select min(due_at) from agenda_v2.item where kind = any(%s)", (list(kinds),)).fetchone()
    return row[0] if row else None


def held_chunks(connection: Connection[Any], limit: int = 100, after: UUID = _NOBODY) -> list[UUID]:
    """The chunks that nobody may claim from until they are released, by id, from those above ``after``."""
    rows = connection.execute(
        "select chunk_id from agenda_v2.chunk"
        " where held is not null and not completed and chunk_id > %s order by chunk_id limit %s",
        (after, limit),
    )
    return [chunk_id for (chunk_id,) in rows]
