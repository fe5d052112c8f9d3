"""What keeps a chunk's devices from being sent to: it is closed, they are left out, it is held."""

from __future__ import annotations

import pytest
from chunk_builders import (
    CANCELLED,
    DELIVERED,
    EXPIRED,
    LEASE,
    NOW,
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

from tocsin.domain.chunk import (
    CloseRemaining,
    HoldChunk,
    MakeDue,
    ReleaseChunk,
    Suppress,
    decide,
    decide_all,
    evolve,
)
from tocsin.domain.errors import Invalid
from tocsin.domain.events.chunk import (
    AttemptStarted,
    ChunkCompleted,
    ChunkHeld,
    ChunkReleased,
    Outcome,
    OutcomesRecorded,
)
from tocsin.domain.events.send import Tally


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
