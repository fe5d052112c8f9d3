"""The database's clock, as a worker knows it: to within its best question, and never by the worker's own."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from tocsin.workers.clock import ASK_EVERY, DatabaseClock

START = datetime(2026, 1, 1, tzinfo=UTC)


class Machines:
    """A worker's machine and a database's. Stands for the sessions to it, for a connection, and for its answer.

    ``there``, ``back``: seconds that a question and its answer take. ``ahead``: by how much the database's clock is
    ahead of ``START`` when the worker's monotonic clock shows 0.
    """

    def __init__(self) -> None:
        self.monotonic = 1000.0
        self.ahead = timedelta(0)
        self.there = self.back = 0.001

    @property
    def true_now(self) -> datetime:
        """What the database's clock shows."""
        return START + self.ahead + timedelta(seconds=self.monotonic)

    @contextmanager
    def connection(self) -> Iterator[Machines]:
        yield self

    def execute(self, _: str) -> Machines:
        return self

    def fetchone(self) -> tuple[datetime]:
        self.monotonic += self.there
        answer = self.true_now
        self.monotonic += self.back
        return (answer,)


@pytest.fixture
def machines(monkeypatch: pytest.MonkeyPatch) -> Machines:
    machines = Machines()
    monkeypatch.setattr(time, "monotonic", lambda: machines.monotonic)
    return machines


@pytest.fixture
def clock(machines: Machines) -> DatabaseClock:
    return DatabaseClock(cast(Any, machines))


def error(clock: DatabaseClock, machines: Machines) -> timedelta:
    told = clock.now()
    return machines.true_now - told


@pytest.mark.parametrize(("there", "back"), [(0.0, 0.3), (0.3, 0.0), (0.15, 0.15)])
def test_the_time_is_never_ahead_and_not_further_behind_than_the_question_took(
    clock: DatabaseClock, machines: Machines, there: float, back: float
) -> None:
    machines.there, machines.back = there, back
    assert timedelta(0) <= error(clock, machines) <= timedelta(seconds=0.301)


@pytest.mark.parametrize(("there", "back"), [(0.0, 2.0), (2.0, 0.0)])
def test_a_question_that_took_long_leaves_the_time_as_exact_as_a_quick_one_made_it(
    clock: DatabaseClock, machines: Machines, there: float, back: float
) -> None:
    assert timedelta(0) <= error(clock, machines) <= timedelta(seconds=0.003)
    machines.there, machines.back = there, back
    for _ in range(10):
        machines.monotonic += ASK_EVERY + 1
        assert timedelta(0) <= error(clock, machines) <= timedelta(seconds=0.02)


@pytest.mark.parametrize("step", [timedelta(hours=-1), timedelta(seconds=5)])
def test_a_database_whose_clock_was_set_is_followed(clock: DatabaseClock, machines: Machines, step: timedelta) -> None:
    clock.now()
    machines.ahead += step
    machines.monotonic += ASK_EVERY + 1
    assert timedelta(0) <= error(clock, machines) <= timedelta(seconds=0.003)


def test_what_comes_after_an_append_is_never_dated_before_it(clock: DatabaseClock, machines: Machines) -> None:
    machines.there, machines.back = 0.0, 0.5
    clock.now()
    recorded_at = machines.true_now
    machines.monotonic += 0.001
    clock.hear(recorded_at)
    assert recorded_at <= clock.time_of(machines.monotonic) <= machines.true_now


def test_a_record_that_is_ahead_of_its_clock_is_not_taken_for_the_time(
    clock: DatabaseClock, machines: Machines
) -> None:
    clock.now()
    clock.hear(machines.true_now + timedelta(hours=1))
    assert timedelta(0) <= error(clock, machines) <= timedelta(seconds=0.003)


def test_a_moment_that_has_passed_has_its_time_too(clock: DatabaseClock, machines: Machines) -> None:
    clock.now()
    moment, true_then = machines.monotonic, machines.true_now
    machines.monotonic += 5
    assert abs(clock.time_of(moment) - true_then) <= timedelta(seconds=0.003)
    assert clock.time_of(moment + 0.25) - clock.time_of(moment) == timedelta(seconds=0.25)
