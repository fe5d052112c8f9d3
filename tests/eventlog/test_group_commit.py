"""Callers that append at the same time share a transaction and nothing else."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from eventsourcing.persistence import OperationalError
from patience import PATIENCE, eventually
from psycopg import Connection
from record_builders import APP, assert_dense, stored, subscription, unit_of

from tocsin.eventlog.group import GroupCommit
from tocsin.eventlog.record import Record
from tocsin.eventlog.recorder import Outcome, Recorder, Unacceptable
from tocsin.eventlog.unit import Appended, Claim, ClaimRefused, CommandRecord, Repeated, Secret, Unit, VersionConflict

Start = Callable[..., list[Future[Outcome]]]


class Watched(Recorder):
    """The recorder, telling how many units each transaction had."""

    def append(self, units: Sequence[Unit]) -> list[Outcome]:
        self.sizes = [*getattr(self, "sizes", []), len(units)]
        return super().append(units)


@pytest.fixture
def recorder(record: Record) -> Watched:
    return Watched(record._factory.writers, record.sessions)


@pytest.fixture
def group(recorder: Watched) -> GroupCommit:
    return GroupCommit(recorder)


@contextmanager
def locked_head(url: str) -> Iterator[Connection[Any]]:
    """While this lasts, appends queue."""
    with psycopg.connect(url) as connection:
        connection.execute("select from record.head for no key update")
        yield connection


@pytest.fixture
def start(group: GroupCommit) -> Iterator[Start]:
    """Append units, each in a thread of its own."""
    with ThreadPoolExecutor(64) as pool:
        yield lambda *units: [pool.submit(group.append, unit) for unit in units]


def queued(group: GroupCommit, count: int) -> None:
    eventually(lambda: len(group._waiting) == count, lambda: f"{count} wait, and not {len(group._waiting)}")


def under_way(recorder: Watched, *sizes: int) -> None:
    """Wait until there were transactions of so many units each."""
    eventually(
        lambda: getattr(recorder, "sizes", []) == [*sizes], lambda: f"transactions of {sizes}, and not {recorder.sizes}"
    )


def test_what_queues_while_a_transaction_is_under_way_makes_the_next(
    record_url: str, recorder: Watched, group: GroupCommit, start: Start
) -> None:
    with locked_head(record_url):
        first = start(unit_of(1))
        under_way(recorder, 1)
        others = start(*(unit_of(2) for _ in range(20)))
        queued(group, 20)
    assert all(isinstance(each.result(), Appended) for each in first + others)
    assert recorder.sizes == [1, 20]
    assert_dense(record_url, 41)


def test_refused_units_do_not_hurt_their_neighbours(
    record_url: str, recorder: Watched, group: GroupCommit, start: Start
) -> None:
    known, holder = uuid4(), uuid4()
    done = CommandRecord(APP, b"key", b"request", b"answer")
    recorder.append([Unit([stored(known)], command=done), Unit([stored(holder)], [Claim(APP, "token", b"t", holder)])])
    rival = uuid4()
    with locked_head(record_url):
        start(unit_of(1))
        eventually(lambda: len(recorder.sizes) == 2, lambda: f"a second transaction, and not {recorder.sizes}")
        outcomes = start(
            unit_of(1),
            Unit([stored(known)]),
            unit_of(1),
            Unit([stored(rival)], [Claim(APP, "token", b"t", rival)]),
            Unit([stored(uuid4())], command=done),
            unit_of(1),
        )
        queued(group, 6)
    kinds = [type(outcome.result()) for outcome in outcomes]
    assert kinds == [Appended, VersionConflict, Appended, ClaimRefused, Repeated, Appended]
    assert recorder.sizes[2:] == [6]
    assert_dense(record_url, 6)


def test_nobody_relies_on_a_stream_that_a_neighbour_before_it_changes(
    record_url: str, recorder: Watched, group: GroupCommit, start: Start
) -> None:
    app, stream = uuid4(), uuid4()
    recorder.append([Unit([stored(app)]), Unit([stored(stream)])])
    with locked_head(record_url):
        start(unit_of(1))
        eventually(lambda: len(recorder.sizes) == 2, lambda: f"a second transaction, and not {recorder.sizes}")
        relying = [Unit([stored(uuid4())], unchanged={app: 1}) for _ in range(3)]
        first, second, change, after = start(*relying[:2], Unit([stored(app, 2)]), relying[2])
        queued(group, 4)
    assert [type(outcome.result()) for outcome in (first, second, change)] == [Appended] * 3
    assert after.result() == VersionConflict(app)
    assert recorder.sizes[2:] == [4]


def test_a_unit_the_database_cannot_take_fails_alone_and_nobody_is_appended_twice(
    record_url: str, recorder: Watched, group: GroupCommit, start: Start
) -> None:
    secret = Secret(uuid4(), APP, "provider", b"sealed")
    recorder.append([Unit([], secrets=[secret])])
    with locked_head(record_url):
        start(unit_of(1))
        eventually(lambda: len(recorder.sizes) == 2, lambda: f"a second transaction, and not {recorder.sizes}")
        good, bad, other = start(unit_of(1), Unit([stored(uuid4())], secrets=[secret]), unit_of(1))
        queued(group, 3)
    assert isinstance(good.result(), Appended)
    assert isinstance(other.result(), Appended)
    with pytest.raises(Unacceptable, match="vault_pkey"):
        bad.result()
    assert_dense(record_url, 3)


def test_a_lost_session_is_told_to_all_of_its_group_and_none_is_tried_again(
    record_url: str, recorder: Watched, group: GroupCommit, start: Start
) -> None:
    with locked_head(record_url):
        first = start(unit_of(1))
        under_way(recorder, 1)
        others = start(unit_of(1), unit_of(1))
        queued(group, 2)
        eventually(lambda: terminate_waiting_writers(record_url) == 1, "a writer waits for the lock")
        under_way(recorder, 1, 2)
        eventually(lambda: terminate_waiting_writers(record_url) == 1, "a writer waits for the lock")
    for each in first + others:
        with pytest.raises(OperationalError, match="terminating connection"):
            each.result()
    assert recorder.sizes == [1, 2]
    assert isinstance(group.append(unit_of(1)), Appended)
    assert_dense(record_url, 1)


def terminate_waiting_writers(url: str) -> int:
    with psycopg.connect(url, autocommit=True) as connection:
        return len(
            connection.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() "
                "and application_name = 'tocsin-append' and wait_event_type = 'Lock'"
            ).fetchall()
        )


def test_a_caller_that_is_interrupted_while_it_queues_is_passed_over(
    record_url: str, recorder: Watched, group: GroupCommit, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Interrupted(BaseException):
        pass

    with locked_head(record_url):
        first = start(unit_of(1))
        under_way(recorder, 1)
        with monkeypatch.context() as patch:
            patch.setattr("tocsin.eventlog.group._Member.wait", raising(Interrupted()))
            with pytest.raises(Interrupted):
                group.append(unit_of(1))
        others = start(unit_of(1))
        queued(group, 1)
    assert [type(each.result()) for each in first + others] == [Appended, Appended]
    assert_dense(record_url, 2)


def test_a_leader_that_is_interrupted_tells_its_group_and_hands_over(
    record_url: str, recorder: Watched, group: GroupCommit, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Interrupted(BaseException):
        pass

    begun, go_on = threading.Event(), threading.Event()

    def interrupted(units: Sequence[Unit]) -> list[Outcome]:
        begun.set()
        go_on.wait(PATIENCE)
        monkeypatch.undo()
        raise Interrupted

    monkeypatch.setattr(recorder, "append", interrupted)
    leader = start(unit_of(1))
    assert begun.wait(PATIENCE)
    followers = start(unit_of(1), unit_of(1))
    queued(group, 2)
    go_on.set()
    with pytest.raises(Interrupted):
        leader[0].result()
    assert [type(each.result()) for each in followers] == [Appended, Appended]
    assert_dense(record_url, 2)


def raising(error: BaseException) -> Callable[..., None]:
    def fail(*_: object) -> None:
        raise error

    return fail


def test_sixty_four_callers_each_learn_their_own_place(record: Record, record_url: str) -> None:
    entries = [subscription() for _ in range(320)]
    with ThreadPoolExecutor(64) as pool:
        places = list(pool.map(lambda entry: record.append([entry]), entries))
    for entry, place in zip(entries, places, strict=True):
        assert record.load(entry.stream_id)[0].position == place.first == place.last
    assert_dense(record_url, 320)
