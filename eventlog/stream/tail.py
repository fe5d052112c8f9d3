"""Reads the record in order, for the adapters and the relay."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import psycopg
from psycopg.rows import args_row

from tocsin.eventlog.stored import StoredEvent
from tocsin.eventlog.stream.session import CONNECTION_LOST, connect

logger = logging.getLogger(__name__)

_COLUMNS = "stream_id, stream_version, type, body, position, schema_version, app_id, root_id, recorded_at"
_RANGE = f"select {_COLUMNS} from record.events where position > %s and position <= %s"
_IN_ORDER = " order by position"
_OF_SHARE = " and record.stream_partition(stream_id, %s) = any(%s)"
_OF_TYPES = " and type = any(%s)"
_DUE = f"""
    select {_COLUMNS} from record.events
    where type = 'chunk.due' and position > %s and position <= %s order by position limit %s"""
_COUNT = "select count(*) from record.events where position > %s and position <= %s"

GAP_PATIENCE = 5.0

Answer = TypeVar("Answer")


class GapInRecord(Exception):
    """Positions are missing below the head: the record was tampered with or restored in part.

    Nothing may be projected or sent from it. What to do: compare with a backup before starting anything again.
    """


@dataclass(frozen=True, slots=True)
class Head:
    """The record's last position, and the epoch it counts in."""

    position: int
    epoch: int


def heard(told: str) -> Head | None:
    """The head as an append told it (``membership.RECORD_CHANNEL``); None where it does not say."""
    position, _, epoch = told.partition(" ")
    return Head(int(position), int(epoch)) if epoch else None


class Tail:
    """Reads committed ranges of the record over one connection of its own; safe to share between threads.

    A range may be read once ``head()`` has answered at least its end: the head moves in the transaction that writes
    the events, so all of them are visible then. Every read checks that none is missing all the same.
    """

    def __init__(self, database_url: str) -> None:
        self._database_url = database_url
        self._lock = threading.Lock()
        self._connection: psycopg.Connection | None = None

    def head(self) -> Head:
        """Where the record ends now."""
        ((position, epoch),) = self.rows("select position, epoch from record.head")
        return Head(position, epoch)

    def read(self, start: int, stop: int) -> Sequence[StoredEvent]:
        """Every event after ``start`` up to and with ``stop``."""
        give_up = time.monotonic() + GAP_PATIENCE
        while len(events := self._events(_RANGE + _IN_ORDER, start, stop)) != stop - start:
            _wait_for_gap(start, stop, len(events), give_up)
        return events

    def read_share(
        self, start: int, stop: int, share: Collection[int], partitions: int, types: Collection[str] | None = None
    ) -> Sequence[StoredEvent]:
        """The events after ``start`` up to ``stop`` whose stream is in one of the partitions of ``share``.

        ``types``: of these alone; the others are counted, not read.
        """
        query, parameters = _RANGE, list[object]((start, stop))
        if len(share) < partitions:
            query, parameters = query + _OF_SHARE, [*parameters, partitions, list(share)]
        if types is not None:
            query, parameters = query + _OF_TYPES, [*parameters, list(types)]
        give_up = time.monotonic() + GAP_PATIENCE
        while True:
            events = self._events(query + _IN_ORDER, *parameters)
            # Where all of them are wanted, which is nearly always so for one command's, none can be missing.
            present = len(events) if len(events) == stop - start else self.rows(_COUNT, start, stop)[0][0]
            if present == stop - start:
                return events
            _wait_for_gap(start, stop, present, give_up)

    def read_due(self, start: int, stop: int, limit: int) -> Sequence[StoredEvent]:
        """The first ``limit`` events of type ``chunk.due`` after ``start`` up to ``stop``."""
        return self._events(_DUE, start, stop, limit)

    def rows(self, query: str, *params: object) -> list[tuple[Any, ...]]:
        """The rows of any other statement, on the same connection."""
        with self._lock:
            return self._guard(lambda connection: connection.execute(query, params).fetchall())

    def _events(self, query: str, *params: object) -> list[StoredEvent]:
        with self._lock:
            return self._guard(lambda connection: _fetch_events(connection, query, params))

    def _guard(self, read: Callable[[psycopg.Connection], Answer]) -> Answer:
        """Run ``read`` on a live connection; one that broke is given up, so that the next call connects afresh."""
        if self._connection is None:
            self._connection = connect(self._database_url, "tocsin tail")
            # A plan is kept from when the record was small; by position is the way to read it at any size.
            self._connection.execute("set enable_seqscan = off")
            self._connection.execute("set enable_bitmapscan = off")
        try:
            return read(self._connection)
        except CONNECTION_LOST:
            self._connection.close()
            self._connection = None
            raise

    def close(self) -> None:
        """Disconnect. A later read connects again."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None


def _fetch_events(connection: psycopg.Connection, query: str, params: tuple[object, ...]) -> list[StoredEvent]:
    with connection.cursor(binary=True, row_factory=args_row(StoredEvent)) as cursor:
        return cursor.execute(query, params).fetchall()


def _wait_for_gap(start: int, stop: int, present: int, give_up: float) -> None:
    if time.monotonic() > give_up:
        raise GapInRecord(f"only {present} of the {stop - start} events after position {start} up to {stop} exist")
    logger.error("positions are missing in the record after %d up to %d, looking again", start, stop)
    time.sleep(0.2)
