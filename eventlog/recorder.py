"""The record itself: appends in one order, reads by stream and by position.

It takes the recorder's place in the eventsourcing package. The stock one locks the table, takes its ids from a
sequence (a conflict burns one, and a hole looks like a deletion to an auditor), and sends large saves through a
pipeline that can hang. Here positions come from the head's row, under whose lock everything is checked, so that they
are dense and in commit order.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import chain
from typing import Any
from uuid import UUID

import psycopg
from eventsourcing.persistence import (
    ApplicationRecorder,
    DatabaseError,
    DataError,
    IntegrityError,
    OperationalError,
    Subscription,
)
from eventsourcing.persistence import StoredEvent as LibraryEvent
from psycopg import Connection
from psycopg_pool import ConnectionPool

from tocsin.eventlog import database
from tocsin.eventlog.arrays import APPEND, RESERVE, append_parameters, reserve_parameters
from tocsin.eventlog.copying import COPY, copy_data
from tocsin.eventlog.neighbours import refused_for_a_neighbour
from tocsin.eventlog.stored import StoredEvent
from tocsin.eventlog.unit import Appended, ClaimRefused, KeyConflict, Refused, Repeated, Unit, VersionConflict

_COLUMNS = "stream_id, stream_version, type, body, position, schema_version, app_id, root_id, recorded_at"

Outcome = Appended | Refused


class Unacceptable(DataError):
    """The database cannot take something that is in the units. Nothing of them was kept.

    No outage: tried again, they are refused again.
    """


class CutOff(psycopg.OperationalError):
    """The session was lost before the commit was sent. Nothing was kept."""


_CUT_OFF = (
    "the session was lost in the middle of the append, and nothing of it was kept: the server went away, or ended the "
    "session because this process stood still with the record locked. Try again."
)


class Recorder(ApplicationRecorder):
    """Reads and writes ``record.events``. ``writers`` and ``readers`` are pools of sessions as ``database.pool`` makes.

    Appending raises OperationalError where the database is away or the transaction took longer than its time-out: then
    nothing of the units may be assumed, and a command's idempotency key tells. It raises Unacceptable for content.
    """

    copy_from = 256
    """Events from which on a binary COPY is quicker than the one-statement append."""

    def __init__(self, writers: ConnectionPool[Connection[Any]], readers: ConnectionPool[Connection[Any]]) -> None:
        self._writers = writers
        self._readers = readers

    def append(self, units: Sequence[Unit]) -> list[Outcome]:
        """Append every unit that can be, in one transaction; the others come back as what refused them."""
        try:
            try:
                return self._append(units)
            except psycopg.errors.LockNotAvailable:
                self._end_frozen_writer()
                return self._append(units)
        except psycopg.Error as error:
            raise _failure(error) from error

    def _append(self, units: Sequence[Unit]) -> list[Outcome]:
        with self._writers.connection() as connection:
            return self.append_with(connection, units)

    def _end_frozen_writer(self) -> None:
        with self._writers.connection() as connection:
            database.end_frozen_writer(connection)

    def append_with(self, connection: Connection[Any], units: Sequence[Unit]) -> list[Outcome]:
        """``append`` on the caller's session. In a transaction of the caller's it commits with the caller's rows.

        Raises psycopg.Error where the session or the transaction fails.
        """
        refused = refused_for_a_neighbour(units)
        if refused:
            return self._append_others(connection, units, refused)
        if sum(len(unit.events) for unit in units) >= self.copy_from:
            return self._append_by_copy(connection, units)
        row = connection.execute(APPEND, append_parameters(units), prepare=True).fetchone()
        assert row is not None
        return _outcomes(units, *row)

    def _append_others(
        self, connection: Connection[Any], units: Sequence[Unit], refused: Mapping[int, Refused]
    ) -> list[Outcome]:
        others = iter(self.append_with(connection, [unit for n, unit in enumerate(units) if n not in refused]))
        return [refused.get(number) or next(others) for number in range(len(units))]

    def _append_by_copy(self, connection: Connection[Any], units: Sequence[Unit]) -> list[Outcome]:
        """Streams and keys that are said to be new are nearly always new: only where the tables say otherwise when the
        rows arrive is each of them looked up before.
        """
        try:
            with connection.transaction():
                return self._copy(connection, units, careful=False)
        except psycopg.errors.UniqueViolation:
            with connection.transaction():
                return self._copy(connection, units, careful=True)

    def _copy(self, connection: Connection[Any], units: Sequence[Unit], *, careful: bool) -> list[Outcome]:
        row = connection.execute(RESERVE, reserve_parameters(units, careful=careful), prepare=True).fetchone()
        assert row is not None
        last, at, _ = row
        outcomes = _outcomes(units, *row)
        admitted = [unit for unit, outcome in zip(units, outcomes, strict=True) if isinstance(outcome, Appended)]
        try:
            self._send(connection, copy_data(chain.from_iterable(unit.events for unit in admitted), last, at))
        except psycopg.OperationalError as error:
            raise CutOff(_CUT_OFF) if connection.broken else error from error
        return outcomes

    @staticmethod
    def _send(connection: Connection[Any], data: Iterable[bytes]) -> None:
        with connection.cursor() as cursor, cursor.copy(COPY) as copy:
            for part in data:
                copy.write(part)

    def insert_events(self, stored_events: Sequence[LibraryEvent], **kwargs: Any) -> Sequence[int]:
        """The package's own way in: append ``stored_events`` as one unit and return their positions.

        ``kwargs`` are a Unit's other fields. Raises IntegrityError where the unit is refused.
        """
        events = [event for event in stored_events if isinstance(event, StoredEvent)]
        if len(events) != len(stored_events):
            raise TypeError("an event of this record carries its app, its root and its schema version")
        outcome = self.append([Unit(events, **kwargs)])[0]
        if isinstance(outcome, Refused):
            raise IntegrityError(repr(outcome)) from outcome
        return range(outcome.first, outcome.last + 1)

    def select_events(
        self,
        originator_id: UUID | str,
        *,
        gt: int | None = None,
        lte: int | None = None,
        desc: bool = False,
        limit: int | None = None,
    ) -> Sequence[StoredEvent]:
        """The events of one stream with versions in ``(gt, lte]``, oldest first unless ``desc``."""
        direction = "desc" if desc else "asc"
        return self._select(
            "where stream_id = %s and stream_version > %s and stream_version <= %s "
            f"order by stream_version {direction} limit %s",
            (originator_id, gt or 0, 2**31 - 1 if lte is None else lte, limit),
        )

    def select_streams(self, stream_ids: Sequence[UUID]) -> list[StoredEvent]:
        """The events of many streams, each stream's in order."""
        return self._select("where stream_id = any(%s) order by stream_id, stream_version", (list(stream_ids),))

    def select_notifications(
        self,
        start: int | None,
        limit: int,
        stop: int | None = None,
        topics: Sequence[str] = (),
        *,
        inclusive_of_start: bool = True,
    ) -> Sequence[StoredEvent]:
        """At most ``limit`` events from position ``start`` to ``stop``, in order, of ``topics`` (types; none: all)."""
        after = (start or 1) - 1 if inclusive_of_start else (start or 0)
        wanted = "and type = any(%s)" if topics else ""
        parameters: list[Any] = [after, 2**63 - 1 if stop is None else stop]
        parameters += [list(topics)] if topics else []
        return self._select(
            f"where position > %s and position <= %s {wanted} order by position limit %s", [*parameters, limit]
        )

    def max_notification_id(self) -> int | None:
        """The last position given out, or None while the record is empty."""
        with self._readers.connection() as connection:
            row = connection.execute("select position from record.head").fetchone()
        return row[0] or None if row else None

    def subscribe(self, gt: int | None = None, topics: Sequence[str] = ()) -> Subscription[Any]:  # noqa: ARG002
        """Not offered: consumers take a ``tocsin.eventlog.stream``, which shares, resumes and survives a crash."""
        raise TypeError("subscribe through tocsin.eventlog.stream, which resumes from a cursor")

    def _select(self, where: str, parameters: Sequence[Any]) -> list[StoredEvent]:
        with self._readers.connection() as connection:
            return list(select(connection, where, parameters))


