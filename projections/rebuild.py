"""Builds read models anew from the record, beside the live ones, and swaps them in."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from psycopg import Connection

from tocsin.eventlog.record import Record
from tocsin.eventlog.stored import StoredEvent
from tocsin.eventlog.stream.port import Cursor
from tocsin.projections import cursors
from tocsin.projections.fingerprint import tables
from tocsin.projections.projection import Projection, Target
from tocsin.projections.registry import chosen

logger = logging.getLogger(__name__)

AT_ONCE = 10_000
"""Events in one step."""

CLOSE_ENOUGH = 2_000
"""Positions the new schema may be behind when the live one is held for the swap: a fraction of a second's work."""

# The first half of an advisory lock held for a whole rebuild; the second is the read model's.
_LOCK = 0x7265_6264

Progress = Callable[[str, int, int], None]
"""Called with a read model's name, the position reached and the record's last."""


class AlreadyRebuilding(Exception):
    """Somebody else is rebuilding this read model. Wait until they are done, or end that process."""


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What a rebuild did: the read model is as of ``position``, having folded ``events`` events."""

    name: str
    position: int
    events: int


def rebuild(record: Record, names: Iterable[str], progress: Progress = lambda *_: None) -> list[Rebuilt]:
    """Build these read models from the record and put them in the place of the live ones.

    Works with projectors running or not, and whether there is a live schema or none. Readers see the old one until
    the new one is complete; a projector that runs carries on from the position it was built to. Killed, it leaves the
    live schema as it was, and the next rebuild starts over. Raises AlreadyRebuilding, UnknownProjection.
    """
    return [_Rebuild(record, projection, progress).run() for projection in chosen(names)]


class _Rebuild:
    def __init__(self, record: Record, projection: Projection, progress: Progress) -> None:
        self._record = record
        self._projection = projection
        self._live = projection.schema
        self._new = f"{projection.schema}_rebuild"
        self._old = f"{projection.schema}_old"
        self._progress = progress
        self._position = 0
        self._events = 0

    def run(self) -> Rebuilt:
        with self._record.sessions.connection() as connection, self._alone(connection):
            # What a crash would lose is only what would be built again.
            connection.execute("set synchronous_commit to off")
            try:
                self._build(connection)
            finally:
                if not connection.closed:
                    connection.execute("reset synchronous_commit")
        logger.info("%s is rebuilt as of position %d from %d events", self._live, self._position, self._events)
        return Rebuilt(self._projection.name, self._position, self._events)

    @contextmanager
    def _alone(self, connection: Connection[Any]) -> Iterator[None]:
        key = (_LOCK, self._live)
        row = connection.execute("select pg_try_advisory_lock(%s, hashtext(%s))", key).fetchone()
        if row is None or not row[0]:
            raise AlreadyRebuilding(f"{self._projection.name} is being rebuilt already: wait until that is done")
        try:
            yield
        finally:
            if not connection.closed:
                connection.execute("select pg_advisory_unlock(%s, hashtext(%s))", key)

    def _build(self, connection: Connection[Any]) -> None:
        self._drop(connection, self._new, self._old)
        with connection.transaction():
            self._projection.create(connection, self._new)
            indexes = _set_indexes_aside(connection, self._new)
        self._catch_up(connection, CLOSE_ENOUGH)
        for definition in indexes:
            connection.execute(definition.encode())
        for table in tables(connection, self._new):
            connection.execute(f"analyze {table}".encode())
        self._catch_up(connection, CLOSE_ENOUGH)
        self._swap(connection)
        self._drop(connection, self._old)

    def _catch_up(self, connection: Connection[Any], close_enough: int) -> None:
        """Fold what the record holds, until no more than ``close_enough`` positions are left."""
        while (head := self._record.head().position) - self._position > close_enough:
            with connection.transaction():
                self._step(connection, head)
            self._progress(self._projection.name, self._position, head)

    def _step(self, connection: Connection[Any], head: int) -> None:
        events = self._record.read(self._position, AT_ONCE, types=sorted(self._projection.wanted))
        self._fold(connection, events)
        # Fewer than asked for: nothing of the wanted types is left up to the head as it was before the read.
        last = events[-1].position if events else self._position
        self._position = last if len(events) == AT_ONCE else max(last, head)

    def _fold(self, connection: Connection[Any], events: Sequence[StoredEvent]) -> None:
        if events:
            entries = self._record.codec.decode(events)
            self._projection.fold(Target(connection, self._new, self._record.keyring.digest), entries)
            self._events += len(events)

    def _swap(self, connection: Connection[Any]) -> None:
        """Put the new schema in the place of the live one, complete as of a position where every cursor is held.

        A projector in the middle of a batch finishes it in the old schema, before. One that comes after finds its
        cursors moved, rolls back, and begins again from them.
        """
        with connection.transaction():
            cursors.take_turns(connection)
            cursors.make_shared(connection)
            cursors.hold(connection, self._live)
            head = self._record.head()
            while self._position < head.position:
                self._step(connection, head.position)
            if cursors.exists(connection, self._live):
                connection.execute(f"alter schema {self._live} rename to {self._old}".encode())
            connection.execute(f"alter schema {self._new} rename to {self._live}".encode())
            partitions = cursors.partitions_of(connection)
            cursors.restart(connection, self._live, partitions, Cursor(self._position, epoch=head.epoch))
        self._progress(self._projection.name, self._position, self._position)

    def _drop(self, connection: Connection[Any], *schemas: str) -> None:
        for schema in schemas:
            connection.execute(f"drop schema if exists {schema} cascade".encode())


_INDEXES = """
    select pg_get_indexdef(indexrelid), indexrelid::regclass::text
    from pg_index join pg_class c on c.oid = indrelid
    where c.relnamespace = %s::regnamespace and not indisunique"""


def _set_indexes_aside(connection: Connection[Any], schema: str) -> list[str]:
    """Drop the indexes that only queries need; the statements that make them again, quicker once all rows are in."""
    found = connection.execute(_INDEXES, (schema,)).fetchall()
    for _, name in found:
        connection.execute(f"drop index {name}".encode())
    return [definition for definition, _ in found]
