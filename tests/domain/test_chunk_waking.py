"""When the scheduler has to look at a chunk, and when it announces it again."""

from __future__ import annotations

from datetime import timedelta

import pytest
from chunk_builders import (
    DELIVERED,
    EXPIRED,
    LATER,
    LEASE,
    NOW,
    after,
    again,
    answers,
    claim,
    plan,
)

from tocsin.domain.chunk import (
    AT_ONCE,
    CloseRemaining,
    HoldChunk,
    MakeDue,
    next_wake,
)
from tocsin.domain.chunk_state import REPEAT_AFTER, repeat_at


def test_the_scheduler_wakes_at_once_for_open_devices_nobody_takes_care_of() -> None:
    assert next_wake(after(plan())) == AT_ONCE
    assert next_wake(after(plan(2), claim(1), answers(1, d0=DELIVERED))) == AT_ONCE


def test_the_scheduler_leaves_announced_devices_to_the_workers() -> None:
    assert next_wake(after(plan(), MakeDue(cause="planned", now=NOW))) is None


def test_the_scheduler_wakes_when_a_lease_runs_out() -> None:
    assert next_wake(after(plan(), claim(1))) == LEASE


def test_the_scheduler_wakes_for_the_earliest_retry() -> None:
    sooner = LATER - timedelta(minutes=1)
    assert next_wake(after(plan(2), claim(), again(1, 0), again(1, 1, at=sooner))) == sooner


def test_the_scheduler_wakes_for_leases_of_a_held_chunk_but_not_for_its_retries() -> None:
    held = HoldChunk(reason="operator")
    assert next_wake(after(plan(2), claim(1), held)) == LEASE
    assert next_wake(after(plan(1), claim(), again(1, 0), held)) is None


@pytest.mark.parametrize(
    ("age", "wait"),
    [(timedelta(), REPEAT_AFTER), (REPEAT_AFTER / 2, REPEAT_AFTER), (4 * REPEAT_AFTER, 4 * REPEAT_AFTER)],
)
def test_an_announcement_that_nobody_answers_is_repeated_each_time_after_twice_as_long(
    age: timedelta, wait: timedelta
) -> None:
    told = after(plan(), MakeDue(cause="planned", now=NOW))
    assert repeat_at(told, NOW, NOW + age) == NOW + age + wait


def test_nothing_is_repeated_where_nothing_was_announced_or_somebody_takes_care_of_it() -> None:
    announced = MakeDue(cause="planned", now=NOW)
    for state in (
        after(plan()),
        after(plan(), announced, claim(1)),
        after(plan(), announced, HoldChunk(reason="operator")),
        after(plan(), announced, CloseRemaining(kind=EXPIRED)),
    ):
        assert repeat_at(state, NOW, NOW) is None


def test_nothing_wakes_the_scheduler_for_a_completed_chunk() -> None:
    assert next_wake(after(plan(), CloseRemaining(kind=EXPIRED))) is None