def select(connection: Connection[Any], where: str, parameters: Sequence[Any]) -> Iterator[StoredEvent]:
    """Stored events by a condition of this package's own making, over a caller's session."""
    with connection.cursor(binary=True) as cursor:
        # Never prepared: a plan made while the record was tiny would be kept while it grows.
        cursor.execute(f"select {_COLUMNS} from record.events {where}".encode(), parameters, prepare=False)
        for row in cursor:
            yield StoredEvent(*row)


def _failure(error: psycopg.Error) -> DatabaseError:
    kind = Unacceptable if (error.sqlstate or "")[:2] in _FAULTS_OF_CONTENT else OperationalError
    return kind(f"the record could not be appended to: {error}")


# Data exceptions, integrity violations, program limits (the manual, appendix A).
_FAULTS_OF_CONTENT = ("22", "23", "54")


def _outcomes(units: Sequence[Unit], last: int, at: datetime, refusals: list[dict[str, Any]]) -> list[Outcome]:
    refused = {refusal["unit"]: refusal for refusal in reversed(refusals)}
    outcomes: list[Outcome] = []
    for number, unit in enumerate(units):
        if number in refused:
            outcomes.append(_refusal(unit, refused[number]))
        else:
            outcomes.append(Appended(last + 1, last + len(unit.events), at))
            last += len(unit.events)
    return outcomes


def _refusal(unit: Unit, refusal: dict[str, Any]) -> Refused:
    match refusal["refusal"]:
        case "version":
            return VersionConflict(UUID(refusal["stream"]))
        case "claimed":
            return ClaimRefused(refusal["kind"], UUID(refusal["owner"]) if refusal["owner"] else None)
        case "key":
            return KeyConflict()
        case "erasure":
            return KeyConflict(erased=True)
        case _:
            assert unit.command is not None
            return Repeated(unit.command.scope, unit.command.key_digest)
