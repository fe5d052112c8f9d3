"""The read model of sends: their status and times, and what became of their devices, counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from psycopg import Connection

from tocsin.domain.chunk_state import tally
from tocsin.domain.entry import Entry
from tocsin.domain.events.send import DevicesExcluded, Exclusion, Tally
from tocsin.eventlog.handles import Handles
from tocsin.projections.chunk_states import CHUNK_FACTS, Step, chunks_to_load, freeze, steps
from tocsin.projections.cursors import passed_schemas, settled
from tocsin.projections.pages import Conditions, Page, Slice, page
from tocsin.projections.projection import SENDS, Projection, Target, of_streams
from tocsin.projections.sends_rows import (
    CHUNKS,
    EXCLUSIONS,
    SCHEMA,
    SEND_ROWS,
    Chunk,
    Excluded,
    Send,
    SendRow,
    evolved,
)

__all__ = ["Chunk", "Excluded", "Send", "SendFilter", "SendsProjection"]

_OUTCOMES = Tally.__struct_fields__
_COUNT = f"""
    insert into {{schema}}.outcome_count as c (send_id, provider, {", ".join(_OUTCOMES)})
    select * from unnest(%s::uuid[], %s::text[]{", %s::int8[]" * len(_OUTCOMES)}) order by 1, 2
    on conflict (send_id, provider)
    do update set {", ".join(f"{name} = c.{name} + excluded.{name}" for name in _OUTCOMES)}"""


class SendFilter(msgspec.Struct, frozen=True, kw_only=True):
    """What a list of sends is narrowed to: those with all of ``labels`` and none of ``no_labels``, requested
    ``through`` an API, or ``since`` a moment. ``withdrawn``: also those that were withdrawn."""

    labels: tuple[str, ...] = ()
    no_labels: tuple[str, ...] = ()
    through: str | None = None
    since: datetime | None = None
    withdrawn: bool = True


class SendsProjection(Projection):
    """Folds the Send and the Chunk streams."""

    name = "sends"
    group = SENDS
    wanted = of_streams("send", "chunk")

    def fold(self, target: Target, entries: Sequence[Entry]) -> None:
        _fold_chunks(target, [entry for entry in entries if type(entry.fact) in CHUNK_FACTS])
        excluded = [row for entry in entries for row in _exclusions(entry)]
        if excluded:
            EXCLUSIONS.copy(target, excluded)
        others = (*CHUNK_FACTS, DevicesExcluded)
        _fold_sends(target, [entry for entry in entries if type(entry.fact) not in others])


def _fold_sends(target: Target, entries: Sequence[Entry]) -> None:
    before = SEND_ROWS.load(target, {entry.originator_id for entry in entries})
    rows = dict(before)
    for entry in entries:
        rows[entry.originator_id] = evolved(rows.get(entry.originator_id), entry)
    SEND_ROWS.save(target, before, rows)


def _exclusions(entry: Entry) -> Iterable[Excluded]:
    fact = entry.fact
    if isinstance(fact, DevicesExcluded):
        for index, (device_id, reason) in enumerate(fact.devices):
            yield Excluded(fact.send_id, fact.ordinal, index, device_id, reason.value, entry.position)


def _fold_chunks(target: Target, entries: Sequence[Entry]) -> None:
    before = CHUNKS.load(target, chunks_to_load(entries))
    planned_at = {row.chunk_id: row.planned_at for row in before.values()}
    last: dict[UUID, Step] = {}
    counts: dict[tuple[UUID, str], Counter[str]] = {}
    for step in steps(entries, {row.chunk_id: row.state for row in before.values()}):
        last[step.entry.originator_id] = step
        assert step.entry.recorded_at is not None
        planned_at.setdefault(step.entry.originator_id, step.entry.recorded_at)
        _add(counts.setdefault((step.after.send_id, step.after.provider), Counter()), step)
    CHUNKS.save(target, before, {chunk_id: _chunk(step, planned_at[chunk_id]) for chunk_id, step in last.items()})
    if counts:
        sends, providers = zip(*counts, strict=True)
        columns = [[count[name] for count in counts.values()] for name in _OUTCOMES]
        target.run(_COUNT, list(sends), list(providers), *columns)


def _add(count: Counter[str], step: Step) -> None:
    for chunk, sign in ((step.after, 1), (step.before, -1)):
        if chunk is not None:
            for name, number in msgspec.structs.asdict(tally(chunk)).items():
                count[name] += sign * number


def _chunk(step: Step, planned_at: datetime) -> Chunk:
    chunk = step.after
    assert step.entry.recorded_at is not None
    return Chunk(
        chunk_id=step.entry.originator_id,
        send_id=chunk.send_id,
        app_id=step.entry.app_id,
        ordinal=chunk.ordinal,
        provider=chunk.provider,
        profile=chunk.profile,
        lane=chunk.lane,
        status=_status(step),
        held=chunk.held,
        attempt=max(chunk.attempts, default=0),
        devices=len(chunk.devices),
        pending=tally(chunk).pending,
        planned_at=planned_at,
        updated_at=step.entry.recorded_at,
        position=step.entry.position,
        state=freeze(chunk),
    )


def _status(step: Step) -> str:
    chunk = step.after
    if chunk.completed:
        return "completed"
    if chunk.held is not None:
        return "held"
    if chunk.claimed:
        return "sending"
    if chunk.waiting and not chunk.pending:
        return "waiting"
    return "due" if chunk.announced else "planned"


def send(connection: Connection[Any], app_id: UUID, send_id: UUID) -> Send | None:
    """One send of an app, with its counts."""
    rows = SEND_ROWS.select(connection, "where send_id = %s and app_id = %s", send_id, app_id)
    return _with_counts(connection, rows)[0] if rows else None


def send_by_number(connection: Connection[Any], app_id: UUID, number: int) -> Send | None:
    """One send by the number that is its ``created_position``."""
    rows = SEND_ROWS.select(connection, "where created_position = %s and app_id = %s", number, app_id)
    return _with_counts(connection, rows)[0] if rows else None


def send_by_handle(connection: Connection[Any], app_id: UUID, handles: Handles, handle: str) -> Send | None:
    """One send of an app by its id in short form; None where that of two of them is the same."""
    ids = handles.ids(handle)
    condition = "where send_id between %s and %s and app_id = %s limit 2"
    rows = SEND_ROWS.select(connection, condition, *ids, app_id) if ids else []
    return _with_counts(connection, rows)[0] if len(rows) == 1 else None


def slice_sends(
    connection: Connection[Any],
    app_id: UUID,
    wanted: SendFilter = SendFilter(),  # noqa: B008
    *,
    offset: int = 0,
    limit: int = 100,
) -> Slice[Send]:
    """So many of an app's sends from the ``offset``-th on, the newest first, and how many there are."""
    conditions = _conditions(connection, app_id, wanted)
    rows, total = SEND_ROWS.slice(connection, conditions, "created_position desc", offset, limit)
    return Slice(tuple(_with_counts(connection, rows)), total)


