"""Events that could not have been decided change nothing, and those of others are refused."""

from __future__ import annotations

import pytest
from chunk_builders import (
    DELIVERED,
    FAILED,
    LATER,
    LEASE,
    after,
    answers,
    claim,
    plan,
)

from tocsin.domain.chunk import (
    evolve,
    fold,
    tally,
)
from tocsin.domain.events.chunk import (
    AttemptStarted,
    ChunkHeld,
    Outcome,
    OutcomesRecorded,
    Retry,
    RetrySet,
)
from tocsin.domain.events.send import SendStarted, Tally
from tocsin.domain.rules import OutOfPlace


def test_an_event_cannot_settle_a_device_a_second_time() -> None:
    state = after(plan(2), claim(), answers(1, d0=DELIVERED))
    assert evolve(state, OutcomesRecorded(attempt=1, outcomes=(Outcome(0, FAILED),))) == state


def test_of_two_outcomes_for_one_device_in_one_event_only_one_counts() -> None:
    twice = OutcomesRecorded(attempt=1, outcomes=(Outcome(0, DELIVERED), Outcome(0, FAILED)))
    assert tally(evolve(after(plan(1), claim()), twice)) == Tally(delivered=1)


def test_an_event_cannot_make_a_settled_device_wait() -> None:
    state = after(plan(2), claim(), answers(1, d0=DELIVERED))
    assert evolve(state, RetrySet(attempt=1, devices=(Retry(0),), at=LATER)) == state


def test_an_event_cannot_start_an_attempt_a_second_time() -> None:
    state = after(plan(2), claim(1))
    second = AttemptStarted(attempt=1, devices=((1, 2),), worker="w2", lease_expires_at=LEASE)
    assert evolve(state, second) == state


def test_a_stream_that_does_not_begin_with_its_plan_cannot_be_folded() -> None:
    with pytest.raises(OutOfPlace):
        fold([ChunkHeld(reason="x")])


def test_another_streams_fact_cannot_be_folded() -> None:
    with pytest.raises(OutOfPlace):
        evolve(after(plan()), SendStarted())
