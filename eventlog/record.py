"""The record as the rest of Tocsin sees it: load streams, append commands' events, read by position."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from itertools import groupby
from pathlib import Path
from types import MappingProxyType
from typing import Any
from uuid import UUID

from eventsourcing.persistence import EventStore, InfrastructureFactory
from psycopg import Connection
from psycopg_pool import ConnectionPool

from tocsin.domain.entry import Entry
from tocsin.eventlog import database
from tocsin.eventlog.codec import Codec, subjects_of
from tocsin.eventlog.group import GroupCommit
from tocsin.eventlog.handles import PURPOSE, Handles
from tocsin.eventlog.keyring import KeyRing, WritingKeys
from tocsin.eventlog.packed import byteas, uuids
from tocsin.eventlog.persistence import EntryMapper, Factory
from tocsin.eventlog.recorder import Recorder
from tocsin.eventlog.stored import StoredEvent
from tocsin.eventlog.unit import Appended, Claim, CommandRecord, KeyConflict, Refused, Secret, Unit
from tocsin.eventlog.vault import Vault

_KEY_ATTEMPTS = 5


@dataclass(frozen=True, slots=True)
class Head:
    """The record's newest position, when it was given out, and which record and epoch this is."""

    position: int
    recorded_at: datetime | None
    record_id: UUID
    epoch: int


@dataclass(frozen=True, slots=True)
class Answered:
    """What a command answered the first time, for which request, and the position by which it was recorded.

    ``answer``: sealed (``idempotency.sealed``).
    """

    request_digest: bytes
    answer: bytes
    position: int


