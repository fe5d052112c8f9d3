"""Attempts that nobody answers for, and answers that come after all."""

from __future__ import annotations

import pytest
from chunk_builders import (
    ANSWERED,
    CANCELLED,
    DELIVERED,
    EXPIRED,
    FAILED,
    LEASE,
    NOW,
    SENT,
    SUPPRESSED,
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
    AbandonAttempt,
    claimable,
    decide,
    evolve,
    fold,
    tally,
    unneeded,
)
from tocsin.domain.errors import Conflict
from tocsin.domain.events.chunk import (
    AttemptAbandoned,
    ChunkCompleted,
    Outcome,
    OutcomeArrivedLate,
    OutcomeKind,
    OutcomesRecorded,
)
from tocsin.domain.events.send import InDoubt, Tally


def test_a_lease_that_still_runs_cannot_be_abandoned() -> None:
    with pytest.raises(Conflict) as refusal:
        decide(after(plan(), claim()), AbandonAttempt(attempt=1, now=LEASE, resolution=InDoubt.RESEND))
    assert refusal.value.facts["until"] == LEASE.isoformat()


def test_what_an_attempt_left_unanswered_is_abandoned_and_open_again() -> None:
    state = after(plan(3), claim(), answers(1, d1=DELIVERED))
    abandoned = only(decide(state, abandon(1)))
    assert abandoned == AttemptAbandoned(attempt=1, devices=((0, 1), (2, 3)), resolution=InDoubt.RESEND)
    assert claimable(evolve(state, abandoned), NOW) == indices.of([0, 2], 3)


def test_abandoned_devices_that_may_not_be_sent_again_are_unknown() -> None:
    facts = decide(after(plan(2), claim()), abandon(1, InDoubt.UNKNOWN))
    assert facts == [
        AttemptAbandoned(attempt=1, devices=((0, 2),), resolution=InDoubt.UNKNOWN),
        ChunkCompleted(tally=Tally(unknown=2)),
    ]


def test_abandoned_devices_that_were_tried_often_enough_are_unknown_under_any_policy() -> None:
    state = after(plan(2), claim(1), abandon(1), claim(2))
    facts = decide(state, abandon(2, max_attempts=2))
    assert facts == [
        AttemptAbandoned(attempt=2, devices=((1, 2),), resolution=InDoubt.RESEND),
        AttemptAbandoned(attempt=2, devices=((0, 1),), resolution=InDoubt.UNKNOWN),
    ]


def test_an_attempt_that_has_its_answers_is_not_abandoned() -> None:
    assert decide(after(plan(2), claim(1), answers(1, d0=DELIVERED)), abandon(1)) == []


def test_an_attempt_is_abandoned_once() -> None:
    assert decide(after(plan(2), claim(), abandon(1)), abandon(1)) == []


def test_an_attempt_nobody_started_is_not_abandoned() -> None:
    with pytest.raises(Conflict):
        decide(after(plan()), abandon(1))


def test_a_late_delivered_settles_a_device_that_is_open_again() -> None:
    state = after(plan(2), claim(), abandon(1))
    late = only(decide(state, answers(1, d0=DELIVERED)))
    assert late == OutcomeArrivedLate(attempt=1, outcomes=(Outcome(0, DELIVERED),))
    assert tally(evolve(state, late)) == Tally(delivered=1, pending=1)


def test_a_late_delivered_settles_a_device_another_worker_holds_and_its_answer_is_not_needed() -> None:
    state = after(plan(1), claim(), abandon(1), claim(), answers(1, d0=DELIVERED))
    assert tally(state) == Tally(delivered=1)
    assert decide(state, answers(2, d0=FAILED)) == []
    assert unneeded(state, answers(2, d0=FAILED)) == [0]


def test_a_late_answer_after_completion_is_appended_and_corrects_the_tally() -> None:
    state = after(plan(2), claim(), abandon(1, InDoubt.UNKNOWN))
    assert state.completed
    facts = decide(state, answers(1, d0=DELIVERED, d1=FAILED))
    assert [type(fact) for fact in facts] == [OutcomeArrivedLate]
    corrected = fold(facts, state)
    assert corrected is not None
    assert corrected.completed
    assert tally(corrected) == Tally(delivered=1, failed=1)


@pytest.mark.parametrize("kind", [CANCELLED, EXPIRED, SUPPRESSED, UNKNOWN])
def test_a_late_delivered_stands_against_what_was_recorded_without_an_answer(kind: OutcomeKind) -> None:
    closed = OutcomesRecorded(attempt=0, outcomes=(Outcome(0, kind),))
    state = evolve(after(plan(1), claim(), abandon(1)), closed)
    assert state.outcome_of(0) is kind
    (late,) = decide(state, answers(1, d0=DELIVERED))[:1]
    assert evolve(state, late).outcome_of(0) is DELIVERED


def test_a_late_delivered_stands_against_the_failure_of_the_second_try() -> None:
    state = after(plan(1), claim(), abandon(1), claim(), answers(2, d0=FAILED))
    assert tally(
        after(plan(1), claim(), abandon(1), claim(), answers(2, d0=FAILED), answers(1, d0=DELIVERED))
    ) == Tally(delivered=1)
    assert decide(state, answers(1, d0=DELIVERED)) != []


def test_delivered_is_never_turned_into_something_else() -> None:
    state = after(plan(1), claim(), abandon(1), claim(), answers(2, d0=DELIVERED))
    assert decide(state, answers(1, d0=FAILED)) == []
    assert evolve(state, OutcomeArrivedLate(attempt=1, outcomes=(Outcome(0, FAILED),))) == state


def test_a_late_failure_settles_a_device_nobody_tried_since() -> None:
    state = after(plan(1), claim(), abandon(1), answers(1, d0=FAILED))
    assert tally(state) == Tally(failed=1)


def test_a_late_failure_says_nothing_of_a_device_that_was_claimed_again() -> None:
    state = after(plan(1), claim(), abandon(1), claim())
    assert decide(state, answers(1, d0=FAILED)) == []
    assert unneeded(state, answers(1, d0=FAILED)) == [0]


def test_a_late_unknown_says_nothing() -> None:
    assert decide(after(plan(1), claim(), abandon(1)), answers(1, d0=UNKNOWN)) == []


def test_a_late_refusal_that_asks_for_a_retry_makes_an_unknown_device_failed() -> None:
    state = after(plan(1), claim(), abandon(1, InDoubt.UNKNOWN))
    late = only(decide(state, again(1, 0)))
    assert late == OutcomeArrivedLate(attempt=1, outcomes=(Outcome(0, FAILED, None, "503", "busy", SENT, ANSWERED),))


def test_a_late_refusal_that_asks_for_a_retry_changes_nothing_of_a_device_that_is_tried_anyway() -> None:
    assert decide(after(plan(1), claim(), abandon(1)), again(1, 0)) == []


def test_an_answer_after_the_lease_but_before_anybody_abandoned_it_is_on_time() -> None:
    facts = decide(after(plan(2), claim()), answers(1, d0=DELIVERED))
    assert [type(fact) for fact in facts] == [OutcomesRecorded]


def test_an_attempt_recorded_unknown_by_its_own_worker_is_settled_by_a_later_answer() -> None:
    state = after(plan(1), claim(), answers(1, d0=UNKNOWN))
    assert only(decide(state, answers(1, d0=DELIVERED))) == OutcomeArrivedLate(
        attempt=1, outcomes=(Outcome(0, DELIVERED),)
    )
