"""Entries and units for the record's tests."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from uuid import UUID, uuid4

import psycopg

from tocsin.commands.ids import new_id
from tocsin.domain.entry import Actor, Entry, Fact
from tocsin.domain.events.device import DeviceRegistered, Subscribed
from tocsin.domain.personal import Personal
from tocsin.eventlog.record import Record
from tocsin.eventlog.stored import StoredEvent
from tocsin.eventlog.unit import Unit

APP = UUID(int=0xA99)
ACTOR = Actor(principal="credential:tests", address="192.0.2.7", proxies=("192.0.2.1",))
NOT_YET = datetime.min.replace(tzinfo=UTC)


def entry(fact: Fact, stream: UUID | None = None, version: int = 1, app: UUID = APP) -> Entry:
    """One fact in an envelope of the tests' own actor; by default the first of a new stream."""
    stream = stream or uuid4()
    return Entry(
        originator_id=stream,
        originator_version=version,
        app_id=app,
        root_id=stream,
        fact=fact,
        actor=ACTOR,
        command_id=uuid4(),
        correlation_id=uuid4(),
    )


def registration(token: str = "token", user: str | None = None, device: UUID | None = None) -> Entry:
    """A device's first event; the user is a data subject of its own."""
    device = device or new_id()
    owner = None if user is None else Personal(uuid.uuid5(APP, user), user)
    return entry(DeviceRegistered(platform="ios", token=Personal(device, token), user=owner), device)


def subscription(tag: str = "staff", stream: UUID | None = None, version: int = 1) -> Entry:
    """An event without personal data."""
    return entry(Subscribed(tag=tag), stream, version)


def stored(stream: UUID, version: int = 1, body: bytes = b'{"fact":{}}') -> StoredEvent:
    """An event as the recorder takes it."""
    return StoredEvent(
        originator_id=stream,
        originator_version=version,
        topic="device.subscribed",
        state=body,
        id=0,
        schema_version=1,
        app_id=APP,
        root_id=stream,
        recorded_at=NOT_YET,
    )


def unit_of(count: int) -> Unit:
    """A unit of ``count`` events, each in a stream of its own."""
    return Unit([stored(uuid4()) for _ in range(count)])


def positions(database_url: str) -> list[int]:
    """Every position in the record, in order."""
    with psycopg.connect(database_url) as connection:
        return [position for (position,) in connection.execute("select position from record.events order by position")]


def head_position(database_url: str) -> int:
    """The last position the head says it gave out."""
    with psycopg.connect(database_url) as connection:
        ((position,),) = connection.execute("select position from record.head").fetchall()
    return int(position)


def assert_dense(database_url: str, count: int) -> None:
    """The record holds ``count`` events at positions 1 to ``count``, and its head says so."""
    assert positions(database_url) == list(range(1, count + 1))
    assert head_position(database_url) == count


def positions_of(entries: Iterable[Entry] | Sequence[StoredEvent]) -> list[int]:
    """Where these stand."""
    return [event.position for event in entries]


def raw_table(url: str, name: str = "record.events") -> bytes:
    """All the bytes of a table's rows, as COPY gives them out."""
    out = f"copy {name} to stdout (format binary)"
    with psycopg.connect(url) as connection, connection.cursor() as cursor, cursor.copy(out.encode()) as copy:
        return b"".join(bytes(part) for part in copy)


def fact_of(record: Record, stream: UUID) -> DeviceRegistered:
    """The first fact of a device."""
    fact = record.load(stream)[0].fact
    assert isinstance(fact, DeviceRegistered)
    return fact
