"""Every branch of what may be done with a chunk, one sentence each."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from tocsin.domain import indices
from tocsin.domain.chunk import (
    AT_ONCE,
    AbandonAttempt,
    Chunk,
    ChunkCommand,
    CloseRemaining,
    HoldChunk,
    MakeDue,
    PlanChunk,
    RecordAnswers,
    ReleaseChunk,
    RetryGroup,
    StartAttempt,
    Suppress,
    claimable,
    decide,
    decide_all,
    evolve,
    fold,
    next_wake,
    tally,
    unneeded,
)
from tocsin.domain.chunk_state import REPEAT_AFTER, repeat_at
from tocsin.domain.entry import Fact
from tocsin.domain.errors import Conflict, Invalid, NotFound
from tocsin.domain.events.chunk import (
    AttemptAbandoned,
    AttemptStarted,
    ChunkCompleted,
    ChunkDue,
    ChunkHeld,
    ChunkPlanned,
    ChunkReleased,
    Outcome,
    OutcomeArrivedLate,
    OutcomeKind,
    OutcomesRecorded,
    Retry,
    RetrySet,
)
from tocsin.domain.events.send import InDoubt, SendStarted, Tally
from tocsin.domain.rules import OutOfPlace

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
LEASE = NOW + timedelta(seconds=30)
LATER = NOW + timedelta(minutes=5)
SENT, ANSWERED = NOW - timedelta(seconds=1), NOW - timedelta(microseconds=1)
SEND = UUID(int=7)
DELIVERED, FAILED, UNKNOWN = OutcomeKind.DELIVERED, OutcomeKind.FAILED, OutcomeKind.UNKNOWN
CANCELLED, EXPIRED, SUPPRESSED = OutcomeKind.CANCELLED, OutcomeKind.EXPIRED, OutcomeKind.SUPPRESSED


def plan(size: int = 4, **changes: object) -> PlanChunk:
    values = {"send_id": SEND, "ordinal": 0, "provider": "apns", "lane": "normal"}
    return PlanChunk(**{**values, "devices": tuple(UUID(int=i + 1) for i in range(size)), **changes})


def claim(limit: int = 256, now: datetime = NOW, **changes: object) -> StartAttempt:
    return StartAttempt(
        **{"worker": "w1", "now": now, "lease_expires_at": now + timedelta(seconds=30), "limit": limit, **changes}
    )


def answers(attempt: int, **kinds: OutcomeKind) -> RecordAnswers:
    """``answers(1, d0=DELIVERED)``: what attempt 1 says of device 0."""
    return RecordAnswers(attempt=attempt, outcomes=tuple(Outcome(int(d[1:]), kind) for d, kind in kinds.items()))


def again(attempt: int, *devices: int, at: datetime = LATER, max_attempts: int = 8) -> RecordAnswers:
    group = RetryGroup(devices=tuple(Retry(i, "503", "busy", SENT, ANSWERED) for i in devices), at=at)
    return RecordAnswers(attempt=attempt, retries=(group,), max_attempts=max_attempts)


def abandon(attempt: int, resolution: InDoubt = InDoubt.RESEND, max_attempts: int = 8) -> AbandonAttempt:
    after = LEASE + timedelta(seconds=1)
    return AbandonAttempt(attempt=attempt, now=after, resolution=resolution, max_attempts=max_attempts)


def after(*commands: ChunkCommand) -> Chunk:
    state = decide_all(None, commands)[1]
    assert state is not None
    return state


def only(facts: list[Fact]) -> Fact:
    (fact,) = facts
    return fact


def test_a_plan_names_the_devices_of_one_send_and_provider() -> None:
    planned = only(decide(None, plan(2)))
    assert planned == ChunkPlanned(
        send_id=SEND, ordinal=0, provider="apns", lane="normal", devices=(UUID(int=1), UUID(int=2))
    )


def test_the_same_plan_again_is_no_event() -> None:
    assert decide(after(plan()), plan()) == []


def test_a_different_plan_for_the_same_chunk_is_refused() -> None:
    with pytest.raises(Conflict):
        decide(after(plan()), plan(lane="bulk"))


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"provider": "pigeon"}, "provider"),
        ({"lane": "fast"}, "lane"),
        ({"devices": ()}, "the number of devices in a chunk"),
        ({"devices": tuple(UUID(int=i) for i in range(1001))}, "the number of devices in a chunk"),
        ({"devices": (SEND, SEND)}, "devices"),
    ],
)
def test_a_plan_that_breaks_a_rule_is_refused_with_its_field(changes: dict[str, object], field: str) -> None:
    with pytest.raises(Invalid) as refusal:
        decide(None, plan(**changes))
    assert refusal.value.facts["field"] == field


@pytest.mark.parametrize("command", [claim(), HoldChunk(reason="x"), MakeDue(cause="planned", now=NOW)])
def test_a_chunk_that_was_never_planned_is_not_found(command: ChunkCommand) -> None:
    with pytest.raises(NotFound):
        decide(None, command)


def test_open_devices_are_announced_once() -> None:
    state = after(plan())
    due = MakeDue(cause="planned", now=NOW)
    assert only(decide(state, due)) == ChunkDue(send_id=SEND, provider="apns", lane="normal", cause="planned", at=NOW)
    assert decide(after(plan(), due), due) == []


def test_an_announcement_believed_lost_is_repeated_on_request() -> None:
    state = after(plan(), MakeDue(cause="planned", now=NOW))
    assert decide(state, MakeDue(cause="planned", now=NOW, repeat=True)) != []


def test_nothing_is_announced_of_a_chunk_without_open_devices() -> None:
    state = after(plan(), claim())
    assert decide(state, MakeDue(cause="planned", now=NOW, repeat=True)) == []


def test_devices_that_wait_are_announced_when_their_time_has_come() -> None:
    state = after(plan(), MakeDue(cause="planned", now=NOW), claim(), again(1, 0, 1, 2, 3))
    assert decide(state, MakeDue(cause="retry", now=NOW)) == []
    assert decide(state, MakeDue(cause="retry", now=LATER)) != []


def test_a_retry_later_than_the_announcement_is_announced_again_even_if_nobody_claimed() -> None:
    much_later = LATER + timedelta(hours=1)
    state = after(plan(2), claim(), again(1, 0, at=LATER), again(1, 1, at=much_later))
    state = fold(decide(state, MakeDue(cause="retry", now=LATER)), state)
    assert decide(state, MakeDue(cause="retry", now=LATER)) == []
    assert decide(state, MakeDue(cause="retry", now=much_later)) != []


def test_an_announcement_without_a_time_covers_what_is_pending() -> None:
    state = after(plan(2), claim(1), again(1, 0))
    state = evolve(state, ChunkDue(send_id=SEND, provider="apns", lane="normal", cause="planned"))
    assert decide(state, MakeDue(cause="planned", now=NOW)) == []
    assert decide(state, MakeDue(cause="retry", now=LATER)) != []


def test_a_claim_takes_the_lowest_open_devices_up_to_its_limit() -> None:
    state = after(plan(5), claim(2))
    started = only(decide(state, claim(2)))
    assert started == AttemptStarted(attempt=2, devices=((2, 4),), worker="w1", lease_expires_at=LEASE)


def test_a_claim_among_devices_the_worker_looked_at_takes_no_other() -> None:
    started = only(decide(after(plan(5)), claim(among=(0, 3, 4, 99))))
    assert isinstance(started, AttemptStarted)
    assert started.devices == ((0, 1), (3, 5))


def test_a_second_claim_of_a_chunk_that_is_wholly_claimed_is_no_event() -> None:
    assert decide(after(plan(), claim()), claim()) == []


def test_a_device_that_waits_is_claimed_from_its_time_on() -> None:
    state = after(plan(1), claim(), again(1, 0, at=LATER))
    assert decide(state, claim(now=LATER - timedelta(microseconds=1))) == []
    assert isinstance(only(decide(state, claim(now=LATER))), AttemptStarted)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"limit": 0}, "limit"),
        ({"limit": 257}, "limit"),
        ({"worker": " "}, "worker"),
        ({"lease_expires_at": NOW}, "lease_expires_at"),
        ({"lease_expires_at": LEASE.replace(tzinfo=None)}, "lease_expires_at"),
    ],
)
def test_a_claim_that_breaks_a_rule_is_refused_with_its_field(changes: dict[str, object], field: str) -> None:
    with pytest.raises(Invalid) as refusal:
        decide(after(plan()), claim(**changes))
    assert refusal.value.facts["field"] == field


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


def test_closing_settles_what_no_attempt_holds_and_leaves_claimed_devices_to_their_worker() -> None:
    state = after(plan(3), claim(1), claim(1), again(2, 1))
    facts = decide(state, CloseRemaining(kind=CANCELLED, code="cancelled"))
    closed = tuple(Outcome(i, CANCELLED, None, "cancelled") for i in (1, 2))
    assert facts == [OutcomesRecorded(attempt=0, outcomes=closed)]


def test_closing_a_chunk_nobody_claimed_completes_it() -> None:
    facts = decide(after(plan(2)), CloseRemaining(kind=EXPIRED))
    assert facts[-1] == ChunkCompleted(tally=Tally(expired=2))


def test_closing_calls_a_device_unknown_that_an_abandoned_attempt_may_have_reached() -> None:
    state = after(plan(2), claim(1), abandon(1))
    recorded = decide(state, CloseRemaining(kind=CANCELLED, code="by-sender"))[0]
    assert recorded == OutcomesRecorded(
        attempt=0,
        outcomes=(
            Outcome(0, UNKNOWN, None, "in-doubt", "cancelled: by-sender"),
            Outcome(1, CANCELLED, None, "by-sender"),
        ),
    )


def test_closing_twice_is_no_event() -> None:
    close = CloseRemaining(kind=CANCELLED)
    assert decide(after(plan(), close), close) == []


def test_closing_as_delivered_is_refused() -> None:
    with pytest.raises(Invalid):
        decide(after(plan()), CloseRemaining(kind=DELIVERED))


def test_suppressed_devices_are_left_out_of_the_claim_that_follows() -> None:
    facts, _ = decide_all(after(plan(3)), [Suppress(devices=((1, "retired"),)), claim()])
    assert facts == [
        OutcomesRecorded(attempt=0, outcomes=(Outcome(1, SUPPRESSED, None, "retired"),)),
        AttemptStarted(attempt=1, devices=((0, 1), (2, 3)), worker="w1", lease_expires_at=LEASE),
    ]


def test_suppression_leaves_devices_alone_that_somebody_holds() -> None:
    assert decide(after(plan(2), claim()), Suppress(devices=((0, "retired"),))) == []


def test_a_held_chunk_gives_no_claims_and_is_not_announced() -> None:
    state = after(plan(), HoldChunk(reason="credential refused"))
    assert decide(state, claim()) == []
    assert decide(state, MakeDue(cause="planned", now=NOW)) == []


def test_a_held_chunk_still_takes_answers() -> None:
    state = after(plan(2), claim(), HoldChunk(reason="credential refused"))
    assert decide(state, answers(1, d0=DELIVERED)) != []


def test_holding_for_the_same_reason_again_is_no_event_and_for_another_it_is() -> None:
    state = after(plan(), HoldChunk(reason="credential refused"))
    assert decide(state, HoldChunk(reason="credential refused")) == []
    assert only(decide(state, HoldChunk(reason="operator"))) == ChunkHeld(reason="operator")


def test_a_completed_chunk_is_not_held() -> None:
    assert decide(after(plan(1), CloseRemaining(kind=EXPIRED)), HoldChunk(reason="operator")) == []


def test_a_released_chunk_gives_claims_again() -> None:
    state = after(plan(), HoldChunk(reason="operator"))
    released = only(decide(state, ReleaseChunk(reason="resumed")))
    assert released == ChunkReleased(reason="resumed")
    assert decide(evolve(state, released), claim()) != []


def test_releasing_what_is_not_held_is_no_event() -> None:
    assert decide(after(plan()), ReleaseChunk()) == []


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
