"""The claims table against the record it is derived from: compare the two, and put the table right."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, islice
from typing import Any
from uuid import UUID

from psycopg import Connection

from tocsin.domain.entry import Entry
from tocsin.eventlog.record import Record
from tocsin.eventlog.stored import StoredEvent
from tocsin.eventlog.unit import Claim

ClaimsOf = Callable[[Sequence[Entry]], Iterable[Claim]]
"""The claims that the entries of one whole stream leave it with."""

Progress = Callable[[int, int], None]

FAMILIES = ("app", "user", "device")
"""The first words of the event types whose streams may hold claims."""

EVENTS = 2000
REPAIRS = 200

_Key = tuple[UUID, str, bytes]

_STREAMS = (
    "select stream_id, stream_version, type, body, position, schema_version, app_id, root_id, recorded_at "
    "from record.events where split_part(type, '.', 1) = any(%s) order by stream_id, stream_version"
)
_DIFFERENCES = (
    "select coalesce(c.app_id, d.app_id), coalesce(c.kind, d.kind), coalesce(c.digest, d.digest), "
    "c.stream_id, d.stream_id from record.claims c full join pg_temp.derived_claims d "
    "on c.app_id = d.app_id and c.kind = d.kind and c.digest = d.digest where c.stream_id is distinct from d.stream_id"
)


@dataclass(frozen=True, slots=True)
class Difference:
    """A claim that ``held_by`` has in the table and ``derived_for`` by the record; None: nobody has it."""

    app_id: UUID
    kind: str
    digest: bytes
    held_by: UUID | None
    derived_for: UUID | None

    @property
    def key(self) -> _Key:
        """What is claimed."""
        return self.app_id, self.kind, self.digest

    @property
    def streams(self) -> set[UUID]:
        """Whom it is about."""
        return {stream for stream in (self.held_by, self.derived_for) if stream is not None}


@dataclass(frozen=True, slots=True)
class Repaired:
    """``changed``: how many claims were put right. ``contested``: those that several streams derive, left as found."""

    changed: int
    contested: list[Difference]


def _unwatched(_done: int, _total: int) -> None:
    pass


def differences(
    record: Record, claims_of: ClaimsOf, *, families: Collection[str] = FAMILIES, progress: Progress = _unwatched
) -> Iterator[Difference]:
    """Every claim on which table and record disagree, both as of one moment, while appends go on.

    Reads all events of ``families``, and holds a few thousand of them, or one whole stream, at a time. ``progress`` is
    told how many events were read of how many.
    """
    with record.sessions.connection() as connection, connection.transaction(force_rollback=True):
        connection.execute("set transaction isolation level repeatable read")
        connection.execute("select record.lay_out_claims()")
        _lay_out(record, connection, claims_of, list(families), progress)
        with connection.cursor(name="differences") as cursor:
            for row in cursor.execute(_DIFFERENCES.encode()):
                yield Difference(*row)


def repair(
    record: Record, claims_of: ClaimsOf, *, families: Collection[str] = FAMILIES, progress: Progress = _unwatched
) -> Repaired:
    """Make the table say what the record says, also where it is empty; appends wait for moments only."""
    changed, contested = 0, []
    found = differences(record, claims_of, families=families, progress=progress)
    while batch := list(islice(found, REPAIRS)):
        unsettled = _settle(record, claims_of, batch)
        changed += len(batch) - len(unsettled)
        contested += unsettled
    return Repaired(changed, contested)


def _lay_out(
    record: Record, connection: Connection[Any], claims_of: ClaimsOf, families: list[str], progress: Progress
) -> None:
    """Derive every claim into a table of this transaction's."""
    ((total,),) = connection.execute(
        "select count(*) from record.events where split_part(type, '.', 1) = any(%s)", (families,)
    ).fetchall()
    done = 0
    with connection.cursor(name="streams") as cursor:
        cursor.itersize = EVENTS
        cursor.execute(_STREAMS.encode(), (families,), binary=True)
        for batch in _whole_streams(StoredEvent(*row) for row in cursor):
            _copy(connection, _derived(claims_of, record.codec.decode(batch)))
            done += len(batch)
            progress(done, total)


def _whole_streams(events: Iterable[StoredEvent]) -> Iterator[list[StoredEvent]]:
    batch: list[StoredEvent] = []
    for event in events:
        if len(batch) >= EVENTS and event.originator_id != batch[-1].originator_id:
            yield batch
            batch = []
        batch.append(event)
    if batch:
        yield batch


def _derived(claims_of: ClaimsOf, entries: Iterable[Entry]) -> Iterator[Claim]:
    for _, stream in groupby(entries, key=lambda entry: entry.originator_id):
        yield from claims_of(list(stream))


def _copy(connection: Connection[Any], claims: Iterable[Claim]) -> None:
    with connection.cursor() as cursor, cursor.copy("copy pg_temp.derived_claims from stdin (format binary)") as copy:
        copy.set_types(("uuid", "text", "bytea", "uuid"))
        for claim in claims:
            assert claim.stream_id is not None, "a stream claims for itself"
            copy.write_row((claim.app_id, claim.kind, claim.digest, claim.stream_id))


def _settle(record: Record, claims_of: ClaimsOf, found: Sequence[Difference]) -> list[Difference]:
    """Decide again about these, while nobody appends; returns those that more than one stream derives."""
    with record.sessions.connection() as connection, connection.transaction():
        connection.execute("select from record.head for no key update")
        connection.execute("set local transaction_timeout to '5s'")
        streams = set().union(*(difference.streams for difference in found))
        loaded = record.load_many(streams)
        owners = _owners(claim for entries in loaded.values() for claim in claims_of(entries))
        for difference in found:
            _write(connection, difference, owners)
    return [difference for difference in found if len(owners[difference.key]) > 1]


def _owners(claims: Iterable[Claim]) -> Mapping[_Key, set[UUID]]:
    owners: defaultdict[_Key, set[UUID]] = defaultdict(set)
    for claim in claims:
        if claim.stream_id is not None:
            owners[claim.app_id, claim.kind, claim.digest].add(claim.stream_id)
    return owners


def _write(connection: Connection[Any], difference: Difference, owners: Mapping[_Key, set[UUID]]) -> None:
    """Only what those it is about hold is changed: somebody else may have taken the claim since it was found."""
    about = list(difference.streams)
    match list(owners[difference.key]):
        case []:
            connection.execute(
                "delete from record.claims where app_id = %s and kind = %s and digest = %s and stream_id = any(%s)",
                (*difference.key, about),
            )
        case [owner]:
            connection.execute(
                "insert into record.claims as held (app_id, kind, digest, stream_id) values (%s, %s, %s, %s) "
                "on conflict (app_id, kind, digest) do update set stream_id = excluded.stream_id "
                "where held.stream_id = any(%s)",
                (*difference.key, owner, about),
            )
