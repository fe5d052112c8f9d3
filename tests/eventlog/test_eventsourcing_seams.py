"""The record plugs in where the eventsourcing package says that one can, and takes none of its short cuts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from eventsourcing.persistence import EventStore, InfrastructureFactory, IntegrityError
from eventsourcing.persistence import StoredEvent as LibraryEvent
from record_builders import APP, NOT_YET, entry, registration, stored, subscription

from tocsin.domain.events.app import AppCreated
from tocsin.eventlog.persistence import EntryMapper, Factory
from tocsin.eventlog.record import Record
from tocsin.eventlog.recorder import Recorder
from tocsin.eventlog.unit import VersionConflict


class Audited(Recorder):
    """A subclass that a topic names."""


class Renaming(EntryMapper):
    """A subclass that a topic names."""


@pytest.fixture
def environment(record_url: str, master_key_file: Path) -> dict[str, str]:
    return {
        "PERSISTENCE_MODULE": "tocsin.eventlog.persistence",
        "TOCSIN_DATABASE_URL": record_url,
        "TOCSIN_MASTER_KEY_FILE": str(master_key_file),
    }


@pytest.fixture
def factory(environment: dict[str, str]) -> Iterator[InfrastructureFactory]:  # type: ignore[type-arg]
    topics = {
        "APPLICATION_RECORDER_TOPIC": f"{__name__}:Audited",
        "MAPPER_TOPIC": f"{__name__}:Renaming",
        "POSTGRES_ENABLE_DB_FUNCTIONS": "y",
    }
    factory = InfrastructureFactory.construct({**environment, **topics})
    yield factory
    factory.close()


def test_the_topics_name_the_recorder_and_the_mapper(factory: Factory) -> None:
    assert type(factory) is Factory
    assert type(factory.application_recorder()) is Audited
    assert type(factory.mapper()) is Renaming


def test_without_topics_they_are_the_records_own(environment: dict[str, str]) -> None:
    factory = InfrastructureFactory.construct(environment)
    assert type(factory.application_recorder()) is Recorder
    assert type(factory.mapper()) is EntryMapper
    factory.close()


@pytest.mark.parametrize("missing", ["TOCSIN_DATABASE_URL", "TOCSIN_MASTER_KEY_FILE"])
def test_what_is_not_set_is_named(environment: dict[str, str], missing: str) -> None:
    del environment[missing]
    with pytest.raises(Exception, match=missing):
        InfrastructureFactory.construct(environment)


def test_an_event_store_puts_and_gets_entries(factory: Factory) -> None:
    store = EventStore(factory.mapper(), factory.application_recorder())
    created = entry(AppCreated(name="Campus"))
    added = [subscription(tag, created.stream_id, version) for version, tag in ((2, "staff"), (3, "floor:3"))]
    assert [recording.notification.id for recording in store.put([created, *added])] == [1, 2, 3]
    assert [read.fact for read in store.get(created.stream_id)] == [created.fact, *(each.fact for each in added)]
    assert [read.originator_version for read in store.get(created.stream_id, gt=1, desc=True, limit=1)] == [3]
    assert [read.originator_version for read in store.get(created.stream_id, lte=2)] == [1, 2]


def test_the_records_own_event_store_reads_personal_data(record: Record) -> None:
    device = registration("token", user="ann")
    record.append([device])
    assert [read.fact for read in record.events.get(device.stream_id)] == [device.fact]


def test_new_keys_do_not_go_through_a_store_that_would_lose_them(factory: Factory) -> None:
    store = EventStore(factory.mapper(), factory.application_recorder())
    with pytest.raises(TypeError, match="append through Record"):
        store.put([registration()])


def test_a_conflict_is_the_packages_integrity_error(factory: Factory) -> None:
    store = EventStore(factory.mapper(), factory.application_recorder())
    created = subscription()
    store.put([created])
    with pytest.raises(IntegrityError) as refusal:
        store.put([created])
    assert isinstance(refusal.value.__cause__, VersionConflict)


def test_events_without_their_columns_are_not_taken(factory: Factory) -> None:
    recorder = factory.application_recorder()
    with pytest.raises(TypeError, match="its app"):
        recorder.insert_events([LibraryEvent(APP, 1, "device.subscribed", b"{}")])


def test_notifications_are_the_events_by_position(factory: Factory) -> None:
    recorder = factory.application_recorder()
    assert recorder.max_notification_id() is None
    recorder.insert_events([stored(APP, version) for version in range(1, 6)])
    assert recorder.max_notification_id() == 5
    assert ids(recorder, 1, 10) == [1, 2, 3, 4, 5]
    assert ids(recorder, None, 2) == [1, 2]
    assert ids(recorder, 3, 10, 4) == [3, 4]
    assert ids(recorder, 3, 10, inclusive_of_start=False) == [4, 5]
    assert ids(recorder, 1, 10, topics=["device.registered"]) == []
    assert ids(recorder, 1, 10, topics=["device.registered", "device.subscribed"]) == [1, 2, 3, 4, 5]
    assert all(event.recorded_at > NOT_YET for event in recorder.select_notifications(1, 10))


def ids(recorder: Recorder, *arguments: object, **options: object) -> list[int]:
    return [event.id for event in recorder.select_notifications(*arguments, **options)]  # type: ignore[arg-type]


def test_the_packages_lock_free_functions_are_not_in_the_database_even_where_it_is_told_to_use_them(
    factory: Factory, record_url: str
) -> None:
    factory.application_recorder().insert_events([stored(APP)])
    with psycopg.connect(record_url) as connection:
        functions = connection.execute("select proname from pg_proc where proname like 'es_%'").fetchall()
        tables = connection.execute("select tablename from pg_tables where schemaname = 'public'").fetchall()
    assert (functions, tables) == ([], [])


def test_cursors_and_subscriptions_are_kept_elsewhere(factory: Factory) -> None:
    with pytest.raises(TypeError, match="projections"):
        factory.tracking_recorder()
    with pytest.raises(TypeError, match="projections"):
        factory.process_recorder()
    with pytest.raises(TypeError, match="stream"):
        factory.application_recorder().subscribe()
