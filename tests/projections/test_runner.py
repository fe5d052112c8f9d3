"""What a projector does with events it cannot fold, with a restored record, and with others' rebuilds."""

from __future__ import annotations

import logging
import secrets
import string
import threading
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from history import History
from patience import eventually
from psycopg import Connection

from tocsin.domain.events.app import AppCreated
from tocsin.domain.events.device import DeviceRegistered, OptedOut, Subscribed
from tocsin.eventlog.record import Record
from tocsin.eventlog.stream.port import StaleEpoch, Stream
from tocsin.eventlog.stream.postgres import PostgresStream
from tocsin.projections import cursors
from tocsin.projections.cursors import PartitionsChanged, Status, statuses
from tocsin.projections.devices import device
from tocsin.projections.rebuild import rebuild
from tocsin.projections.registry import NAMES
from tocsin.projections.runner import run

Project = Callable[..., None]

OTHERS = tuple(name for name in NAMES if name not in ("devices", "audience"))


def status(connection: Connection[Any], projection: str) -> Status:
    return next(one for one in statuses(connection) if one.projection == projection)


def await_stop(connection: Connection[Any], projection: str) -> None:
    """Wait until a read model has stopped."""
    eventually(lambda: _stopped(connection, projection), lambda: f"{projection} stops: {statuses(connection)}")


def test_an_event_that_cannot_be_folded_stops_its_read_model_alone_and_is_not_skipped(
    history: History, connection: Connection[Any], project: Project, caplog: pytest.LogCaptureFixture
) -> None:
    good, lost = uuid4(), uuid4()
    history.append(good, DeviceRegistered(platform="ios"))
    project()
    poison = history.append(lost, OptedOut())
    history.append(good, Subscribed(tag="staff"))
    history.append(history.app_id, AppCreated(name="app"))
    project(*OTHERS)
    await_stop(connection, "devices_v1")
    stopped = status(connection, "devices_v1")
    assert stopped.error_position == poison
    assert stopped.error is not None
    assert "device.opted_out" in stopped.error
    assert str(lost) in stopped.error
    assert stopped.position < poison
    assert status(connection, "apps_v1").status == "running"

    def critical() -> list[str]:
        return [line.getMessage() for line in caplog.records if line.levelno == logging.CRITICAL]

    eventually(
        lambda: any("devices_v1 has stopped" in line and "tocsin rebuild devices" in line for line in critical()),
        lambda: f"it is said what to do: {critical()}",
    )


FOLDED, DECODED = "cannot be folded", "cannot be decoded"


