"""What a worker says became of the devices it claimed: settled, or to be tried again."""

from __future__ import annotations

import pytest
from chunk_builders import (
    ANSWERED,
    CANCELLED,
    DELIVERED,
    FAILED,
    LATER,
    NOW,
    SENT,
    UNKNOWN,
    abandon,
    after,
    again,
    answers,
    claim,
    only,
    plan,
)

from tocsin.domain import indices
from tocsin.domain.chunk import (
    CloseRemaining,
    RecordAnswers,
    RetryGroup,
    decide,
    decide_all,
    unneeded,
)
from tocsin.domain.errors import Conflict, Invalid
from tocsin.domain.events.chunk import (
    AttemptStarted,
    ChunkCompleted,
    Outcome,
    OutcomeArrivedLate,
    OutcomesRecorded,
    Retry,
    RetrySet,
)
from tocsin.domain.events.send import InDoubt, Tally


def test_answers_settle_claimed_devices() -> None:
    recorded = only(decide(after(plan(3), claim()), answers(1, d0=DELIVERED, d1=FAILED)))
    assert recorded == OutcomesRecorded(attempt=1, outcomes=(Outcome(0, DELIVERED), Outcome(1, FAILED)))


def test_the_last_outcomes_complete_the_chunk_in_the_same_append() -> None:
    facts = decide(after(plan(2), claim()), answers(1, d0=DELIVERED, d1=FAILED))
    assert facts[-1] == ChunkCompleted(tally=Tally(delivered=1, failed=1))


def test_the_next_claim_can_ride_with_the_last_outcomes() -> None:
    facts, state = decide_all(after(plan(2), claim(1)), [answers(1, d0=DELIVERED), claim(1)])
    assert [type(fact) for fact in facts] == [OutcomesRecorded, AttemptStarted]
    assert state is not None
    assert state.attempts[2].claimed == indices.of([1], 2)


def test_the_same_answer_again_is_no_event_and_is_reported() -> None:
    state = after(plan(3), claim(), answers(1, d0=DELIVERED))
    repeated = answers(1, d0=DELIVERED, d1=FAILED)
    assert only(decide(state, repeated)) == OutcomesRecorded(attempt=1, outcomes=(Outcome(1, FAILED),))
    assert unneeded(state, repeated) == [0]


def test_an_answer_to_an_attempt_nobody_started_is_refused() -> None:
    with pytest.raises(Conflict):
        decide(after(plan()), answers(1, d0=DELIVERED))


def test_an_answer_for_a_device_the_attempt_did_not_claim_is_refused() -> None:
    with pytest.raises(Invalid):
        decide(after(plan(), claim(1)), answers(1, d3=DELIVERED))


def test_two_answers_for_one_device_at_once_are_refused() -> None:
    twice = RecordAnswers(attempt=1, outcomes=(Outcome(0, DELIVERED), Outcome(0, FAILED)))
    with pytest.raises(Invalid):
        decide(after(plan(), claim()), twice)


def test_devices_to_be_retried_wait_together_by_their_time() -> None:
    groups = tuple(RetryGroup(devices=(Retry(i),), at=LATER) for i in (0, 1))
    facts = decide(after(plan(), claim()), RecordAnswers(attempt=1, retries=groups))
    assert only(facts) == RetrySet(attempt=1, devices=(Retry(0), Retry(1)), at=LATER)


def test_a_device_tried_often_enough_fails_with_the_last_answer() -> None:
    state = after(plan(1), claim(), again(1, 0, at=NOW, max_attempts=2), claim())
    recorded, completed = decide(state, again(2, 0, max_attempts=2))
    exhausted = Outcome(0, FAILED, None, "503", "attempts-exhausted: busy", SENT, ANSWERED)
    assert recorded == OutcomesRecorded(attempt=2, outcomes=(exhausted,))
    assert completed == ChunkCompleted(tally=Tally(failed=1))


def test_a_device_tried_often_enough_stays_unknown_where_an_earlier_try_is_in_doubt() -> None:
    state = after(plan(1), claim(), abandon(1), claim())
    last = again(2, 0, max_attempts=2)
    retry_set, recorded, completed = decide(state, last)
    assert isinstance(retry_set, RetrySet)
    assert recorded == OutcomesRecorded(
        attempt=0, outcomes=(Outcome(0, UNKNOWN, None, "503", "attempts-exhausted: busy", SENT, ANSWERED),)
    )
    assert completed == ChunkCompleted(tally=Tally(unknown=1))
    assert decide(after(plan(1), claim(), abandon(1), claim(), last), last) == []


def test_a_retry_whose_try_may_have_arrived_leaves_the_device_in_doubt() -> None:
    lost = RetryGroup(devices=(Retry(0, "connection-lost", in_doubt=True),), at=LATER)
    state = after(plan(1), claim(), RecordAnswers(attempt=1, retries=(lost,)))
    assert decide(state, CloseRemaining(kind=CANCELLED))[0] == OutcomesRecorded(
        attempt=0, outcomes=(Outcome(0, UNKNOWN, None, "in-doubt", "cancelled"),)
    )
    assert decide(state, answers(1, d0=DELIVERED))[0] == OutcomeArrivedLate(
        attempt=1, outcomes=(Outcome(0, DELIVERED),)
    )


def test_a_late_retry_that_is_itself_in_doubt_proves_nothing_of_an_unknown_device() -> None:
    state = after(plan(1), claim(), abandon(1, InDoubt.UNKNOWN))
    lost = RetryGroup(devices=(Retry(0, "connection-lost", in_doubt=True),), at=LATER)
    assert decide(state, RecordAnswers(attempt=1, retries=(lost,))) == []
