"""Projectors die, freeze and share: what they leave is what the record says, no event folded twice or not at all."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from campus import Campus
from history import History
from patience import PATIENCE, eventually
from psycopg import Connection

from tocsin.eventlog.record import Record
from tocsin.health import Role, sessions_of
from tocsin.projections.cursors import statuses
from tocsin.projections.fingerprint import fingerprint
from tocsin.projections.rebuild import rebuild
from tocsin.projections.registry import NAMES, passed
from tocsin.projections.waiting import Waiter

SHARING = """
    select count(distinct pid) from pg_locks join pg_stat_activity using (pid)
    where locktype = 'advisory' and granted and objid > 0 and datname = current_database()
      and application_name = any(%s) group by application_name"""

Start = Callable[[], "subprocess.Popen[str]"]


@pytest.fixture
def start(migrated_database_url: str, master_key_file: Path) -> Iterator[Start]:
    """Starts a projector of everything as a process."""
    arguments = {"database_url": migrated_database_url, "master_key_file": str(master_key_file)}
    program = str(Path(__file__).with_name("run_projector.py"))
    started: list[subprocess.Popen[str]] = []

    def begin() -> subprocess.Popen[str]:
        command = [sys.executable, program, json.dumps(arguments)]
        started.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
        assert started[-1].stdout is not None
        assert started[-1].stdout.readline() == "ready\n"
        return started[-1]

    yield begin
    for process in started:
        process.kill()
        process.communicate()


def fingerprints(connection: Connection[Any]) -> dict[str, str]:
    return {name: fingerprint(connection, name) for name in NAMES}


def folded(connection: Connection[Any]) -> int:
    """How far all read models have come, added up."""
    return sum(status.position for status in statuses(connection))


def sharing(connection: Connection[Any]) -> list[int]:
    """How many sessions hold partitions, for each group of read models of which any does."""
    return [count for (count,) in connection.execute(SHARING, ([*sessions_of(Role.PROJECT)],))]


def assert_equal_to_a_rebuild(record: Record, connection: Connection[Any]) -> None:
    followed = fingerprints(connection)
    rebuild(record, NAMES)
    assert fingerprints(connection) == followed


def test_projectors_killed_at_random_leave_what_a_rebuild_makes(
    record: Record, history: History, connection: Connection[Any], waiter: Waiter, start: Start
) -> None:
    campus = Campus(history, seed=1)
    dice = random.Random(2)
    for _ in range(4):
        before = folded(connection)
        victim = start()
        campus.live(dice.randrange(40, 160))
        eventually(lambda before=before: folded(connection) > before, "some of it is folded")
        time.sleep(dice.random() * 0.1)
        victim.kill()
    start()
    assert waiter.wait_for(history.position, NAMES, timeout=PATIENCE)
    assert_equal_to_a_rebuild(record, connection)


def test_a_projector_that_was_frozen_does_not_write_late(
    record: Record, history: History, connection: Connection[Any], waiter: Waiter, start: Start
) -> None:
    campus = Campus(history, seed=3)
    frozen, _ = start(), start()
    campus.live(200)
    assert waiter.wait_for(history.position, NAMES, timeout=PATIENCE)
    groups = len(sessions_of(Role.PROJECT))
    eventually(lambda: sharing(connection) == [2] * groups, lambda: f"the two share each: {sharing(connection)}")
    frozen.send_signal(signal.SIGSTOP)
    campus.live(100)
    eventually(lambda: passed(connection, NAMES) >= history.position, lambda: f"all is folded: {statuses(connection)}")
    frozen.send_signal(signal.SIGCONT)
    campus.live(100)
    assert waiter.wait_for(history.position, NAMES, timeout=PATIENCE)
    assert_equal_to_a_rebuild(record, connection)


def test_projectors_survive_the_end_of_all_their_sessions(
    record: Record,
    history: History,
    connection: Connection[Any],
    waiter: Waiter,
    projector: Callable[..., None],
    postgres_url: str,
) -> None:
    Campus(history, seed=4).live(400)
    projector()
    with psycopg.connect(postgres_url, autocommit=True) as administration:
        for _ in range(30):
            time.sleep(0.1)
            administration.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity where datname = %s"
                " and (application_name like 'tocsin %%' or application_name = 'tocsin-read')",
                (connection.info.dbname,),
            )
    assert waiter.wait_for(history.position, NAMES, timeout=PATIENCE)
    assert_equal_to_a_rebuild(record, connection)
