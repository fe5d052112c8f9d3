"""A chunk's plan, what is announced of it, and what a worker may claim."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest
from chunk_builders import (
    LATER,
    LEASE,
    NOW,
    SEND,
    after,
    again,
    claim,
    only,
    plan,
)

from tocsin.domain.chunk import (
    ChunkCommand,
    HoldChunk,
    MakeDue,
    decide,
    evolve,
    fold,
)
from tocsin.domain.errors import Conflict, Invalid, NotFound
from tocsin.domain.events.chunk import (
    AttemptStarted,
    ChunkDue,
    ChunkPlanned,
)


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


def test_a_claim_says_at_which_position_its_devices_were_looked_at() -> None:
    (started,) = decide(after(plan()), claim(as_of=41))
    assert isinstance(started, AttemptStarted)
    assert started.as_of == 41


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
