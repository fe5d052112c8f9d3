"""A process one of whose threads is stuck says where and ends; one that works or waits for the database goes on."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from patience import PATIENCE, eventually

from tocsin.eventlog import watchdog

WATCHED = str(Path(__file__).with_name("watched_process.py"))

SLEEPING = """
    select pid from pg_stat_activity
    where datname = current_database() and pid <> pg_backend_pid() and state = 'active' and query like '%pg_sleep%'"""


@contextmanager
def watched_process(database_url: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """The process, and where its signs of life are to be heard."""
    ears, voice = os.pipe()
    process = subprocess.Popen(
        [sys.executable, WATCHED, database_url],
        env={**os.environ, watchdog.VARIABLE: str(voice)},
        pass_fds=(voice,),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    os.close(voice)
    try:
        yield process, ears
    finally:
        process.kill()
        process.communicate()
        os.close(ears)


def heard(ears: int, signs: int) -> bytes:
    """So many signs of life; there is one at every look, and ten of those make who does not move stuck."""
    return b"".join(os.read(ears, 1) for _ in range(signs))


def test_who_computes_looks_around_or_waits_for_a_statement_is_not_stuck_and_who_waits_for_himself_is(
    migrated_database_url: str,
) -> None:
    with watched_process(migrated_database_url) as (process, ears), psycopg.connect(migrated_database_url) as other:
        other.autocommit = True
        (reader,) = eventually(lambda: other.execute(SLEEPING).fetchone(), "one waits for a statement") or ()
        assert heard(ears, 50) == watchdog.SIGN * 50
        other.execute("select pg_cancel_backend(%s)", (reader,))
        assert heard(ears, 50) == watchdog.SIGN * 50
        said = process.communicate(input="", timeout=PATIENCE)[0]
        assert process.returncode == watchdog.STUCK_STATUS
        assert said.startswith("deadlocked stands still")
        assert "in wait_for_myself\n    lock.acquire()" in said