def _conditions(connection: Connection[Any], app_id: UUID, wanted: SendFilter) -> Conditions:
    conditions = Conditions.of("app_id = %s", app_id)
    conditions.add(settled(connection, SCHEMA), "created_position <= %s")
    conditions.add(list(wanted.labels) or None, "labels @> %s::text[]")
    conditions.add(list(wanted.no_labels) or None, "not labels && %s::text[]")
    conditions.add(wanted.through, "requested_through = %s")
    conditions.add(wanted.since, "requested_at >= %s")
    if not wanted.withdrawn:
        conditions.texts.append("withdrawn_at is null")
    return conditions


def list_sends(
    connection: Connection[Any],
    app_id: UUID,
    *,
    status: str | None = None,
    notification_id: UUID | None = None,
    wanted: SendFilter = SendFilter(),  # noqa: B008
    before: int | None = None,
    limit: int = 100,
) -> Page[Send, int]:
    """An app's sends, the newest first, from those whose ``created_position`` is below ``before``."""
    conditions = _conditions(connection, app_id, wanted)
    conditions.add(status, "status = %s")
    conditions.add(notification_id, "notification_id = %s")
    conditions.add(before, "created_position < %s")
    rows = SEND_ROWS.select(
        connection, f"{conditions.where} order by created_position desc limit %s", *conditions.parameters, limit + 1
    )
    return page(_with_counts(connection, rows), limit, lambda found: found.row.created_position)


def _with_counts(connection: Connection[Any], rows: Sequence[SendRow]) -> list[Send]:
    counts: dict[UUID, dict[str, Tally]] = {row.send_id: {} for row in rows}
    # Before the counts are read: what had been folded by then is in them.
    passed = passed_schemas(connection, [SCHEMA])
    found = connection.execute(
        f"select send_id, provider, {', '.join(_OUTCOMES)} from {SCHEMA}.outcome_count"
        " where send_id = any(%s) order by provider",
        (list(counts),),
    ).fetchall()
    for send_id, provider, *numbers in found:
        counts[send_id][provider] = Tally(**dict(zip(_OUTCOMES, numbers, strict=True)))
    return [Send(row, counts[row.send_id], row.position <= passed) for row in rows]


def list_exclusions(
    connection: Connection[Any],
    send_id: UUID,
    *,
    reason: Exclusion | None = None,
    after: tuple[int, int] = (-1, -1),
    limit: int = 100,
) -> Page[Excluded, tuple[int, int]]:
    """The devices a send left out, from those whose (``ordinal``, ``index``) is above ``after``."""
    conditions = Conditions(["send_id = %s", "(ordinal, index) > (%s, %s)"], [send_id, *after])
    conditions.add(reason, "reason = %s")
    found = EXCLUSIONS.select(
        connection, f"{conditions.where} order by ordinal, index limit %s", *conditions.parameters, limit + 1
    )
    return page(found, limit, lambda row: (row.ordinal, row.index))


def list_chunks(connection: Connection[Any], send_id: UUID, *, after: int = -1, limit: int = 100) -> Page[Chunk, int]:
    """A send's chunks, from those whose ``ordinal`` is above ``after``."""
    found = CHUNKS.select(
        connection, "where send_id = %s and ordinal > %s order by ordinal limit %s", send_id, after, limit + 1
    )
    return page(found, limit, lambda row: row.ordinal)


def chunk(connection: Connection[Any], chunk_id: UUID) -> Chunk | None:
    """One chunk."""
    return CHUNKS.first(connection, "where chunk_id = %s", chunk_id)