@pytest.mark.parametrize("kinds", [(FOLDED,), (DECODED,), (FOLDED, DECODED), (DECODED, FOLDED)])
@pytest.mark.parametrize(("before", "after"), [(0, 0), (2, 0), (2, 1), (300, 40)])
def test_the_event_that_is_named_is_the_first_bad_one_of_many(
    history: History,
    connection: Connection[Any],
    record: Record,
    migrated_database_url: str,
    postgres_url: str,
    kinds: tuple[str, ...],
    before: int,
    after: int,
) -> None:
    devices = [uuid4() for _ in range(before // 2)]
    # Half of them can be folded only after the other half.
    good = [(one, DeviceRegistered(platform="ios")) for one in devices] + [
        (one, Subscribed(tag="a")) for one in devices
    ]
    rest = [(uuid4(), DeviceRegistered(platform="ios")) for _ in range(after)]
    bad = [(uuid4(), OptedOut() if kind == FOLDED else DeviceRegistered(platform="ios")) for kind in kinds]
    last = history.append_each([*good, bad[0], *rest, *bad[1:]])
    poison = last - after - len(kinds) + 1
    places = dict(zip((poison, last), kinds, strict=False))
    _from_the_future(postgres_url, connection, *(position for position, kind in places.items() if kind == DECODED))
    stop = threading.Event()
    stream = PostgresStream(migrated_database_url, partitions=1)
    projector = threading.Thread(target=run, args=(stream, record, ["devices"], stop))
    projector.start()
    try:
        await_stop(connection, "devices_v1")
    finally:
        stop.set()
        projector.join()
        stream.close()
    stopped = status(connection, "devices_v1")
    assert (stopped.error_position, stopped.position) == (poison, 0)
    assert f"at position {poison}: " in str(stopped.error)
    assert connection.execute("select count(*) from devices_v1.device").fetchall() == [(0,)]


def _stopped(connection: Connection[Any], projection: str) -> bool:
    return any((one.projection, one.status) == (projection, "stopped") for one in statuses(connection))


def _from_the_future(postgres_url: str, connection: Connection[Any], *positions: int) -> None:
    """As if a newer version of Tocsin had written these events."""
    with psycopg.connect(postgres_url, dbname=connection.info.dbname) as administration:
        administration.execute("alter table record.events disable trigger all")
        statement = "update record.events set schema_version = 99 where position = any(%s)"
        administration.execute(statement, (list(positions),))


def test_a_rebuild_sets_a_stopped_read_model_going_again(
    record: Record, history: History, connection: Connection[Any], project: Project
) -> None:
    one = uuid4()
    history.append(one, DeviceRegistered(platform="ios"))
    project()
    connection.execute("delete from devices_v1.device")
    history.append(one, OptedOut())
    await_stop(connection, "devices_v1")
    rebuild(record, ["devices"])
    history.append(one, Subscribed(tag="staff"))
    project()
    found = device(connection, history.app_id, one)
    assert found is not None
    assert (found.state, found.tags) == ("opted_out", ["staff"])


def test_an_event_of_a_newer_version_stops_those_who_want_it_and_names_it(
    history: History, connection: Connection[Any], project: Project, postgres_url: str
) -> None:
    one = uuid4()
    position = history.append(one, DeviceRegistered(platform="ios"), Subscribed(tag="staff"))
    _from_the_future(postgres_url, connection, position)
    project(*OTHERS)
    for projection in ("devices_v1", "audience_v1"):
        await_stop(connection, projection)
        assert status(connection, projection).error_position == position
        assert "device.subscribed v99" in str(status(connection, projection).error)


def test_a_row_too_large_for_its_index_stops_its_read_model_instead_of_being_tried_for_ever(
    history: History, connection: Connection[Any], project: Project
) -> None:
    project()
    # What nobody can compress below a third of a page, which is what an index takes.
    endless = "".join(secrets.choice(string.printable[:64]) for _ in range(20_000))
    position = history.append(uuid4(), DeviceRegistered(platform="ios", external_id=endless))
    await_stop(connection, "devices_v1")
    stopped = status(connection, "devices_v1")
    assert stopped.error_position == position
    assert "TooLarge: index row" in str(stopped.error)
    assert endless[:20] not in str(stopped.error)


def test_values_do_not_reach_the_log_or_the_status(
    history: History, connection: Connection[Any], project: Project, caplog: pytest.LogCaptureFixture
) -> None:
    project()
    connection.execute("alter table apps_v1.app add constraint odd check (name <> 'secret name')")
    history.append(history.app_id, AppCreated(name="secret name"))
    await_stop(connection, "apps_v1")
    assert "odd" in str(status(connection, "apps_v1").error)
    assert "secret name" not in str(status(connection, "apps_v1").error) + caplog.text


def test_a_projector_of_a_former_epoch_stops_with_instructions(
    record: Record,
    stream: Stream,
    history: History,
    connection: Connection[Any],
    project: Project,
    postgres_url: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    history.append(uuid4(), DeviceRegistered(platform="ios"))
    project()
    with psycopg.connect(postgres_url, dbname=connection.info.dbname) as administration:
        administration.execute("update record.head set epoch = epoch + 1")
    with pytest.raises(StaleEpoch):
        run(stream, record, NAMES, threading.Event())
    assert "tocsin rebuild --all" in caplog.text
    rebuild(record, NAMES)
    stop = threading.Event()
    going = threading.Thread(target=run, args=(stream, record, NAMES, stop))
    going.start()
    position = history.append(uuid4(), DeviceRegistered(platform="ios"))
    eventually(
        lambda: status(connection, "devices_v1").position == position,
        lambda: f"{position} is folded: {statuses(connection)}",
    )
    stop.set()
    going.join()


def test_cursors_of_another_number_of_partitions_are_refused(
    record: Record, stream: Stream, connection: Connection[Any], project: Project, history: History
) -> None:
    history.append(uuid4(), DeviceRegistered(platform="ios"))
    project()
    connection.execute("delete from projections.cursors where projection = 'devices_v1' and partition = 3")
    with pytest.raises(PartitionsChanged, match="devices_v1 has cursors for 3 partitions and the stream has 4"):
        run(stream, record, NAMES, threading.Event())


def test_a_cursor_moves_only_from_where_it_is_believed_to_stand(
    connection: Connection[Any], project: Project, history: History
) -> None:
    history.append(uuid4(), DeviceRegistered(platform="ios"))
    project()
    move = cursors.Move("devices_v1", 0, 12345, cursors.Cursor(99_999, epoch=1))
    with pytest.raises(cursors.Superseded), connection.transaction():
        cursors.move(connection, [move])
    assert status(connection, "devices_v1").position < 99_999


def test_projectors_that_start_together_make_each_schema_once(
    record: Record, migrated_database_url: str, history: History, connection: Connection[Any]
) -> None:
    history.append(uuid4(), DeviceRegistered(platform="ios"))
    stop = threading.Event()
    streams = [PostgresStream(migrated_database_url, partitions=4) for _ in range(3)]
    failed: list[BaseException] = []

    def start(stream: Stream) -> None:
        try:
            run(stream, record, NAMES, stop)
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=start, args=(stream,)) for stream in streams]
    for thread in threads:
        thread.start()
    eventually(
        lambda: len(statuses(connection)) == len(NAMES) and all(one.lag == 0 for one in statuses(connection)),
        lambda: f"every read model is there and follows: {statuses(connection)}",
    )
    stop.set()
    for thread, stream in zip(threads, streams, strict=True):
        thread.join()
        stream.close()
    assert failed == []
