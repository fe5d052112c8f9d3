"""A chunk's events told device by device: every outcome has its own event and its own address."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.domain.chunk import fold
from tocsin.domain.delivery import DELIVERY_NAMES, UNROLLED, DeliveryFact, unroll
from tocsin.domain.entry import Entry, Fact, system
from tocsin.domain.events.chunk import (
    AttemptAbandoned,
    AttemptStarted,
    ChunkHeld,
    ChunkPlanned,
    Outcome,
    OutcomeArrivedLate,
    OutcomeKind,
    OutcomesRecorded,
    Retry,
    RetrySet,
)
from tocsin.domain.events.send import InDoubt

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SENT, ANSWERED = NOW - timedelta(milliseconds=300), NOW - timedelta(microseconds=7)
SEND, CHUNK = UUID(int=7), UUID(int=8)
DEVICES = tuple(UUID(int=100 + i) for i in range(6))
PLAN = ChunkPlanned(send_id=SEND, ordinal=0, provider="fcm", lane="urgent", devices=DEVICES)


def entry(fact: Fact) -> Entry:
    return Entry(
        originator_id=CHUNK,
        originator_version=2,
        app_id=UUID(int=1),
        root_id=SEND,
        fact=fact,
        actor=system("delivery"),
        command_id=UUID(int=2),
        correlation_id=UUID(int=3),
        position=41,
        recorded_at=NOW,
    )


def told(fact: Fact) -> list[DeliveryFact]:
    return list(unroll(entry(fact), PLAN))


def test_an_outcome_is_told_with_its_address_and_the_providers_own_words() -> None:
    outcome = Outcome(4, OutcomeKind.FAILED, "m-1", "UNREGISTERED", "gone", SENT, ANSWERED)
    assert told(OutcomesRecorded(attempt=3, outcomes=(outcome,))) == [
        DeliveryFact(
            name="delivery.failed",
            position=41,
            index=4,
            chunk_id=CHUNK,
            send_id=SEND,
            device_id=DEVICES[4],
            provider="fcm",
            attempt=3,
            message_id="m-1",
            code="UNREGISTERED",
            reason="gone",
            sent_at=SENT,
            answered_at=ANSWERED,
            recorded_at=NOW,
        )
    ]


@pytest.mark.parametrize("kind", OutcomeKind)
def test_every_kind_of_outcome_has_an_event_of_its_name(kind: OutcomeKind) -> None:
    (event,) = told(OutcomesRecorded(attempt=1, outcomes=(Outcome(0, kind),)))
    assert event.name == f"delivery.{kind.value}"
    assert event.name in DELIVERY_NAMES


def test_a_late_answer_is_told_as_late() -> None:
    (event,) = told(OutcomeArrivedLate(attempt=1, outcomes=(Outcome(0, OutcomeKind.DELIVERED, "m-1"),)))
    assert (event.name, event.late, event.message_id) == ("delivery.delivered", True, "m-1")


def test_a_retry_is_told_with_the_answer_and_the_time_of_the_next_try() -> None:
    (event,) = told(RetrySet(attempt=2, devices=(Retry(5, "503", "busy", SENT, ANSWERED),), at=NOW))
    assert (event.name, event.device_id, event.retry_at) == ("delivery.retry", DEVICES[5], NOW)
    assert (event.code, event.reason, event.sent_at, event.answered_at) == ("503", "busy", SENT, ANSWERED)
    assert event.name in DELIVERY_NAMES


@pytest.mark.parametrize(
    ("resolution", "name"), [(InDoubt.UNKNOWN, "delivery.unknown"), (InDoubt.RESEND, "delivery.retry")]
)
def test_devices_given_up_in_doubt_are_told_one_by_one(resolution: InDoubt, name: str) -> None:
    events = told(AttemptAbandoned(attempt=1, devices=((0, 2), (4, 5)), resolution=resolution))
    assert [(event.index, event.device_id) for event in events] == [(i, DEVICES[i]) for i in (0, 1, 4)]
    assert {(event.name, event.code) for event in events} == {(name, "in-doubt")}


@pytest.mark.parametrize(
    "fact",
    [PLAN, ChunkHeld(reason="x"), AttemptStarted(attempt=1, devices=((0, 6),), worker="w", lease_expires_at=NOW)],
)
def test_events_that_say_nothing_of_single_devices_tell_nothing(fact: Fact) -> None:
    assert told(fact) == []
    assert not isinstance(fact, UNROLLED)


def test_the_state_of_a_chunk_serves_as_well_as_its_plan() -> None:
    state = fold([PLAN])
    assert state is not None
    fact = OutcomesRecorded(attempt=0, outcomes=(Outcome(1, OutcomeKind.CANCELLED),))
    assert list(unroll(entry(fact), state)) == told(fact)


@given(st.lists(st.tuples(st.integers(0, 5), st.sampled_from(OutcomeKind)), unique_by=lambda pair: pair[0]))
def test_no_two_events_share_an_address_and_none_is_lost(said: list[tuple[int, OutcomeKind]]) -> None:
    events = told(OutcomesRecorded(attempt=1, outcomes=tuple(Outcome(i, kind) for i, kind in said)))
    assert [(event.index, event.name) for event in events] == [(i, f"delivery.{kind.value}") for i, kind in said]
    assert len({(event.position, event.index) for event in events}) == len(said)
