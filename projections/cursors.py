"""How far each read model has come: cursors per partition, moved by compare-and-set, and what they add up to."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib import resources
from typing import Any

import msgspec
from psycopg import Connection
from psycopg.errors import UndefinedTable
from psycopg.rows import class_row

from tocsin.eventlog.packed import int4s, int8s, texts
from tocsin.eventlog.stream.port import Cursor
from tocsin.eventlog.stream.settings import DEFAULT_PARTITIONS
from tocsin.projections.projection import Projection

logger = logging.getLogger(__name__)

RUNNING = "running"
STOPPED = "stopped"

CHANNEL = "tocsin_projections"
"""Notified whenever cursors have moved, and told which and how far (``heard``)."""

LONGEST_NEWS = 7999
"""Bytes that a notification may carry."""

# One number for everybody who makes or swaps schemas: two processes that start together take turns.
_LOCK = 0x746F_6373_7072

# The rows are locked in one order by everybody, and compared as they are once locked.
_MOVE = """
    with moves as materialized (
        select * from unnest(%b::text[], %b::int[], %b::bigint[], %b::bigint[], %b::bigint[], %b::int[])
                      as m (projection, partition, before, position, bookmark, epoch)
    ), held as materialized (
        select c.projection, c.partition, c.position from projections.cursors c
        where (c.projection, c.partition) in (select m.projection, m.partition from moves m)
        order by c.projection, c.partition for update
    ), moved as (
        update projections.cursors c set position = m.position, bookmark = m.bookmark, epoch = m.epoch
        from moves m join held h on h.projection = m.projection and h.partition = m.partition and h.position = m.before
        where c.projection = m.projection and c.partition = m.partition
        returning 1
    )
    select count(*), pg_notify('tocsin_projections', %s) from moved"""

_HOLD = """
    select partition, position from projections.cursors where projection = %s order by partition for update"""

_PLACES = "select projection, partition, position from projections.cursors"

_PASSED = """
    select case when count(distinct projection) = %s then min(position) else 0 end
    from projections.cursors where projection = any(%s)"""


Places = dict[str, dict[int, int]]
"""Positions, by schema and partition."""

News = Sequence[tuple[int, Sequence[str], Sequence[int]]]
"""Positions that were reached, each by these schemas in these partitions."""

_decode = msgspec.json.Decoder(list[tuple[int, list[str], list[int]]]).decode


class Superseded(Exception):
    """Somebody else moved a cursor meanwhile: another member of the group, or a rebuild."""


class PartitionsChanged(Exception):
    """The stream has another number of partitions than the cursors are of: ``tocsin rebuild --all``."""


@dataclass(frozen=True, slots=True)
class Move:
    """One cursor's step from position ``before``."""

    projection: str
    partition: int
    before: int
    cursor: Cursor


@dataclass(frozen=True, slots=True)
class Status:
    """One read model: its schema, how it is, how far it has come and how many positions it is behind the record."""

    projection: str
    status: str
    position: int
    lag: int
    error: str | None
    error_position: int | None
    since: datetime


def prepare(connection: Connection[Any], projections: Iterable[Projection], partitions: int) -> list[Projection]:
    """Make what is missing: the shared tables, each read model's schema, and its cursors at the beginning.

    Returns the read models that were made. Raises PartitionsChanged.
    """
    with connection.transaction():
        take_turns(connection)
        make_shared(connection)
        return [projection for projection in projections if _prepare(connection, projection, partitions)]


def take_turns(connection: Connection[Any]) -> None:
    """Wait until nobody else makes or swaps schemas, until the end of the transaction."""
    connection.execute("select pg_advisory_xact_lock(%s)", (_LOCK,))


def make_shared(connection: Connection[Any]) -> None:
    """Make the tables that all read models share, unless they are there. Call ``take_turns`` before."""
    if not exists(connection, "projections"):
        ddl = (resources.files("tocsin.projections") / "projections.sql").read_text(encoding="utf-8")
        connection.execute(ddl.encode())


def _prepare(connection: Connection[Any], projection: Projection, partitions: int) -> bool:
    schema = projection.schema
    made = not exists(connection, schema)
    if made:
        logger.info("making the read model %s", schema)
        projection.create(connection, schema)
        restart(connection, schema, partitions, Cursor())
    found = connection.execute("select count(*) from projections.cursors where projection = %s", (schema,)).fetchone()
    if found is not None and found[0] != partitions:
        raise PartitionsChanged(
            f"{schema} has cursors for {found[0]} partitions and the stream has {partitions}: "
            "run `tocsin rebuild --all` with the stream's present settings"
        )
    return made


def exists(connection: Connection[Any], schema: str) -> bool:
    """Whether there is such a schema."""
    return connection.execute("select from pg_namespace where nspname = %s", (schema,)).fetchone() is not None


