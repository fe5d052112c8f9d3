"""What a send says besides its message: labels, inbox, pace, what differs by device, and who is meant."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from tocsin.domain import chunk, indices
from tocsin.domain.audience import Audience, Criteria, Segment
from tocsin.domain.audience_rules import check_audience
from tocsin.domain.chunk import MakeDue, PlanChunk, StartAttempt
from tocsin.domain.errors import Conflict, Invalid, NotFound
from tocsin.domain.events.chunk import AttemptStarted, ChunkPlanned, Retry, RetrySet
from tocsin.domain.events.send import (
    AudienceFrozen,
    SendCancelled,
    SendCompleted,
    SendRequested,
    SendStarted,
    SendWithdrawn,
    Tally,
)
from tocsin.domain.message import OF_DEVICES, Message, check_message, made_out, personalised
from tocsin.domain.payloads import (
    PayloadTooLarge,
    apns_body,
    check_payload,
    fcm_body,
    fcm_complete,
    payload_size,
)
from tocsin.domain.send import RequestSend, Status, WithdrawSend, decide, fold

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
EVERYONE = Audience(everyone=True)
VALUES: dict[str, int | str] = {place: 7 if place.endswith("number") else place for place in OF_DEVICES}


def request(**members: Any) -> RequestSend:
    return RequestSend(**{"message": Message(body="x"), "audience": EVERYONE, "now": NOW, **members})


def test_what_describes_a_send_is_recorded_and_each_label_once() -> None:
    members = {"name": "n", "campaign": "c", "inbox": True, "protected": True, "pace": 10_000}
    [requested, _] = decide(None, request(labels=("a", "b", "a"), **members))
    assert requested == SendRequested(message=Message(body="x"), audience=EVERYONE, labels=("a", "b"), **members)


@pytest.mark.parametrize(
    ("members", "field"),
    [
        ({"pace": 0}, "pace"),
        ({"pace": 1_000_001}, "pace"),
        ({"name": " "}, "name"),
        ({"campaign": "x" * 256}, "campaign"),
        ({"labels": ("",)}, "labels"),
        ({"labels": tuple(map(str, range(51)))}, "labels"),
    ],
)
def test_a_description_that_cannot_be_is_refused(members: dict[str, Any], field: str) -> None:
    with pytest.raises(Invalid) as refusal:
        decide(None, request(**members))
    assert refusal.value.facts["field"] == field


def test_a_send_at_work_is_stopped_when_it_is_withdrawn() -> None:
    state = fold(decide(None, request()))
    facts = decide(state, WithdrawSend(reason="a mistake"))
    assert facts == [SendCancelled(reason="a mistake"), SendWithdrawn(reason="a mistake")]
    gone = fold(facts, state)
    assert gone is not None
    assert (gone.status, gone.withdrawn) == (Status.CANCELLED, True)
    assert decide(gone, WithdrawSend()) == []


def test_a_completed_send_is_withdrawn_and_stays_completed() -> None:
    frozen = AudienceFrozen(as_of=1, audience=1, chunks=1)
    state = fold([*decide(None, request()), frozen, SendCompleted(tally=Tally(delivered=1))])
    assert decide(state, WithdrawSend()) == [SendWithdrawn()]
    with pytest.raises(NotFound):
        decide(None, WithdrawSend())
    assert SendStarted() in decide(None, request())


def test_a_message_is_made_out_to_a_device() -> None:
    message = Message(body="x", badge_change=1, data={"a": 1}, per_device={"n": "device.number", "s": "send.id"})
    own = made_out(message, 4, VALUES)
    assert own == Message(body="x", badge=4, data={"a": 1, "n": 7, "s": "send.id"})
    assert message.differs
    assert not own.differs
    assert apns_body(own)["n"] == 7
    assert fcm_body(own)["data"]["n"] == "7"


def test_a_message_with_a_badge_of_its_own_keeps_it() -> None:
    assert made_out(Message(body="x", badge=2, per_device={"n": "send.number"}), None, VALUES).badge == 2


@pytest.mark.parametrize(
    ("members", "field"),
    [
        ({"badge": 1, "badge_change": 1}, "message.badge_change"),
        ({"badge_change": 2**31}, "message.badge_change"),
        ({"badge_change": True}, "message.badge_change"),
        ({"per_device": {"n": "device.token"}}, "message.per_device"),
        ({"per_device": {"aps": "device.id"}}, "message.per_device"),
        ({"per_device": {"tocsin_x": "device.id"}}, "message.per_device"),
    ],
)
def test_what_differs_by_device_is_checked(members: dict[str, Any], field: str) -> None:
    with pytest.raises(Invalid) as refusal:
        check_message(Message(body="x", **members))
    assert refusal.value.facts["field"] == field


def test_a_change_to_the_badge_alone_shows_something() -> None:
    check_message(Message(badge_change=1))
    check_message(Message(silent=True, per_device={"n": "send.number"}))


def test_of_a_badge_and_a_change_to_it_the_recipients_own_wins() -> None:
    common = Message(body="x", badge_change=1, per_device={"a": "send.id"})
    assert personalised(common, {"badge": 3}) == Message(body="x", badge=3, per_device={"a": "send.id"})
    merged = personalised(Message(body="x", badge=3), {"badge_change": -1, "per_device": {"b": "push.id"}})
    assert merged == Message(body="x", badge_change=-1, per_device={"b": "push.id"})
    assert personalised(common, {"badge": None}).badge_change == 1


def test_what_differs_by_device_counts_at_its_longest() -> None:
    message = Message(body="x", badge_change=1, per_device={"n": "device.number", "i": "device.id"})
    own = made_out(message, 3, {**VALUES, "device.id": str(uuid4())})
    assert payload_size("apns", message) > payload_size("apns", own)
    with pytest.raises(PayloadTooLarge):
        check_payload("apns", Message(body="x" * 4000, per_device={f"key{n}": "device.id" for n in range(2)}))
    with pytest.raises(Invalid) as refusal:
        check_payload("fcm", Message(body="x", per_device={"gcm": "device.id"}))
    assert refusal.value.facts["field"] == "data.gcm"


def test_an_audience_may_be_narrowed_by_properties_and_named_by_segments() -> None:
    audience = Audience(segments=(Segment(name="students"),), properties={"city": ("Oxford", 1, True, "")})
    assert check_audience(audience) == audience
    assert audience.names_someone
    assert not Audience(properties={"city": ("Oxford",)}, through=("native",)).names_someone


@pytest.mark.parametrize(
    ("members", "field"),
    [
        ({"properties": {"city": ()}}, "audience.properties"),
        ({"properties": {"": ("x",)}}, "audience.properties"),
        ({"properties": {"city": (None,)}}, "audience.properties"),
        ({"properties": {"city": ("x" * 1001,)}}, "audience.properties"),
        ({"properties": {str(number): (1,) for number in range(21)}}, "audience.properties"),
        ({"properties": {"city": (1,) * 101}}, "audience.properties.city"),
        ({"segments": (Segment(name=""),)}, "audience.segments"),
        ({"segments": (Segment(name="x"),) * 51}, "audience.segments"),
        ({"profile": ""}, "audience.profile"),
        ({"through": ("",)}, "audience.through"),
    ],
)
def test_an_audience_that_cannot_be_is_refused(members: dict[str, Any], field: str) -> None:
    with pytest.raises(Invalid) as refusal:
        check_audience(Audience(everyone=True, **members))
    assert refusal.value.facts["field"] == field


def test_a_segment_is_saved_where_it_differs_and_checked() -> None:
    from tocsin.domain import app
    from tocsin.domain.app import CreateApp, DeleteSegment, SaveSegment
    from tocsin.domain.events.app import SegmentDeleted, SegmentSaved

    criteria = Criteria(tags=("staff",), properties={"city": ("Oxford",)})
    state = app.fold(app.decide(None, CreateApp(name="x")))
    facts = app.decide(state, SaveSegment(name="s", criteria=criteria))
    assert facts == [SegmentSaved(name="s", criteria=criteria)]
    state = app.fold(facts, state)
    assert app.decide(state, SaveSegment(name="s", criteria=criteria)) == []
    assert app.decide(state, DeleteSegment(name="s")) == [SegmentDeleted(name="s")]
    with pytest.raises(NotFound):
        app.decide(app.fold([SegmentDeleted(name="s")], state), DeleteSegment(name="s"))
    with pytest.raises(Invalid) as refusal:
        app.decide(state, SaveSegment(name="s", criteria=Criteria(expression="a &&")))
    assert refusal.value.facts["field"] == "criteria.expression"


def plan(size: int = 3, **members: Any) -> ChunkPlanned:
    devices = tuple(UUID(int=number + 1) for number in range(size))
    [planned] = chunk.decide(
        None, PlanChunk(send_id=UUID(int=9), ordinal=0, provider="apns", lane="normal", devices=devices, **members)
    )
    assert isinstance(planned, ChunkPlanned)
    return planned


def start(**members: Any) -> StartAttempt:
    return StartAttempt(**{"worker": "w", "now": NOW, "lease_expires_at": NOW + timedelta(minutes=1), **members})


def test_a_chunk_that_waits_for_its_time_is_not_claimed_before() -> None:
    later = NOW + timedelta(minutes=1)
    state = chunk.fold([plan(not_before=later)])
    assert state is not None
    assert chunk.decide(state, start()) == []
    assert chunk.decide(state, MakeDue(cause="planned", now=NOW)) == []
    assert chunk.next_wake(state) == later
    assert chunk.tally(state).pending == 3
    assert chunk.decide(state, MakeDue(cause="planned", now=later)) != []
    assert chunk.claimable(state, later) == indices.everyone(3)
    again = PlanChunk(send_id=state.send_id, ordinal=0, provider="apns", lane="normal", devices=state.devices)
    with pytest.raises(Conflict):
        chunk.decide(state, again)


def test_a_device_keeps_the_badge_of_its_first_claim() -> None:
    state = chunk.fold([plan()])
    [first] = chunk.decide(state, start(limit=2, badges={0: 5, 1: 6, 2: 7}))
    assert isinstance(first, AttemptStarted)
    assert first.badges == (5, 6)
    retry = RetrySet(attempt=1, devices=(Retry(0), Retry(1)), at=NOW)
    state = chunk.fold([first, retry], state)
    [second] = chunk.decide(state, start(badges={0: 9, 1: 9, 2: 9}))
    assert isinstance(second, AttemptStarted)
    assert second.badges == (5, 6, 9)
    after = chunk.fold([second], state)
    assert after is not None
    assert after.badges == {0: 5, 1: 6, 2: 9}


def test_badges_are_read_with_care() -> None:
    state = chunk.fold([plan()])
    lease = NOW + timedelta(minutes=1)
    odd = AttemptStarted(attempt=1, devices=((0, 9),), worker="w", lease_expires_at=lease, badges=(1,))
    after = chunk.fold([odd], state)
    assert after is not None
    assert after.badges == {0: 1}


def test_a_message_for_google_may_be_data_alone() -> None:
    own = {"notification": None, "android": {"notification": None}, "data": {"message": "x", "body": None}}
    message = Message(body="x", ttl=60, collapse_id="c", data={"body": "y"}, per_device={"n": "device.number"}, fcm=own)
    check_payload("fcm", message)
    complete = fcm_complete(fcm_body(made_out(message, None, VALUES)), UUID(int=1), "token", 60)
    assert "notification" not in complete
    assert complete["android"] == {"ttl": "60s", "priority": "HIGH", "collapse_key": "c"}
    assert complete["data"] == {"message": "x", "n": "7", "tocsin_push_id": str(UUID(int=1))}


def test_a_message_for_apple_may_have_a_plain_alert_or_one_to_be_translated() -> None:
    plain = Message(body="x", title="t", apns={"aps": {"alert": "x"}})
    assert apns_body(plain)["aps"] == {"alert": "x"}
    keys = {"loc-key": "FIRE", "loc-args": ["4"], "action-loc-key": "SHOW", "body": None}
    translated = Message(body="x", badge=0, apns={"aps": {"alert": keys, "content-available": 1}})
    check_payload("apns", translated)
    alert = {"loc-key": "FIRE", "loc-args": ["4"], "action-loc-key": "SHOW"}
    assert apns_body(translated)["aps"] == {"alert": alert, "badge": 0, "content-available": 1}
