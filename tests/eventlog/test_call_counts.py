"""Calls are counted exactly, whoever counts them; a window begins with a call and ends by itself."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import psycopg
import pytest
from psycopg import Connection

from tocsin.eventlog.call_counts import Counted, count

MINUTE = timedelta(minutes=1)
OVER = timedelta(0)
"""A window that is over with its first call."""


@pytest.fixture
def connection(migrated_database_url: str) -> Iterator[Connection]:
    with psycopg.connect(migrated_database_url, autocommit=True) as opened:
        opened.execute("set role tocsin_app")
        yield opened


def callers(connection: Connection) -> set[bytes]:
    return {row[0] for row in connection.execute("select caller from record.call_counts")}


def test_each_call_is_counted_up_to_one_above_the_limit(connection: Connection) -> None:
    assert [count(connection, b"a", 2, MINUTE).calls for _ in range(5)] == [1, 2, 3, 3, 3]
    assert count(connection, b"b", 2, MINUTE) == Counted(1, 60)


def test_a_limit_that_is_lowered_forgets_no_call(connection: Connection) -> None:
    for _ in range(4):
        count(connection, b"a", 9, MINUTE)

    assert count(connection, b"a", 2, MINUTE).calls == 4
    assert count(connection, b"a", 9, MINUTE).calls == 5


def test_a_window_that_has_ended_begins_anew(connection: Connection) -> None:
    assert count(connection, b"a", 9, OVER) == Counted(1, 1)
    assert count(connection, b"a", 9, MINUTE) == Counted(1, 60)
    assert count(connection, b"a", 9, MINUTE).calls == 2


def test_what_is_long_over_is_removed_when_another_window_begins(connection: Connection) -> None:
    for caller in (b"old", b"late", b"a"):
        count(connection, caller, 9, MINUTE)
    connection.execute("update record.call_counts set ends_at = now() - interval '61 minutes' where caller = 'old'")
    connection.execute("update record.call_counts set ends_at = now() - interval '59 minutes' where caller = 'late'")

    count(connection, b"a", 9, MINUTE)
    assert callers(connection) == {b"old", b"late", b"a"}
    count(connection, b"b", 9, MINUTE)
    assert callers(connection) == {b"late", b"a", b"b"}


def test_no_call_is_lost_between_processes(migrated_database_url: str) -> None:
    def call(_: int) -> list[int]:
        with psycopg.connect(migrated_database_url, autocommit=True) as own:
            return [count(own, b"a", 150, MINUTE).calls for _ in range(50)]

    with ThreadPoolExecutor(4) as pool:
        told = [number for numbers in pool.map(call, range(4)) for number in numbers]

    assert sorted(told) == [*range(1, 151), *[151] * 50]
