"""The record itself: appends in one order, reads by stream and by position.

It takes the recorder's place in the eventsourcing package. The stock one locks the table, takes its ids from a
sequence (a conflict burns one, and a hole looks like a deletion to an auditor), and sends large saves through a
pipeline that can hang. Here positions come from the head's row, under whose lock everything is checked, so that they
are dense and in commit order.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from eventsourcing.persistence import ApplicationRecorder, IntegrityError, OperationalError, Subscription
from eventsourcing.persistence import StoredEvent as LibraryEvent
from psycopg import Connection, DatabaseError
from psycopg_pool import ConnectionPool, PoolTimeout

from tocsin.eventlog.arrays import Arrays
from tocsin.eventlog.stored import StoredEvent
from tocsin.eventlog.unit import Appended, ClaimRefused, KeyConflict, Refused, Repeated, Unit, VersionConflict

COPY_FROM = 64
"""Events from which on a binary COPY is quicker than the one-statement append."""

_COLUMNS = "stream_id, stream_version, type, body, position, schema_version, app_id, root_id, recorded_at"
_TYPES = ("int8", "uuid", "int4", "uuid", "uuid", "text", "int2", "timestamptz", "bytea")
_COPY = (
    "copy record.events (position, stream_id, stream_version, app_id, root_id, type, schema_version, recorded_at, "
    "body) from stdin (format binary)"
)
_EVENT_ARRAYS = ("int4", "uuid", "int4", "uuid", "uuid", "text", "int2", "bytea")
_CLAIM_ARRAYS = ("int4", "uuid", "text", "bytea", "uuid", "uuid")
_KEY_ARRAYS = ("int4", "uuid", "int4", "bytea")
_COMMAND_ARRAYS = ("int4", "uuid", "bytea", "bytea", "bytea")
_SECRET_ARRAYS = ("int4", "uuid", "uuid", "text", "bytea")


def _call(function: str, scalars: str, *groups: Sequence[str]) -> str:
    arrays = ", ".join(f"%s::{kind}[]" for group in groups for kind in group)
    return f"select * from record.{function}({scalars}{arrays})"


_APPEND = _call("append", "", _EVENT_ARRAYS, _CLAIM_ARRAYS, _KEY_ARRAYS, _COMMAND_ARRAYS, _SECRET_ARRAYS)
_ADMIT = _call("admit", "", _EVENT_ARRAYS[:3], _CLAIM_ARRAYS, _KEY_ARRAYS[:3], _COMMAND_ARRAYS[:3])
_ACCOMPANY = _call("accompany", "%s::int4[], %s, %s, ", _CLAIM_ARRAYS, _KEY_ARRAYS, _COMMAND_ARRAYS, _SECRET_ARRAYS)

Outcome = Appended | Refused


class Recorder(ApplicationRecorder):
    """Reads and writes ``record.events``. ``writers`` and ``readers`` are pools of sessions as ``database.pool`` makes.

    Appending raises OperationalError where the database is away or the transaction took longer than its time-out: then
    nothing of the units may be assumed, and a command's idempotency key tells.
    """

    def __init__(self, writers: ConnectionPool[Connection[Any]], readers: ConnectionPool[Connection[Any]]) -> None:
        self._writers = writers
        self._readers = readers

    def append(self, units: Sequence[Unit]) -> list[Outcome]:
        """Append every unit that can be, in one transaction; the others come back as what refused them."""
        try:
            with self._writers.connection() as connection:
                return self.append_with(connection, units)
        except (DatabaseError, PoolTimeout) as error:
            raise OperationalError(f"the record could not be appended to: {error}") from error

    @staticmethod
    def certainly_rolled_back(error: OperationalError) -> bool:
        """Whether the server itself said that the transaction failed, so that nothing of it was kept."""
        cause = error.__cause__
        return (
            isinstance(cause, DatabaseError) and cause.sqlstate is not None and cause.sqlstate[:2] not in ("57", "08")
        )

    def append_with(self, connection: Connection[Any], units: Sequence[Unit]) -> list[Outcome]:
        """``append`` on the caller's session. In a transaction of the caller's it commits with the caller's rows."""
        arrays = Arrays(units)
        if arrays.event_count > COPY_FROM:
            with connection.transaction():
                return self._copy(connection, units, arrays)
        row = connection.execute(_APPEND, arrays.append_parameters(), prepare=True).fetchone()
        assert row is not None
        return _outcomes(units, *row)

    def _copy(self, connection: Connection[Any], units: Sequence[Unit], arrays: Arrays) -> list[Outcome]:
        row = connection.execute(_ADMIT, arrays.admit_parameters(), prepare=True).fetchone()
        assert row is not None
        last, at, refusals = row
        outcomes = _outcomes(units, last, at, refusals)
        admitted = [unit for unit, outcome in zip(units, outcomes, strict=True) if isinstance(outcome, Appended)]
        count = self._copy_events(connection, admitted, last, at)
        refused = [refusal["unit"] for refusal in refusals]
        connection.execute(_ACCOMPANY, arrays.accompany_parameters(refused, last + count, at), prepare=True)
        if count:
            connection.execute("select record.advance(%s, %s)", (count, at), prepare=True)
        return outcomes

    def _copy_events(self, connection: Connection[Any], units: Iterable[Unit], position: int, at: datetime) -> int:
        count = 0
        with connection.cursor() as cursor, cursor.copy(_COPY) as copy:
            copy.set_types(_TYPES)
            for unit in units:
                for event in unit.events:
                    count += 1
                    copy.write_row(
                        (
                            position + count,
                            event.originator_id,
                            event.originator_version,
                            event.app_id,
                            event.root_id,
                            event.topic,
                            event.schema_version,
                            at,
                            event.state,
                        )
                    )
        return count

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

    def select_app(self, app_id: UUID, after: int, limit: int) -> list[StoredEvent]:
        """At most ``limit`` events of one app above position ``after``, in order."""
        return self._select("where app_id = %s and position > %s order by position limit %s", (app_id, after, limit))

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
        cursor.execute(f"select {_COLUMNS} from record.events {where}".encode(), parameters, prepare=True)
        for row in cursor:
            yield StoredEvent(*row)


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
            return KeyConflict(UUID(refusal["subject"]))
        case _:
            assert unit.command is not None
            return Repeated(unit.command.scope, unit.command.key_digest)
