"""Builds read models anew from the record, beside the live ones, and swaps them in."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from psycopg import Connection

from tocsin.eventlog.record import Record
from tocsin.eventlog.stream.port import Cursor
from tocsin.projections import cursors
from tocsin.projections.fingerprint import tables
from tocsin.projections.projection import Projection, Target
from tocsin.projections.registry import chosen
from tocsin.projections.share import Share, fold_events, fold_share, in_another_process

logger = logging.getLogger(__name__)

CLOSE_ENOUGH = 2_000
"""Positions the new schema may be behind when the live one is held for the swap: a fraction of a second's work."""

WORTH_SHARING = 20_000
"""Positions from which on a second process is worth its start."""

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


def rebuild(
    record: Record, names: Iterable[str], progress: Progress = lambda *_: None, processes: int | None = None
) -> list[Rebuilt]:
    """Build these read models from the record and put them in the place of the live ones.

    Works with projectors running or not, and whether there is a live schema or none. Readers see the old one until
    the new one is complete; a projector that runs carries on from the position it was built to. Killed, it leaves the
    live schema as it was, and the next rebuild starts over. ``processes``: how many share a long history, by default
    one a core. Raises AlreadyRebuilding, UnknownProjection, ShareFailed.
    """
    shares = processes or os.cpu_count() or 1
    return [_Rebuild(record, projection, progress, shares).run() for projection in chosen(names)]


class _Rebuild:
    def __init__(self, record: Record, projection: Projection, progress: Progress, shares: int) -> None:
        self._record = record
        self._projection = projection
        self._live = projection.schema
        self._new = f"{projection.schema}_rebuild"
        self._old = f"{projection.schema}_old"
        self._progress = progress
        self._shares = shares
        self._position = 0
        self._events = 0

    def run(self) -> Rebuilt:
        with self._record.sessions.connection() as connection, self._alone(connection):
            self._build(connection)
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
        self._fold_history(self._record.head().position)
        self._run_beside(indexes)
        self._run_beside([f"analyze {table}" for table in tables(connection, self._new)])
        while (head := self._record.head().position) - self._position > CLOSE_ENOUGH:
            self._fold_history(head)
        self._swap(connection)
        self._drop(connection, self._old)

    def _fold_history(self, head: int) -> None:
        """Fold up to ``head``: a short way alone, a long one together with further processes."""
        shares = self._shares if head - self._position > WORTH_SHARING and self._position == 0 else 1
        with ExitStack() as stack:
            others = [
                stack.enter_context(in_another_process(self._record, self._share(number, shares, head)))
                for number in range(1, shares)
            ]
            own = self._share(0, shares, head)
            self._events += fold_share(self._record, own, self._position, lambda reached: self._tell(reached, head))
            self._events += sum(wait() for wait in others)
        self._position = head

    def _run_beside(self, statements: Sequence[str]) -> None:
        """Execute statements that do not hinder each other, as many at a time as there are shares."""

        def run(statement: str) -> None:
            with self._record.sessions.connection() as connection:
                connection.execute(statement.encode())

        with ThreadPoolExecutor(self._shares) as pool:
            list(pool.map(run, statements))

    def _share(self, number: int, shares: int, stop: int) -> Share:
        return Share(self._projection.name, self._new, number, shares, stop)

    def _tell(self, reached: int, head: int) -> None:
        self._progress(self._projection.name, reached, head)

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
            self._fold_rest(Target(connection, self._new, self._record.keyring.digest), head.position)
            if cursors.exists(connection, self._live):
                connection.execute(f"alter schema {self._live} rename to {self._old}".encode())
            connection.execute(f"alter schema {self._new} rename to {self._live}".encode())
            partitions = cursors.partitions_of(connection)
            cursors.restart(connection, self._live, partitions, Cursor(head.position, epoch=head.epoch))
        self._position = head.position
        self._tell(head.position, head.position)

    def _fold_rest(self, target: Target, head: int) -> None:
        """Fold what was appended since, in the transaction of the swap."""
        events = self._record.recorder.select_notifications(
            self._position, head, head, sorted(self._projection.wanted), inclusive_of_start=False
        )
        fold_events(self._record, self._projection, target, list(events))
        self._events += len(events)

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
