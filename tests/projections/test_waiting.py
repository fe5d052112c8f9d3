"""Waiting for one's own writes: until they are projected, not longer, and not at all behind a projector that lags."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import pytest
from history import History
from patience import PATIENCE, eventually
from psycopg import Connection

from tocsin.domain.events.device import DeviceRegistered
from tocsin.eventlog.record import Record
from tocsin.projections import cursors, waiting
from tocsin.projections.devices import device
from tocsin.projections.registry import passed
from tocsin.projections.waiting import BEHIND_SECONDS, Waiter

Project = Callable[..., None]


@pytest.fixture
def waiter(record: Record) -> Iterator[Waiter]:
    """The product's own, which gives up; others' tests have a more patient one."""
    waiter = Waiter(record.sessions)
    yield waiter
    waiter.close()


@pytest.fixture
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """A projector that is merely slow is not behind, and who waited once goes on listening."""
    monkeypatch.setattr(waiting, "BEHIND_SECONDS", PATIENCE)
    monkeypatch.setattr(waiting, "LINGER_SECONDS", PATIENCE)


@pytest.fixture
def never_looking(
    history: History, project: Project, unhurried: None, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """Who waits does not look by itself in time."""
    monkeypatch.setattr(waiting, "LOOK_SECONDS", 2 * PATIENCE)
    yield
    monkeypatch.undo()
    # Whoever still listens hears of it, and goes on as ever.
    register(history)


def register(history: History) -> tuple[Any, int]:
    one = uuid4()
    return one, history.append(one, DeviceRegistered(platform="ios"))


def test_what_was_waited_for_can_be_read(
    history: History, waiter: Waiter, connection: Connection[Any], project: Project, unhurried: None
) -> None:
    project("devices")
    for _ in range(20):
        one, position = register(history)
        assert waiter.wait_for(position, ["devices"], PATIENCE)
        assert device(connection, history.app_id, one) is not None
        assert passed(connection, ["devices"]) >= position


def test_who_waits_is_told_by_the_projector_and_does_not_have_to_look(
    history: History, waiter: Waiter, project: Project, never_looking: None
) -> None:
    project("devices")
    for _ in range(3):
        _, position = register(history)
        assert waiter.wait_for(position, ["devices"], PATIENCE)


def test_nobody_looks_at_the_cursors_while_projectors_tell_where_they_stand(
    history: History, waiter: Waiter, project: Project, never_looking: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    project("devices")
    looks: list[Connection[Any]] = []
    monkeypatch.setattr(cursors, "places", looks.append)
    for _ in range(5):
        _, position = register(history)
        assert waiter.wait_for(position, ["devices"], PATIENCE)
    assert looks == []


def test_news_that_no_notification_holds_are_looked_up(
    history: History, waiter: Waiter, project: Project, never_looking: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cursors, "LONGEST_NEWS", 10)
    project("devices")
    for _ in range(3):
        _, position = register(history)
        assert waiter.wait_for(position, ["devices"], PATIENCE)


def test_many_threads_wait_at_once(history: History, waiter: Waiter, project: Project, unhurried: None) -> None:
    project("devices", "apps")
    answers: list[bool] = []

    def write() -> None:
        position = History(history.record).append(uuid4(), DeviceRegistered(platform="ios"))
        answers.append(waiter.wait_for(position, ["devices", "apps"], PATIENCE))

    threads = [threading.Thread(target=write) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [True] * 16


def test_without_a_projector_the_wait_ends_with_its_time(
    history: History, waiter: Waiter, connection: Connection[Any]
) -> None:
    _, position = register(history)
    start = time.monotonic()
    assert not waiter.wait_for(position, ["devices"], 0.2)
    assert time.monotonic() - start >= 0.2
    assert passed(connection, ["devices"]) == 0


def test_behind_a_projector_that_lags_nobody_waits_until_it_has_caught_up(
    history: History, waiter: Waiter, projector: Project
) -> None:
    assert not waiter.behind(["devices"])
    _, position = register(history)
    assert not waiter.wait_for(position, ["devices"], BEHIND_SECONDS + 0.1)
    assert waiter.behind(["devices"])
    assert not waiter.behind(["apps"])
    _, position = register(history)
    assert not waiter.wait_for(position, ["devices"], 600), "which it would wait for, if it waited"
    projector("devices")
    eventually(lambda: not waiter.behind(["devices"]), "it has caught up")
    assert waiter.wait_for(position, ["devices"], PATIENCE)


def test_a_closed_waiter_answers_at_once(history: History, waiter: Waiter) -> None:
    _, position = register(history)
    answers: list[bool] = []
    waiting = threading.Thread(target=lambda: answers.append(waiter.wait_for(position, ["devices"], 600)))
    waiting.start()
    waiter.close()
    waiting.join()
    assert answers == [False]
