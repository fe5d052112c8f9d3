"""The read model of deliveries: one row a device of a send, with what the provider and the phone said."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
from psycopg import Connection
from psycopg.rows import args_row

from tocsin.domain import indices
from tocsin.domain.delivery import NAME_OF, RETRY, DeliveryFact, unroll
from tocsin.domain.entry import Entry, Fact
from tocsin.domain.events.chunk import ChunkPlanned, OutcomeKind
from tocsin.domain.events.device import BadgeChanged
from tocsin.domain.events.receipt import ReceiptOpened, ReceiptReceived, ReceiptRemoved
from tocsin.projections.chunk_states import CHUNK_FACTS, Step, chunks_to_load, freeze, steps
from tocsin.projections.cursors import settled
from tocsin.projections.pages import Conditions, Page, Slice, page
from tocsin.projections.projection import DELIVERIES, Projection, Target, of_streams
from tocsin.projections.tables import Table

SCHEMA = "deliveries_v2"

PENDING = "pending"

STRIDE = 1024
"""Above every index in a chunk."""


class _Row(msgspec.Struct, frozen=True, gc=False):
    chunk_id: UUID
    index: int
    send_id: UUID
    ordinal: int
    app_id: UUID
    device_id: UUID
    provider: str
    planned_position: int
    outcome: str
    message_id: str | None
    code: str | None
    reason: str | None
    attempts: int
    sent_at: datetime | None
    answered_at: datetime | None
    position: int
    updated_at: datetime


class Delivery(_Row, frozen=True):
    """``outcome``: ``pending``, or an ``OutcomeKind``. ``code``, ``reason``: of the newest answer, also of one after
    which the device is tried again. ``attempts``: claims, as of the newest answer. ``position`` and ``index``: the
    address of the newest event about it in the record (the plan's, while there is no other). ``received_at``,
    ``opened_at``: what the phone reported, by its own clock where it gave a time. ``removed_at``: when its owner took
    the message out of the inbox.
    """

    received_at: datetime | None
    opened_at: datetime | None
    removed_at: datetime | None

    @property
    def number(self) -> int:
        """A number of its own, for protocols whose ids are numbers; made of where its chunk was planned."""
        return self.planned_position * STRIDE + self.index


class ReceiptCounts(NamedTuple):
    """Devices of a send that received it (those that opened it did), and that opened it."""

    received: int
    opened: int


class _KeptChunk(msgspec.Struct, frozen=True):
    chunk_id: UUID
    planned_position: int
    state: bytes


class _Change(NamedTuple):
    """The columns of a row that events after the plan change."""

    outcome: str
    message_id: str | None
    code: str | None
    reason: str | None
    attempts: int
    sent_at: datetime | None
    answered_at: datetime | None
    position: int
    updated_at: datetime


_ROWS = Table(SCHEMA, "delivery", _Row, "chunk_id", "index")
_CHUNKS = Table(SCHEMA, "chunk", _KeptChunk, "chunk_id")

_CHANGE_TYPES = dict(zip(_Row.__struct_fields__, _ROWS.types, strict=True))
_UPDATE = f"""
    update {{schema}}.delivery d set {", ".join(f"{name} = c.{name}" for name in _Change._fields)}
    from unnest(%s::uuid[], %s::int8[], {", ".join(f"%s::{_CHANGE_TYPES[name]}[]" for name in _Change._fields)})
         as c (chunk_id, index, {", ".join(_Change._fields)})
    where d.chunk_id = c.chunk_id and d.index = c.index"""

_REPORT = """
    insert into {schema}.receipt as r (send_id, device_id, received_at, opened_at, removed_at)
    select * from unnest(%s::uuid[], %s::uuid[], %s::timestamptz[], %s::timestamptz[], %s::timestamptz[]) order by 1, 2
    on conflict (send_id, device_id) do update
    set received_at = least(r.received_at, excluded.received_at), opened_at = least(r.opened_at, excluded.opened_at),
        removed_at = least(r.removed_at, excluded.removed_at)"""

_BADGE_OF_DEVICE = """
    insert into {schema}.badge as b (device_id, badge, position)
    select * from unnest(%s::uuid[], %s::int8[], %s::int8[]) order by 1
    on conflict (device_id) do update set badge = excluded.badge, position = excluded.position
    where b.position < excluded.position"""

_BADGE_OF_CHUNK = """
    insert into {schema}.badge as b (device_id, badge, position)
    select distinct on (d.device_id) d.device_id, c.badge, c.position
    from unnest(%s::uuid[], %s::int8[], %s::int8[], %s::int8[]) as c (chunk_id, index, badge, position)
    join {schema}.delivery d on d.chunk_id = c.chunk_id and d.index = c.index
    order by d.device_id, c.position desc
    on conflict (device_id) do update set badge = excluded.badge, position = excluded.position
    where b.position < excluded.position"""

_KINDS = {name: kind for kind, name in NAME_OF.items()}


class DeliveriesProjection(Projection):
    """Folds the Chunk and the Receipt streams; of the Device streams only the badges."""

    name = "deliveries"
    version = 2
    group = DELIVERIES
    wanted = of_streams("chunk", "receipt") | {"device.badge_changed"}

    def fold(self, target: Target, entries: Sequence[Entry]) -> None:
        _fold_chunks(target, [entry for entry in entries if type(entry.fact) in CHUNK_FACTS])
        _fold_receipts(target, [entry for entry in entries if isinstance(entry.fact, _RECEIPTS)])
        _fold_badges(target, [entry for entry in entries if isinstance(entry.fact, BadgeChanged)])


_RECEIPTS = ReceiptReceived | ReceiptOpened | ReceiptRemoved


def _fold_chunks(target: Target, entries: Sequence[Entry]) -> None:
    before = _CHUNKS.load(target, chunks_to_load(entries))
    plans: dict[UUID, Entry] = {}
    changes: dict[tuple[UUID, int], _Change] = {}
    last: dict[UUID, Step] = {}
    badges: list[tuple[UUID, int, int, int]] = []
    for step in steps(entries, {row.chunk_id: row.state for row in before.values()}):
        last[step.entry.originator_id] = step
        if step.before is None:
            plans[step.entry.originator_id] = step.entry
        else:
            changes.update(_changes(step))
            badges += _badges(step)
    planned = {row.chunk_id: row.planned_position for row in before.values()}
    planned |= {chunk_id: plan.position for chunk_id, plan in plans.items()}
    kept = {key: _KeptChunk(key, planned[key], freeze(step.after)) for key, step in last.items()}
    _CHUNKS.save(target, before, kept)
    if plans:
        _ROWS.copy(target, (row for plan in plans.values() for row in _planned(plan, changes)))
    _update(target, {key: change for key, change in changes.items() if key[0] not in plans})
    if badges:
        target.run(_BADGE_OF_CHUNK, *(list(column) for column in zip(*badges, strict=True)))


def _badges(step: Step) -> Iterator[tuple[UUID, int, int, int]]:
    """Chunk, index, badge and position, of each device whose badge the entry sets."""
    before = step.before.badges if step.before else {}
    if before is not step.after.badges:
        for index, badge in step.after.badges.items():
            if index not in before:
                yield step.entry.originator_id, index, badge, step.entry.position


def _fold_badges(target: Target, entries: Sequence[Entry]) -> None:
    newest: dict[UUID, tuple[int, int]] = {}
    for entry in entries:
        assert isinstance(entry.fact, BadgeChanged)
        newest[entry.originator_id] = (entry.fact.badge, entry.position)
    if newest:
        badges, positions = zip(*newest.values(), strict=True)
        target.run(_BADGE_OF_DEVICE, list(newest), list(badges), list(positions))


def _planned(entry: Entry, changes: Mapping[tuple[UUID, int], _Change]) -> Iterator[_Row]:
    """A chunk's new rows, with what happened to them since."""
    plan, position = entry.fact, entry.position
    assert isinstance(plan, ChunkPlanned)
    assert entry.recorded_at is not None
    untouched = _Change(PENDING, None, None, None, 0, None, None, position, entry.recorded_at)
    for index, device_id in enumerate(plan.devices):
        change = changes.get((entry.originator_id, index), untouched)
        yield _Row(
            entry.originator_id,
            index,
            plan.send_id,
            plan.ordinal,
            entry.app_id,
            device_id,
            plan.provider,
            position,
            *change,
        )


def _changes(step: Step) -> Iterator[tuple[tuple[UUID, int], _Change]]:
    """The changed columns of each device whose standing the entry changes."""
    assert step.entry.recorded_at is not None
    for fact in unroll(step.entry, step.after):
        if _counts(step, fact):
            yield (
                (fact.chunk_id, fact.index),
                _Change(
                    outcome=_KINDS[fact.name].value if fact.name in _KINDS else PENDING,
                    message_id=fact.message_id,
                    code=fact.code,
                    reason=fact.reason,
                    attempts=step.after.tries[fact.index],
                    sent_at=fact.sent_at,
                    answered_at=fact.answered_at,
                    position=fact.position,
                    updated_at=step.entry.recorded_at,
                ),
            )


def _counts(step: Step, fact: DeliveryFact) -> bool:
    """Whether the chunk took this answer: what comes from an attempt that lost the device, it did not."""
    before, after = step.before, step.after
    assert before is not None
    if fact.name == RETRY:
        attempt = before.attempts.get(fact.attempt)
        return attempt is not None and indices.has(attempt.claimed, fact.index)
    kind = OutcomeKind(_KINDS[fact.name])
    was = indices.has(before.final.get(kind, 0), fact.index)
    return indices.has(after.final.get(kind, 0), fact.index) and not was


def _update(target: Target, changes: Mapping[tuple[UUID, int], _Change]) -> None:
    if changes:
        chunks, numbers = zip(*changes, strict=True)
        columns = (list(column) for column in zip(*changes.values(), strict=True))
        target.run(_UPDATE, list(chunks), list(numbers), *columns)


def _fold_receipts(target: Target, entries: Sequence[Entry]) -> None:
    times: dict[tuple[UUID, UUID], dict[type[Fact], datetime]] = {}
    for entry in entries:
        fact = entry.fact
        assert isinstance(fact, _RECEIPTS)
        assert entry.recorded_at is not None
        at = entry.recorded_at if isinstance(fact, ReceiptRemoved) else fact.at or entry.recorded_at
        told = times.setdefault((fact.send_id, fact.device_id), {})
        told[type(fact)] = min(told.get(type(fact), at), at)
    if times:
        sends, devices = zip(*times, strict=True)
        kinds = (ReceiptReceived, ReceiptOpened, ReceiptRemoved)
        target.run(
            _REPORT, list(sends), list(devices), *([told.get(kind) for told in times.values()] for kind in kinds)
        )


_SELECT = f"""
    select {", ".join(f"t.{name}" for name in _Row.__struct_fields__)}, r.received_at, r.opened_at, r.removed_at
    from deliveries_v2.delivery t
    left join deliveries_v2.receipt r on r.send_id = t.send_id and r.device_id = t.device_id"""


def list_deliveries(
    connection: Connection[Any],
    send_id: UUID,
    *,
    outcome: str | None = None,
    provider: str | None = None,
    after: tuple[int, int] = (-1, -1),
    limit: int = 100,
) -> Page[Delivery, tuple[int, int]]:
    """A send's deliveries by chunk and device, from those whose (``ordinal``, ``index``) is above ``after``.

    ``outcome``: ``pending`` or an ``OutcomeKind``.
    """
    conditions = Conditions(["t.send_id = %s", "(t.ordinal, t.index) > (%s, %s)"], [send_id, *after])
    conditions.add(_first_unsettled(connection, send_id), "t.ordinal < %s")
    conditions.add(outcome, "t.outcome = %s")
    if outcome is not None and outcome not in (PENDING, OutcomeKind.DELIVERED):
        # As the planner cannot know of a parameter that the few which failed have an index of their own.
        conditions.texts.append("t.outcome not in ('delivered', 'pending')")
    conditions.add(provider, "t.provider = %s")
    found = _select(
        connection, f"{conditions.where} order by t.ordinal, t.index limit %s", *conditions.parameters, limit + 1
    )
    return page(found, limit, lambda row: (row.ordinal, row.index))


def device_deliveries(
    connection: Connection[Any], device_id: UUID, *, before: int | None = None, limit: int = 100
) -> Page[Delivery, int]:
    """What was sent to a device, the newest first, from those whose ``planned_position`` is below ``before``."""
    conditions = Conditions.of("t.device_id = %s", device_id)
    conditions.add(settled(connection, SCHEMA), "t.planned_position <= %s")
    conditions.add(before, "t.planned_position < %s")
    found = _select(
        connection, f"{conditions.where} order by t.planned_position desc limit %s", *conditions.parameters, limit + 1
    )
    return page(found, limit, lambda row: row.planned_position)


def delivery(connection: Connection[Any], send_id: UUID, device_id: UUID) -> Delivery | None:
    """What became of one device of a send; None where the send had nothing for it."""
    found = _select(connection, "where t.device_id = %s and t.send_id = %s", device_id, send_id)
    return found[0] if found else None


def delivery_by_number(connection: Connection[Any], app_id: UUID, number: int) -> Delivery | None:
    """One delivery by its ``number``."""
    planned_position, index = divmod(number, STRIDE)
    chunk = "t.chunk_id = (select chunk_id from deliveries_v2.chunk where planned_position = %s)"
    found = _select(connection, f"where {chunk} and t.index = %s and t.app_id = %s", planned_position, index, app_id)
    return found[0] if found else None


def slice_deliveries(
    connection: Connection[Any], send_id: UUID, *, offset: int = 0, limit: int = 100
) -> Slice[Delivery]:
    """So many of a send's deliveries from the ``offset``-th on, and how many there are."""
    conditions = Conditions.of("t.send_id = %s", send_id)
    conditions.add(_first_unsettled(connection, send_id), "t.ordinal < %s")
    counting = f"select count(*) from {SCHEMA}.delivery t {conditions.where}"
    total = connection.execute(counting.encode(), conditions.parameters).fetchall()[0][0]
    rest = f"{conditions.where} order by t.ordinal, t.index offset %s limit %s"
    return Slice(tuple(_select(connection, rest, *conditions.parameters, offset, limit)), total)


# Chunks are planned in the order of their ordinals, and there are few that not all partitions have passed.
_UNSETTLED = f"""
    select min(t.ordinal) from {SCHEMA}.chunk c join {SCHEMA}.delivery t on t.chunk_id = c.chunk_id and t.index = 0
    where c.planned_position > %s and t.send_id = %s"""


def _first_unsettled(connection: Connection[Any], send_id: UUID) -> int | None:
    """The ordinal of a send's first chunk before which another may be yet to come; None where there is none."""
    found = connection.execute(_UNSETTLED.encode(), (settled(connection, SCHEMA), send_id)).fetchall()
    return None if found[0][0] is None else int(found[0][0])


def receipt_counts(connection: Connection[Any], send_id: UUID) -> ReceiptCounts:
    """How many devices reported a send."""
    counting = (
        "select count(coalesce(received_at, opened_at)), count(opened_at) from deliveries_v2.receipt where send_id = %s"
    )
    return ReceiptCounts(*connection.execute(counting, (send_id,)).fetchall()[0])


def badge(connection: Connection[Any], device_id: UUID) -> tuple[int, int]:
    """The position of the event that last set the number a device shows, and the number; 0 where none ever did."""
    found = connection.execute("select position, badge from deliveries_v2.badge where device_id = %s", (device_id,))
    return next(iter(found.fetchall()), (0, 0))


def badges(connection: Connection[Any], device_ids: Collection[UUID]) -> dict[UUID, int]:
    """The number each of these devices was last told to show; one that never was is not in the answer."""
    return dict(
        connection.execute(
            "select device_id, badge from deliveries_v2.badge where device_id = any(%s)", (list(device_ids),)
        ).fetchall()
    )


def _select(connection: Connection[Any], condition: str, *parameters: object) -> list[Delivery]:
    with connection.cursor(row_factory=args_row(Delivery), binary=True) as cursor:
        return cursor.execute(f"{_SELECT} {condition}".encode(), parameters).fetchall()
