"""Writers that stand still, lines that are cut, servers that restart."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from cutting_proxy import CuttingProxy
from eventsourcing.persistence import OperationalError
from frozen_writer import WRITE_TIMEOUT
from record_builders import APP, assert_dense, subscription

from tocsin.eventlog import database
from tocsin.eventlog.embedded import EmbeddedPostgres
from tocsin.eventlog.migrate import migrate
from tocsin.eventlog.record import Record
from tocsin.eventlog.unit import Appended, CommandRecord

FROZEN = Path(__file__).with_name("frozen_writer.py")


@pytest.fixture
def impatient(record_url: str, master_key_file: Path) -> Iterator[Record]:
    """A record whose appends suffer a writer that stands still for a second and a half."""
    record = Record.open(record_url, master_key_file, write_timeout=WRITE_TIMEOUT)
    yield record
    record.close()


@pytest.mark.parametrize(("where", "size"), [("copy", 1), ("copy", 600), ("reserved", 600), ("transaction", 1)])
def test_a_writer_frozen_in_an_append_holds_nobody_up_and_leaves_nothing_half_done(
    impatient: Record, record_url: str, master_key_file: Path, where: str, size: int
) -> None:
    command = [sys.executable, str(FROZEN), record_url, str(master_key_file), where]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as frozen:
        assert frozen.stdout is not None
        assert frozen.stdout.readline() == "frozen\n"
        assert is_locked(record_url)
        assert impatient.append([subscription() for _ in range(size)]).first == 1
        os.kill(frozen.pid, signal.SIGCONT)
        said = frozen.stdout.read()
    assert said.startswith("refused: ")
    assert ("transaction timeout" if where == "transaction" else "nothing of it was kept") in said
    assert said.endswith("appended again\n")
    assert_dense(record_url, size + 1)


def is_locked(url: str) -> bool:
    with psycopg.connect(url) as connection:
        try:
            connection.execute("select from record.head for no key update nowait")
        except psycopg.errors.LockNotAvailable:
            return True
    return False


def test_whoever_locks_the_record_has_a_time_out_even_in_a_session_of_its_own_making(
    record: Record, record_url: str
) -> None:
    with psycopg.connect(record_url) as connection:
        record.append_with(connection, [subscription()])
        assert connection.execute("show transaction_timeout").fetchone() == ("5s",)
        connection.commit()
        assert connection.execute("show transaction_timeout").fetchone() == ("0",)


def test_a_writer_that_waits_for_a_busy_one_ends_nobody(impatient: Record, record_url: str) -> None:
    """Working for long is no standing still: the one that waits gives up, and says so."""
    with psycopg.connect(record_url, autocommit=True) as busy:
        busy.execute("begin")
        busy.execute("select from record.head for no key update")
        busy.pgconn.send_query(b"select pg_sleep(600)")
        with pytest.raises(OperationalError, match="lock timeout"):
            impatient.append([subscription()])
        busy.cancel()
        while busy.pgconn.get_result():
            pass
        busy.execute("rollback")
    assert impatient.append([subscription()]).first == 1


@pytest.fixture
def proxy(record_url: str) -> Iterator[CuttingProxy]:
    with CuttingProxy(record_url) as proxy:
        yield proxy


@pytest.fixture
def remote(proxy: CuttingProxy, master_key_file: Path) -> Iterator[Record]:
    record = Record.open(proxy.url, master_key_file)
    record.append([subscription()])
    yield record
    record.close()


DONE = CommandRecord(APP, b"key-of-the-command", b"request", b"answer")


@pytest.mark.parametrize(("size", "cut_at"), [(1, DONE.key_digest), (600, b"COMMIT")])
def test_an_append_whose_answer_is_lost_fails_and_its_key_tells_that_it_was_kept(
    remote: Record, proxy: CuttingProxy, record_url: str, size: int, cut_at: bytes
) -> None:
    proxy.cut_at = cut_at
    with pytest.raises(OperationalError, match="could not be appended"):
        remote.append([subscription() for _ in range(size)], command=DONE)
    answered = remote.answered(DONE.scope, DONE.key_digest)
    assert answered is not None
    assert answered.answer == b"answer"
    assert_dense(record_url, 1 + size)


@pytest.mark.parametrize(("size", "cut_at"), [(1, DONE.key_digest), (600, b"COMMIT"), (600, b"PGCOPY")])
def test_an_append_that_does_not_arrive_fails_and_its_key_tells_that_it_was_not_kept(
    remote: Record, proxy: CuttingProxy, record_url: str, size: int, cut_at: bytes
) -> None:
    proxy.before = True
    proxy.cut_at = cut_at
    with pytest.raises(OperationalError, match="could not be appended"):
        remote.append([subscription() for _ in range(size)], command=DONE)
    assert remote.answered(DONE.scope, DONE.key_digest) is None
    assert isinstance(remote.append([subscription()], command=DONE), Appended)
    assert_dense(record_url, 2)


def test_the_record_goes_on_after_its_server_restarted(master_key_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "CONNECT_SECONDS", 2.0)
    directory = Path(tempfile.mkdtemp(prefix="tocsin-test-"))
    directory.chmod(0o711)
    server = EmbeddedPostgres(directory, settings={"fsync": "off"})
    try:
        url = server.start().url
        migrate(url)
        record = Record.open(url, master_key_file)
        record.append([subscription()])
        assert len(record.read(0, 10)) == 1
        server.stop()
        with pytest.raises(OperationalError, match="could not be appended"):
            record.append([subscription()])
        server.start()
        assert len(record.read(0, 10)) == 1
        assert record.append([subscription()]).first == 2
        record.close()
    finally:
        server.destroy()
        shutil.rmtree(directory)


def test_a_session_that_the_server_ended_is_not_given_out_again(impatient: Record, record_url: str) -> None:
    with impatient.sessions.connection() as session:
        pid = session.info.backend_pid
    with psycopg.connect(record_url, autocommit=True) as administration:
        assert administration.execute("select pg_terminate_backend(%s, 10000)", (pid,)).fetchone() == (True,)
    assert impatient.head().position == 0
    with impatient.sessions.connection() as session:
        assert session.info.backend_pid != pid