def restart(connection: Connection[Any], schema: str, partitions: int, cursor: Cursor) -> None:
    """Put every partition of a read model to ``cursor``, in the caller's transaction; it counts as running."""
    connection.execute("delete from projections.cursors where projection = %s", (schema,))
    connection.execute(
        "insert into projections.cursors (projection, partition, position, bookmark, epoch)"
        " select %s, partition, %s, %s, %s from generate_series(0, %s) partition",
        (schema, cursor.position, cursor.offset, cursor.epoch, partitions - 1),
    )
    connection.execute("select pg_notify(%s, '')", (CHANNEL,))
    report(connection, schema, RUNNING)


def hold(connection: Connection[Any], schema: str) -> Mapping[int, int]:
    """Stop every cursor of a read model until the end of the transaction; where each partition stands."""
    return dict(connection.execute(_HOLD, (schema,)).fetchall())


def load(
    connection: Connection[Any], schemas: Collection[str], partitions: Collection[int]
) -> dict[tuple[str, int], Cursor]:
    """The cursors of several read models, by schema and partition."""
    rows = connection.execute(
        "select projection, partition, position, bookmark, epoch from projections.cursors"
        " where projection = any(%s) and partition = any(%s)",
        (list(schemas), list(partitions)),
    ).fetchall()
    return {(schema, partition): Cursor(*cursor) for schema, partition, *cursor in rows}


def move(connection: Connection[Any], moves: Sequence[Move]) -> None:
    """Move cursors, in the caller's transaction and before its rows; whoever listens on ``CHANNEL`` is told.

    Raises Superseded where one stands elsewhere.
    """
    columns = (
        texts(m.projection for m in moves),
        int4s(m.partition for m in moves),
        int8s(m.before for m in moves),
        int8s(m.cursor.position for m in moves),
        int8s(m.cursor.offset for m in moves),
        int4s(m.cursor.epoch for m in moves),
    )
    ((moved, _),) = connection.execute(_MOVE, (*columns, _news(moves)), prepare=True).fetchall()
    if moved != len(moves):
        raise Superseded(f"{len(moves) - moved} of {len(moves)} cursors were moved by somebody else")


def _news(moves: Iterable[Move]) -> str:
    """What is told of moves. Read models of a group nearly always move together, in all partitions to one position."""
    projections: dict[tuple[int, int], list[str]] = {}
    for move in moves:
        projections.setdefault((move.cursor.position, move.partition), []).append(move.projection)
    partitions: dict[tuple[int, tuple[str, ...]], list[int]] = {}
    for (position, partition), names in projections.items():
        partitions.setdefault((position, tuple(names)), []).append(partition)
    news = msgspec.json.encode([(where, names, some) for (where, names), some in partitions.items()])
    return news.decode() if len(news) <= LONGEST_NEWS else ""


def heard(told: str) -> News:
    """What a notification on ``CHANNEL`` says; nothing where it does not say what has moved."""
    return _decode(told) if told else ()


def places(connection: Connection[Any]) -> Places:
    """Where every cursor stands; nothing before the first projector ran."""
    found: Places = {}
    try:
        rows = connection.execute(_PLACES, prepare=True).fetchall()
    except UndefinedTable:
        return found
    for schema, partition, position in rows:
        found.setdefault(schema, {})[partition] = position
    return found


def report(
    connection: Connection[Any], schema: str, status: str, error: str | None = None, position: int | None = None
) -> None:
    """Note how a read model is."""
    connection.execute(
        "insert into projections.state (projection, status, error, error_position) values (%s, %s, %s, %s)"
        " on conflict (projection) do update set status = excluded.status, error = excluded.error,"
        " error_position = excluded.error_position, since = excluded.since",
        (schema, status, error, position),
    )


def statuses(connection: Connection[Any]) -> list[Status]:
    """Every read model that was ever started, by schema; none before the first projector ran."""
    if not exists(connection, "projections"):
        return []
    with connection.cursor(row_factory=class_row(Status)) as cursor:
        return cursor.execute("select * from projections.status order by projection").fetchall()


def passed_schemas(connection: Connection[Any], schemas: Sequence[str]) -> int:
    """The lowest position that every partition of these read models has passed; 0 while one has no cursor."""
    row = connection.execute(_PASSED, (len(set(schemas)), list(schemas)), prepare=True).fetchone()
    return int(row[0] or 0) if row else 0


def settled(connection: Connection[Any], schema: str) -> int:
    """The position to which a read model's lists go: no row that is still to come stands at or before it.

    Partitions are folded at their own pace. A page that went beyond what all have passed would end with a cursor above
    a row that a slower one is yet to bring, and who goes on from there would never see it.
    """
    return passed_schemas(connection, [schema])


def partitions_of(connection: Connection[Any]) -> int:
    """How many partitions the stream was set up with; where it was not yet, the default, which is fixed by this."""
    connection.execute(
        "insert into record.stream_settings (partitions) select %s"
        " where not exists (select from record.stream_settings) on conflict do nothing",
        (DEFAULT_PARTITIONS,),
    )
    row = connection.execute("select partitions from record.stream_settings").fetchone()
    assert row is not None
    return int(row[0])