class Record:
    """One instance's history. Threads share a Record; a process opens one."""

    def __init__(self, factory: Factory) -> None:
        self._factory = factory
        mapper = factory.mapper()
        self.keyring: KeyRing = factory.keyring
        self.codec: Codec = mapper.codec
        self.recorder: Recorder = factory.application_recorder()
        self.events: EventStore[UUID] = EventStore(mapper, self.recorder)
        self.vault = Vault(factory.readers, factory.keyring)
        self._group = GroupCommit(self.recorder)

    @classmethod
    def open(
        cls,
        database_url: str,
        master_key_file: Path,
        *,
        readers: int = 8,
        write_timeout: float = database.WRITE_TIMEOUT,
    ) -> Record:
        """Open the record in a migrated database.

        ``readers``: the most sessions that read at the same time. ``write_timeout``: seconds after which a writer that
        stands still with the record locked is ended; the same in every process that writes.
        """
        factory = InfrastructureFactory.construct(
            {
                "PERSISTENCE_MODULE": "tocsin.eventlog.persistence:Factory",
                "APPLICATION_RECORDER_TOPIC": "tocsin.eventlog.recorder:Recorder",
                "MAPPER_TOPIC": f"{EntryMapper.__module__}:EntryMapper",
                "TOCSIN_DATABASE_URL": database_url,
                "TOCSIN_MASTER_KEY_FILE": str(master_key_file),
                "TOCSIN_READERS": str(readers),
                "TOCSIN_WRITE_TIMEOUT": str(write_timeout),
            }
        )
        assert isinstance(factory, Factory)
        return cls(factory)

    def close(self) -> None:
        """Close every session."""
        self._factory.close()

    @property
    def address(self) -> tuple[str, Path]:
        """The database URL and the master key file, with which another process opens the same record."""
        env = self._factory.env
        return env["TOCSIN_DATABASE_URL"], Path(env["TOCSIN_MASTER_KEY_FILE"])

    @property
    def sessions(self) -> ConnectionPool[Connection[Any]]:
        """Sessions for reading, autocommit, under the restricted role."""
        return self._factory.readers

    @cached_property
    def handles(self) -> Handles:
        """What makes and reads ids in short form, which are this instance's own."""
        return Handles(self.keyring.digest(PURPOSE, ""))

    def load(self, stream_id: UUID, upto: int | None = None, after: int = 0) -> list[Entry]:
        """A stream's entries of versions ``(after, upto]`` in order; empty if there is no such stream."""
        return self.codec.decode(self.recorder.select_events(stream_id, gt=after, lte=upto))

    def load_as_of(self, stream_id: UUID, position: int) -> list[Entry]:
        """A stream's entries as the record stood at ``position``."""
        return [entry for entry in self.load(stream_id) if entry.position <= position]

    def load_many(self, stream_ids: Collection[UUID]) -> dict[UUID, list[Entry]]:
        """The entries of many streams; a stream that does not exist is not in the answer."""
        entries = self.codec.decode(self.recorder.select_streams(list(stream_ids)))
        return {stream: list(group) for stream, group in groupby(entries, key=lambda entry: entry.originator_id)}

    def append(
        self,
        entries: Sequence[Entry],
        *,
        claims: Sequence[Claim] = (),
        secrets: Sequence[Secret] = (),
        command: CommandRecord | None = None,
        unchanged: Mapping[UUID, int] = MappingProxyType({}),
    ) -> Appended:
        """Append one command's entries with what must commit with them; return once they are durable.

        ``unchanged``: other streams, which exist, and the versions they were decided on: refused where one has moved.
        Raises VersionConflict, ClaimRefused or Repeated where refused, with nothing kept; OperationalError where the
        database is away and nothing may be assumed.
        """
        for attempt in range(_KEY_ATTEMPTS):
            unit = self._unit(entries, claims, secrets, command, unchanged, careful=attempt > 0)
            outcome = self._group.append(unit)
            if isinstance(outcome, Appended):
                return outcome
            if not isinstance(outcome, KeyConflict):
                raise outcome
            # Keys made or destroyed by somebody else meanwhile are no conflict of the command's: take those of now.
            self._forget_keys(outcome)
        raise KeyConflict

    def append_many(self, units: Iterable[tuple[Sequence[Entry], Sequence[Claim]]]) -> list[Appended | Refused]:
        """Append several commands' entries in one transaction of their own; refused ones come back as refusals.

        For bulk work, where a thousand small appends would wait for a thousand flushes. Raises OperationalError as
        ``append`` does, for all of them.
        """
        prepared = list(units)
        outcomes = self.recorder.append(self._units(prepared))
        for _ in range(_KEY_ATTEMPTS):
            again = [number for number, outcome in enumerate(outcomes) if isinstance(outcome, KeyConflict)]
            if not again:
                break
            self._forget_keys(*outcomes)
            later = self.recorder.append(self._units([prepared[number] for number in again], careful=True))
            for number, outcome in zip(again, later, strict=True):
                outcomes[number] = outcome
        return outcomes

    def append_with(self, connection: Connection[Any], entries: Sequence[Entry]) -> Appended:
        """Append within the caller's session or transaction, with no group to wait for.

        The record stays locked until that transaction ends, for which it has ``database.WRITE_TIMEOUT`` seconds. Raises
        VersionConflict where refused; the transaction goes on. Raises psycopg.Error where the session fails.
        """
        for attempt in range(_KEY_ATTEMPTS):
            outcome = self.recorder.append_with(connection, [self._unit(entries, careful=attempt > 0)])[0]
            if isinstance(outcome, Appended):
                return outcome
            if not isinstance(outcome, KeyConflict):
                raise outcome
            self._forget_keys(outcome)
        raise KeyConflict

    def _forget_keys(self, *outcomes: Appended | Refused) -> None:
        """A key made by somebody else is found where it was missing; one destroyed has to be forgotten first."""
        if any(isinstance(outcome, KeyConflict) and outcome.erased for outcome in outcomes):
            self.keyring.forget()

    def _unit(
        self,
        entries: Sequence[Entry],
        claims: Sequence[Claim] = (),
        secrets: Sequence[Secret] = (),
        command: CommandRecord | None = None,
        unchanged: Mapping[UUID, int] = MappingProxyType({}),
        *,
        careful: bool = False,
    ) -> Unit:
        events, keys = self.codec.encode(entries, careful=careful)
        return Unit(events, claims, keys.made, secrets, command, keys.erasures, unchanged)

    def _units(
        self, prepared: Sequence[tuple[Sequence[Entry], Sequence[Claim]]], *, careful: bool = False
    ) -> list[Unit]:
        events, keys = self.codec.encode([entry for entries, _ in prepared for entry in entries], careful=careful)
        return _split(prepared, events, keys)

    def read(self, after: int, limit: int, *, types: Sequence[str] = ()) -> Sequence[StoredEvent]:
        """At most ``limit`` stored events above position ``after``, in order."""
        return self.recorder.select_notifications(after, limit, topics=types, inclusive_of_start=False)

    def head(self) -> Head:
        """Where the record stands now."""
        with self.sessions.connection() as connection:
            row = connection.execute(
                "select position, nullif(recorded_at, '-infinity'), record_id, epoch from record.head"
            ).fetchone()
        assert row is not None
        return Head(*row)

    def position_at(self, moment: datetime) -> int | None:
        """The last position recorded at or before ``moment`` (aware); None where that is still to come.

        Recorded time never decreases with position.
        """
        with self.sessions.connection() as connection:
            [(high, to_come)] = connection.execute(
                "select position, %s > greatest(recorded_at, clock_timestamp()) from record.head", (moment,)
            ).fetchall()
            if to_come:
                return None
            low = 0
            while low < high:
                middle = (low + high + 1) // 2
                row = connection.execute(
                    "select recorded_at <= %s from record.events where position = %s", (moment, middle)
                ).fetchone()
                low, high = (middle, high) if row and row[0] else (low, middle - 1)
        return low

    def answered(self, scope: UUID, key_digest: bytes) -> Answered | None:
        """What the command known by this key answered, if it was carried out."""
        with self.sessions.connection() as connection:
            row = connection.execute(
                "select request_digest, answer, position from record.commands where scope = %s and key_digest = %s",
                (scope, key_digest),
            ).fetchone()
        return Answered(*row) if row else None

    def apps_of(self, stream_ids: Collection[UUID], kind: str | None = None) -> Mapping[UUID, UUID]:
        """The app each of these streams belongs to; one that does not exist is not in the answer.

        ``kind``: what a stream's events are called before the dot; those of another kind are not in the answer.
        """
        with self.sessions.connection() as connection:
            rows = connection.execute(
                "select stream_id, app_id, type from record.events where stream_id = any(%s) and stream_version = 1",
                (list(stream_ids),),
            ).fetchall()
        return {stream: app for stream, app, name in rows if kind is None or name.partition(".")[0] == kind}

    def newest(self, stream_ids: Collection[UUID]) -> tuple[int, Mapping[UUID, int]]:
        """The record's position, and that of each of these streams' last event as of it.

        A stream that does not exist is not in the answer.
        """
        with self.sessions.connection() as connection:
            # One statement sees one moment.
            rows = connection.execute(
                "(select distinct on (stream_id) stream_id, position from record.events"
                " where stream_id = any(%b::uuid[]) order by stream_id, stream_version desc)"
                " union all select null, position from record.head",
                (uuids(stream_ids),),
            ).fetchall()
        found = dict(rows)
        return found.pop(None), found

    def owners(self, app_id: UUID, kind: str, digests: Collection[bytes]) -> Mapping[bytes, UUID]:
        """Who holds each of these claims; one that nobody holds is not in the answer."""
        with self.sessions.connection() as connection:
            rows = connection.execute(
                "select digest, stream_id from record.claims"
                " where app_id = %s and kind = %s and digest = any(%b::bytea[])",
                (app_id, kind, byteas(digests)),
            ).fetchall()
        return dict(rows)

    def owner(self, app_id: UUID, kind: str, digest: bytes) -> UUID | None:
        """Who holds one claim."""
        return self.owners(app_id, kind, [digest]).get(digest)


def _split(
    prepared: Sequence[tuple[Sequence[Entry], Sequence[Claim]]], events: Sequence[StoredEvent], keys: WritingKeys
) -> list[Unit]:
    """Units again, each with every new key it needs: of two that name one person either may be refused."""
    made = {key.subject: key for key in keys.made}
    units, start = [], 0
    for entries, claims in prepared:
        own = events[start : start + len(entries)]
        start += len(entries)
        needed = [made[subject] for subject in subjects_of(own) if subject in made] if made else []
        units.append(Unit(own, claims, needed, erasures=keys.erasures))
    return units
