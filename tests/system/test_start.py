"""What stands in the way of a start is said in a sentence, and nothing is started beside it."""

from __future__ import annotations

import fcntl
import os
import signal
from pathlib import Path
from threading import Thread
from urllib.parse import urlsplit

import psycopg
import pytest
from living import await_end, is_alive
from patience import eventually

from system.instance import Instance
from tocsin.eventlog.keys import MasterKeys
from tocsin.settings import Settings
from tocsin.up import Plan


def port_of(instance: Instance) -> int:
    port = urlsplit(instance.environment()["TOCSIN_URL"]).port
    assert port is not None
    return port


def test_free_ports_are_none_that_others_are_given_before_they_are_listened_on(instance: Instance) -> None:
    first = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    known = instance.environment()
    ports = [urlsplit(known[name]).port for name in ("TOCSIN_URL", "SANDBOX_URL", "SANDBOX_PUSH_URL")]
    assert [port for port in ports if port is None or port >= first] == []


def test_one_data_directory_is_run_by_one(instance: Instance) -> None:
    before = instance.processes()
    second = instance.run("up", "--port", "0")
    assert second.returncode == 1
    assert second.stderr.startswith(f"Error: `tocsin up` runs on {instance.directory} already")
    assert instance.processes() == before


def test_a_port_on_which_another_listens_is_refused_and_nobody_is_taken_for_us(
    instance: Instance, tmp_path: Path
) -> None:
    port = port_of(instance)
    second = instance.run("up", "--port", str(port), "--sandbox", data=tmp_path / "data")
    assert second.returncode == 1
    assert second.stderr == f"Error: port {port} of 127.0.0.1 is taken; choose another with --port\n"
    assert list((tmp_path / "data").iterdir()) == []


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--port", "70000"), "70000 is not in the range"),
        (("--host", "nowhere.invalid"), "cannot be listened on"),
        (("--host", "192.0.2.1"), "cannot be listened on"),
    ],
)
def test_where_nobody_can_listen_is_refused(
    instance: Instance, tmp_path: Path, options: tuple[str, ...], said: str
) -> None:
    refused = instance.run("up", *options, data=tmp_path / "data")
    assert refused.returncode in (1, 2)
    assert said in refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_data_directory_that_cannot_be_is_refused(instance: Instance, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    refused = instance.run("up", "--port", "0", data=tmp_path / "file" / "data")
    assert (refused.returncode, "cannot be used" in refused.stderr) == (1, True)


def test_another_master_key_is_refused_before_anything_is_sealed_under_it(instance: Instance, tmp_path: Path) -> None:
    MasterKeys.create(tmp_path / "another.key")
    commands = (
        ("credential", "issue", "console", "--role", "admin"),
        ("migrate",),
        ("project",),
        ("api", "--port", "0"),
    )
    for command in commands:
        refused = instance.run(*command, TOCSIN_MASTER_KEY_FILE=str(tmp_path / "another.key"))
        assert refused.returncode != 0, command
        assert "another.key does not open what this database holds" in refused.stderr, command


def test_another_master_key_ends_a_start_in_one_sentence_and_the_right_one_finds_everything(
    instance: Instance, tmp_path: Path
) -> None:
    MasterKeys.create(tmp_path / "another.key")
    port = port_of(instance)
    assert instance.interrupt() == 0
    refused = instance.run("up", "--port", "0", TOCSIN_MASTER_KEY_FILE=str(tmp_path / "another.key"))
    last = refused.stderr.splitlines()[-1]
    assert refused.returncode == 1
    assert last.startswith(f"Error: the master key file {tmp_path / 'another.key'} does not open"), refused.stderr
    assert "restart" not in refused.stderr
    assert {process["state"] for process in instance.processes().values()} == {"stopped"}
    instance.start(port)


def test_a_named_database_that_was_not_migrated_is_said_to_be_before_anything_starts(
    instance: Instance, tmp_path: Path
) -> None:
    with psycopg.connect(instance.database_url(), autocommit=True) as superuser:
        superuser.execute("create database empty")
    url = instance.database_url().replace("/tocsin", "/empty")
    refused = instance.run("up", "--port", "0", data=tmp_path / "data", TOCSIN_DATABASE_URL=url)
    assert refused.returncode == 1
    assert "was not migrated to this version" in refused.stderr.splitlines()[-1]
    assert refused.stderr.splitlines()[-1].endswith("Run `tocsin migrate` first.")
    assert not (tmp_path / "data" / "processes.json").exists()
    migrated = instance.run("migrate", data=tmp_path / "data", TOCSIN_DATABASE_URL=url)
    assert migrated.returncode == 0, migrated.stderr


@pytest.mark.parametrize("content", [None, "", "hello"])
def test_a_master_key_file_that_is_none_is_refused_at_once(
    instance: Instance, tmp_path: Path, content: str | None
) -> None:
    file = tmp_path / "master.key"
    if content is not None:
        file.write_text(content)
    refused = instance.run("up", "--port", "0", data=tmp_path / "data", TOCSIN_MASTER_KEY_FILE=str(file))
    assert refused.returncode == 1
    assert refused.stderr.splitlines()[-1].startswith("Error: "), refused.stderr
    assert str(file) in refused.stderr.splitlines()[-1]


def test_the_next_start_has_the_port_that_a_killed_supervisor_leaves(instance: Instance) -> None:
    # The database's server is not waited for: where the start comes before its end, it is adopted, as below.
    port, left = port_of(instance), instance.everybody() - instance.database()
    instance.kill("supervisor")
    instance.start(port)
    assert port_of(instance) == port
    await_end(left, "all processes of before")
    instance.await_whole()


def test_the_next_start_adopts_the_server_that_a_killed_supervisor_has_not_ended_yet(instance: Instance) -> None:
    keeper, postmaster = instance.pid("postgres"), instance.pid("postmaster")
    os.kill(keeper, signal.SIGSTOP)
    instance.kill("supervisor")
    instance.start(port_of(instance))
    os.kill(keeper, signal.SIGCONT)
    await_end({keeper}, "whoever kept it before")
    assert instance.pid("postmaster") == postmaster
    instance.await_whole()


def test_a_server_that_is_there_from_before_is_not_taken_for_the_one_that_is_being_started(
    instance: Instance,
) -> None:
    keeper, postmaster, port = instance.pid("postgres"), instance.pid("postmaster"), port_of(instance)
    os.kill(keeper, signal.SIGSTOP)
    instance.kill("supervisor")
    said = instance.log.stat().st_size
    with (instance.directory / "postgres" / "lock").open("ab") as lock:
        # As whoever is stopping that server holds it.
        fcntl.flock(lock, fcntl.LOCK_EX)
        starting = Thread(target=instance.start, args=(port,))
        starting.start()
        waits = "postgres runs for 1"
        eventually(lambda: waits in instance.log.read_text()[said:], "it waits for its own", every=0.2)
        assert "postgres is ready" not in instance.log.read_text()[said:]
        assert is_alive(postmaster)
    starting.join()
    os.kill(keeper, signal.SIGKILL)
    instance.await_whole()


def test_an_address_of_ip_version_6_stands_in_brackets() -> None:
    assert Plan(Settings(), "::1", 8080).url == "http://[::1]:8080"
