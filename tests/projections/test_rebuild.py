"""A rebuild makes of the record what following it made, whoever writes, projects, reads or dies meanwhile."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from campus import Campus
from history import History
from living import await_end, children_of
from patience import eventually
from psycopg import Connection

from tocsin.domain.events.device import DeviceRegistered, DeviceRetired, Retirement, Subscribed
from tocsin.domain.events.user import UserCreated, UserErased
from tocsin.domain.personal import Personal
from tocsin.eventlog import database
from tocsin.eventlog.record import Record
from tocsin.projections import rebuild as rebuilding
from tocsin.projections.cursors import exists, statuses
from tocsin.projections.devices import device, list_devices, tag_counts
from tocsin.projections.fingerprint import fingerprint
from tocsin.projections.rebuild import AlreadyRebuilding, Rebuilt, rebuild
from tocsin.projections.registry import NAMES, UnknownProjection, passed, schemas
from tocsin.projections.share import Share, ShareFailed, in_another_process

Project = Callable[..., None]


def fingerprints(connection: Connection[Any]) -> dict[str, str]:
    return {name: fingerprint(connection, name) for name in NAMES}


def test_read_models_that_never_were_are_built_and_then_followed(
    record: Record, history: History, connection: Connection[Any], project: Project
) -> None:
    campus = Campus(history, seed=1)
    campus.live(200)
    before = history.position
    reported: list[tuple[str, int, int]] = []
    rebuilt = rebuild(record, NAMES, lambda *report: reported.append(report))
    assert [one.name for one in rebuilt] == list(NAMES)
    assert {one.position for one in rebuilt} == {before} == {passed(connection, NAMES)}
    assert ("devices", before, before) in reported
    campus.live(100)
    project()
    followed = fingerprints(connection)
    rebuild(record, NAMES)
    assert fingerprints(connection) == followed


def test_a_fingerprint_tells_a_changed_row(history: History, connection: Connection[Any], project: Project) -> None:
    Campus(history, seed=2).live(60)
    project()
    before = fingerprints(connection)
    connection.execute("update devices_v1.device set platform = 'other' where device_id ="
                       " (select device_id from devices_v1.device limit 1)")  # fmt: skip
    after = fingerprints(connection)
    assert {name for name in NAMES if before[name] != after[name]} == {"devices"}


def test_nothing_is_lost_or_doubled_by_rebuilds_while_others_write_and_project(
    record: Record, history: History, connection: Connection[Any], project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rebuilding, "CLOSE_ENOUGH", 20)
    project()
    stop = threading.Event()
    writers = [History(record) for _ in range(2)]

    def write(writer: History, seed: int) -> None:
        campus = Campus(writer, seed)
        # With breath between, so that most of the time goes into rebuilding and not into what is to be rebuilt.
        while not stop.wait(0.02):
            campus.live(5)

    threads = [threading.Thread(target=write, args=(writer, seed)) for seed, writer in enumerate(writers)]
    for thread in threads:
        thread.start()
    for _ in range(3):
        rebuild(record, NAMES)
    stop.set()
    for thread in threads:
        thread.join()
    history.position = max(writer.position for writer in writers)
    project()
    followed = fingerprints(connection)
    rebuild(record, NAMES)
    assert fingerprints(connection) == followed


def test_readers_see_the_old_content_until_the_new_is_there(
    record: Record, history: History, connection: Connection[Any], project: Project, migrated_database_url: str
) -> None:
    ids = [uuid4() for _ in range(50)]
    history.append_each((one, DeviceRegistered(platform="ios")) for one in ids)
    project()
    seen: set[int] = set()
    stop = threading.Event()

    def read() -> None:
        with database.connect(migrated_database_url) as session:
            while not stop.is_set():
                seen.add(len(list_devices(session, history.app_id).items))

    reader = threading.Thread(target=read)
    reader.start()
    for _ in range(5):
        rebuild(record, ["devices"])
    stop.set()
    reader.join()
    assert seen == {50}


def test_a_long_history_is_shared_by_processes(
    record: Record, history: History, connection: Connection[Any], project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    Campus(history, seed=5).live(300)
    project()
    followed = fingerprints(connection)
    monkeypatch.setattr(rebuilding, "WORTH_SHARING", 10)
    shared = rebuild(record, NAMES, processes=2)
    assert fingerprints(connection) == followed
    monkeypatch.setattr(rebuilding, "WORTH_SHARING", 10**9)
    alone = rebuild(record, NAMES)
    assert [one.events for one in shared] == [one.events for one in alone]


def test_a_process_that_fails_in_a_rebuild_leaves_the_live_read_model(
    record: Record, history: History, connection: Connection[Any], project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    Campus(history, seed=6).live(50)
    project()
    before = fingerprint(connection, "devices")
    with (
        in_another_process(record, Share("devices", "no_such_schema", 0, 1, history.position)) as wait,
        pytest.raises(ShareFailed, match="devices"),
    ):
        wait()
    monkeypatch.setattr(rebuilding, "fold_share", _fail)
    with pytest.raises(ZeroDivisionError):
        rebuild(record, ["devices"])
    monkeypatch.undo()
    assert fingerprint(connection, "devices") == before
    rebuild(record, ["devices"])
    assert fingerprint(connection, "devices") == before
    assert not exists(connection, "devices_v1_rebuild")


def _fail(*_: object) -> int:
    raise ZeroDivisionError


def test_a_share_ends_with_the_process_that_asked_for_it(
    record: Record, history: History, connection: Connection[Any], project: Project
) -> None:
    history.append(uuid4(), DeviceRegistered(platform="ios"))
    project()
    program = (
        "import sys; from pathlib import Path; from tocsin.eventlog.record import Record\n"
        "from tocsin.projections.share import Share, in_another_process\n"
        "record = Record.open(sys.argv[1], Path(sys.argv[2]))\n"
        "with in_another_process(record, Share('devices', 'devices_v1', 0, 1, 1)) as wait: wait()\n"
    )
    url, key = record.address
    with connection.transaction(force_rollback=True):
        connection.execute("lock table devices_v1.erased in access exclusive mode")
        asking = subprocess.Popen([sys.executable, "-c", program, url, str(key)])
        share = eventually(lambda: waits_for_the_lock(connection) and children_of(asking.pid), "the share is at work")
        asking.kill()
        asking.wait()
        await_end(share, "the processes of the share")


def waits_for_the_lock(connection: Connection[Any]) -> bool:
    found = connection.execute("select count(*) from pg_locks where not granted").fetchone()
    return found is not None and found[0] > 0


def test_two_rebuilds_of_one_read_model_do_not_run_at_once(record: Record, history: History) -> None:
    history.append(uuid4(), DeviceRegistered(platform="ios"))
    refused: list[str] = []

    def again(*_: Any) -> None:
        if not refused:
            with pytest.raises(AlreadyRebuilding) as caught:
                rebuild(record, ["devices"])
            refused.append(str(caught.value))

    rebuild(record, ["devices"], again)
    assert refused


def test_an_unknown_name_is_refused_with_the_names_there_are(record: Record) -> None:
    with pytest.raises(UnknownProjection, match="apps, users, devices"):
        rebuild(record, ["devises"])


def erase(record: Record, connection: Connection[Any], *subjects: UUID) -> None:
    with connection.transaction():
        record.keyring.destroy(connection, subjects)


def test_the_erased_fold_to_tombstones_whether_followed_or_rebuilt(
    record: Record, history: History, connection: Connection[Any], project: Project
) -> None:
    alice, bob, phone, tablet = uuid4(), uuid4(), uuid4(), uuid4()
    for one, owner in ((phone, alice), (tablet, bob)):
        history.append(
            one,
            DeviceRegistered(
                platform="ios",
                token=Personal(one, "token"),
                user=Personal(owner, f"name of {owner}"),
                alias=Personal(one, "alias"),
            ),
            Subscribed(tag="staff"),
        )
    history.append(alice, UserCreated(name=Personal(alice, "alice")))
    project()
    erase(record, connection, alice, phone)
    history.append(alice, UserErased(devices=(phone,)))
    project()
    gone, kept = (device(connection, history.app_id, one) for one in (phone, tablet))
    assert gone is not None
    assert kept is not None
    assert (gone.token, gone.user_name, gone.alias, gone.user_digest) == (None, None, None, None)
    assert (kept.token, kept.user_name) == ("token", f"name of {bob}")
    assert tag_counts(connection, history.app_id) == {"staff": 2}
    followed = fingerprints(connection)
    rebuild(record, NAMES)
    assert fingerprints(connection) == followed


def test_a_device_erased_by_itself_leaves_nothing_personal(
    record: Record, history: History, connection: Connection[Any], project: Project
) -> None:
    one = uuid4()
    personal = {"alias": Personal(one, "desk"), "properties": Personal(one, {"floor": 3})}
    history.append(one, DeviceRegistered(platform="ios", token=Personal(one, "token"), **personal))
    project()
    erase(record, connection, one)
    history.append(one, DeviceRetired(reason=Retirement.ERASED))
    project()
    followed = fingerprints(connection)
    rebuild(record, NAMES)
    assert fingerprints(connection) == followed
    found = device(connection, history.app_id, one)
    assert found is not None
    assert (found.token, found.alias, found.properties) == (None, None, None)


def test_the_restart_after_a_restore_is_by_rebuild(
    record: Record, history: History, connection: Connection[Any], project: Project, postgres_url: str
) -> None:
    Campus(history, seed=7).live(30)
    project()
    with psycopg.connect(postgres_url, dbname=connection.info.dbname) as administration:
        administration.execute("update record.head set epoch = epoch + 1")
    assert rebuild(record, ["devices"]) == [Rebuilt("devices", history.position, devices_events(record))]
    epochs = connection.execute("select distinct projection, epoch from projections.cursors").fetchall()
    assert ("devices_v1", 2) in epochs
    assert ("apps_v1", 1) in epochs


def devices_events(record: Record) -> int:
    return sum(event.topic.startswith("device.") for event in record.read(0, 10_000))


def test_status_tells_how_far_each_is_behind(
    record: Record, history: History, connection: Connection[Any], project: Project
) -> None:
    assert statuses(connection) == []
    history.append(uuid4(), DeviceRegistered(platform="ios"))
    project()
    found = statuses(connection)
    assert [one.projection for one in found] == sorted(schemas(NAMES))
    assert {(one.status, one.position, one.lag, one.error) for one in found} == {("running", 1, 0, None)}
