"""Keeps read models up to date from the stream: rows and cursor in one transaction, at most once for every event."""

from __future__ import annotations

import logging
import threading
import time
import traceback
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import psycopg
from psycopg import Connection

from tocsin.domain.entry import Entry
from tocsin.eventlog.record import Record
from tocsin.eventlog.stored import StoredEvent
from tocsin.eventlog.stream.port import EVENTS, Batch, Cursor, StaleEpoch, Stream
from tocsin.eventlog.watchdog import watched
from tocsin.projections import cursors
from tocsin.projections.cursors import Move, Superseded
from tocsin.projections.garbage import collector_paused
from tocsin.projections.projection import Projection, Target
from tocsin.projections.registry import chosen

logger = logging.getLogger(__name__)

POLL_SECONDS = 0.5
RETRY_SECONDS = 0.5
LOOK_SECONDS = 1.0
"""How often a stopped read model is looked at: a rebuild sets it going again."""

TRANSIENT = (psycopg.OperationalError, psycopg.InterfaceError)
"""The database is away, a deadlock was broken, the disk is full: the same may succeed in a while."""


def run(stream: Stream, record: Record, names: Iterable[str], stop: threading.Event) -> None:
    """Keep these read models up to date until ``stop`` is set. Any number of processes share the work.

    Missing schemas are made. Each group of read models is consumed by a thread of its own. Raises StaleEpoch after a
    restore, PartitionsChanged, UnknownProjection; whatever ends one thread ends all of them.
    """
    projections = chosen(names)
    _prepare(record, projections, stream.partitions(EVENTS), stop)
    ended = _Ended(stop)
    threads = [
        threading.Thread(
            target=ended.guard,
            args=(Runner(stream, record, group, [one for one in projections if one.group == group], ended),),
            name=f"project {group}",
        )
        for group in sorted({projection.group for projection in projections})
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if ended.reason is not None:
        raise ended.reason


def _prepare(record: Record, projections: Sequence[Projection], partitions: int, stop: threading.Event) -> None:
    while not stop.is_set():
        try:
            with record.sessions.connection() as connection:
                cursors.prepare(connection, projections, partitions)
            return
        except TRANSIENT as error:
            logger.warning("the read models cannot be prepared yet: %s", str(error).strip())
            stop.wait(RETRY_SECONDS)


class _Ended:
    """Set when the caller says stop, or when one of the threads failed."""

    def __init__(self, stop: threading.Event) -> None:
        self._stop = stop
        self.reason: Exception | None = None

    def is_set(self) -> bool:
        return self._stop.is_set() or self.reason is not None

    def wait(self, seconds: float) -> bool:
        return self._stop.wait(seconds) or self.reason is not None

    def guard(self, runner: Runner) -> None:
        try:
            with watched(threading.current_thread().name):
                runner.run()
        except Exception as error:
            if isinstance(error, StaleEpoch):
                logger.critical("the record was restored: %s. Run `tocsin rebuild --all`, then start again", error)
            self.reason = self.reason or error


class Poisoned(Exception):
    """One event that a read model cannot fold, and why."""

    def __init__(self, event: StoredEvent, cause: Exception) -> None:
        # What the database adds to its message can hold a row's values, and those are nobody's to read in a log.
        reason = cause.diag.message_primary if isinstance(cause, psycopg.Error) else cause
        super().__init__(f"{event.topic} at position {event.position}: {type(cause).__name__}: {reason}")
        self.event = event
        self.cause = cause


class TooLarge(Exception):
    """A row beyond what the database takes. Its driver counts that among what passes, but it is so for ever."""


Decoded = tuple[StoredEvent, Entry | Exception]


@dataclass(frozen=True, slots=True)
class Step:
    """What a batch is to one read model: how its cursors move, and what it has to fold for that."""

    projection: Projection
    moves: Sequence[Move]
    wanted: Sequence[Decoded]


class Runner:
    """Consumes the stream for the read models of one group."""

    def __init__(
        self, stream: Stream, record: Record, group: str, projections: Sequence[Projection], stop: _Ended
    ) -> None:
        self._stream = stream
        self._record = record
        self._group = group
        self._projections = projections
        self._stop = stop
        self._running: list[Projection] = []
        self._standing: dict[tuple[str, int], int] = {}
        self._look_at = 0.0

    def run(self) -> None:
        """Consume until told to stop, joining the group again whenever a cursor moved under us."""
        while not self._stop.is_set():
            try:
                self._look()
                if self._running:
                    self._consume()
                else:
                    self._stop.wait(LOOK_SECONDS)
            except Superseded as superseded:
                logger.info("%s begins again from the stored cursors: %s", self._group, superseded)
            except TRANSIENT as error:
                logger.warning("%s tries again in a moment: %s", self._group, str(error).strip())
                self._stop.wait(RETRY_SECONDS)

    @property
    def _types(self) -> frozenset[str]:
        """The events that anybody here wants."""
        return frozenset[str]().union(*(projection.wanted for projection in self._running))

    def _look(self) -> None:
        """Find out which read models are to run: all but the stopped."""
        with self._record.sessions.connection() as connection:
            stopped = {status.projection for status in cursors.statuses(connection) if status.status == cursors.STOPPED}
            if not self._look_at:
                # A new process may be a newer version, which can fold what stopped the former.
                for projection in self._projections:
                    cursors.report(connection, projection.schema, cursors.RUNNING)
                stopped = set()
        self._look_at = time.monotonic() + LOOK_SECONDS
        self._running = [one for one in self._projections if one.schema not in stopped]

    def _consume(self) -> None:
        consumer = self._stream.subscribe(EVENTS, self._group, self._load, self._types)
        try:
            with self._record.sessions.connection() as connection:
                # A read model is never ahead of its cursor, so what a crash loses of both is folded again.
                connection.execute("set synchronous_commit to off")
                try:
                    while self._running and not self._stop.is_set():
                        with collector_paused():
                            self._handle(connection, consumer.poll(POLL_SECONDS))
                        self._resume()
                finally:
                    if not connection.closed:
                        connection.execute("reset synchronous_commit")
        finally:
            consumer.close()

    def _resume(self) -> None:
        """Begin again with all when a stopped read model was set going, by a rebuild."""
        if len(self._running) == len(self._projections) or time.monotonic() < self._look_at:
            return
        before = set(self._running)
        self._look()
        if set(self._running) != before:
            raise Superseded("a read model was set going again")

    def _load(self, partitions: Collection[int]) -> Mapping[int, Cursor]:
        """Where the group has to start: where the read model that is furthest behind stands."""
        schemas = [projection.schema for projection in self._running]
        with self._record.sessions.connection() as connection:
            found = cursors.load(connection, schemas, partitions)
        self._standing.update({key: cursor.position for key, cursor in found.items()})
        return {
            partition: _furthest_behind([found[schema, partition] for schema in schemas]) for partition in partitions
        }

    def _handle(self, connection: Connection[Any], batches: Sequence[Batch]) -> None:
        if not batches:
            return
        decoded = self._decode(batches)
        steps = []
        for projection in self._running:
            moves = self._moves(projection, batches)
            if moves:
                steps.append(Step(projection, moves, self._wanted(projection, moves, decoded)))
        if steps:
            self._take(connection, steps)

    def _take(self, connection: Connection[Any], steps: Sequence[Step]) -> None:
        """All in one transaction; where a fold fails each in its own, so that it stops nobody but itself."""
        try:
            self._commit(connection, steps)
        except (*TRANSIENT, Superseded):
            raise
        except Exception:
            for step in steps:
                self._take_alone(connection, step)

    def _decode(self, batches: Sequence[Batch]) -> dict[int, list[Decoded]]:
        """The entries that anybody here wants, by partition; in place of one that cannot be decoded, why."""
        wanted = self._types
        events = [event for batch in batches for event in batch.events if event.topic in wanted]
        try:
            entries: Sequence[Entry | Exception] = self._record.codec.decode(events)
        except TRANSIENT:
            raise
        except Exception:
            entries = [self._decode_one(event) for event in events]
        decoded = zip(events, entries, strict=True)
        return {
            batch.partition: list(islice(decoded, sum(event.topic in wanted for event in batch.events)))
            for batch in batches
        }

    def _decode_one(self, event: StoredEvent) -> Entry | Exception:
        try:
            return self._record.codec.decode([event])[0]
        except TRANSIENT:
            raise
        except Exception as error:
            return error

    def _moves(self, projection: Projection, batches: Sequence[Batch]) -> list[Move]:
        moves = []
        for batch in batches:
            before = self._standing[projection.schema, batch.partition]
            if batch.cursor.position > before:
                moves.append(Move(projection.schema, batch.partition, before, batch.cursor))
        return moves

    def _wanted(
        self, projection: Projection, moves: Sequence[Move], decoded: Mapping[int, Sequence[Decoded]]
    ) -> list[Decoded]:
        """What a read model has not folded yet. One that was ahead of the group has folded some of it."""
        found: list[Decoded] = []
        for move in moves:
            fresh = decoded[move.partition]
            if fresh and fresh[0][0].position <= move.before:
                fresh = [one for one in fresh if one[0].position > move.before]
            found += [one for one in fresh if one[0].topic in projection.wanted]
        return found

    def _take_alone(self, connection: Connection[Any], step: Step) -> None:
        try:
            self._commit(connection, [step])
        except (*TRANSIENT, Superseded):
            raise
        except Exception as error:
            poison = self._isolate(connection, step.projection, step.wanted, error)
            self._stop_projection(connection, step.projection, poison)

    def _commit(self, connection: Connection[Any], steps: Sequence[Step]) -> None:
        moves = [move for step in steps for move in step.moves]
        with connection.transaction():
            # The cursors first: whoever has lost a partition finds out before it writes a row.
            cursors.move(connection, moves)
            for step in steps:
                if step.wanted:
                    self._apply(connection, step.projection, step.wanted)
        self._stand(moves)

    def _apply(self, connection: Connection[Any], projection: Projection, wanted: Sequence[Decoded]) -> None:
        entries: list[Entry] = []
        for event, entry in wanted:
            if isinstance(entry, Exception):
                raise Poisoned(event, entry) from entry
            entries.append(entry)
        try:
            projection.fold(Target(connection, projection.schema, self._record.keyring.digest), entries)
        except psycopg.errors.ProgramLimitExceeded as error:
            raise TooLarge(error.diag.message_primary) from error

    def _isolate(
        self, connection: Connection[Any], projection: Projection, wanted: Sequence[Decoded], error: Exception
    ) -> Poisoned:
        """The first event that cannot be folded after those before it: found by trying and rolling back."""
        good, bad = 0, len(wanted)
        while bad - good > 1:
            middle = (good + bad) // 2
            try:
                with connection.transaction(force_rollback=True):
                    self._apply(connection, projection, wanted[:middle])
                good = middle
            except TRANSIENT:
                raise
            except Exception as found:
                bad, error = middle, found
        return error if isinstance(error, Poisoned) else Poisoned(wanted[bad - 1][0], error)

    def _stop_projection(self, connection: Connection[Any], projection: Projection, poison: Poisoned) -> None:
        logger.critical(
            "the read model %s has stopped at %s. Nothing was skipped; the others go on. If this version is older than "
            "the record, upgrade; else run `tocsin rebuild %s`. It failed here:\n%s",
            *(projection.schema, poison, projection.name, "".join(traceback.format_tb(poison.cause.__traceback__))),
        )
        cursors.report(connection, projection.schema, cursors.STOPPED, str(poison), poison.event.position)
        self._running.remove(projection)

    def _stand(self, moves: Iterable[Move]) -> None:
        self._standing.update({(move.projection, move.partition): move.cursor.position for move in moves})


def _furthest_behind(found: Sequence[Cursor]) -> Cursor:
    """The lowest of several cursors, under the oldest epoch that any of them is of: the stream refuses a stale one."""
    lowest = min(found, key=lambda cursor: cursor.position)
    epochs = [cursor.epoch for cursor in found if cursor.epoch]
    return Cursor(lowest.position, lowest.offset, min(epochs, default=0))
