"""Every branch of what may be done with a send, one sentence each."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from tocsin.domain.audience import Audience
from tocsin.domain.entry import Fact
from tocsin.domain.errors import Conflict, Invalid, NotFound
from tocsin.domain.events.chunk import OutcomeKind
from tocsin.domain.events.device import OptedIn
from tocsin.domain.events.send import (
    AudienceFrozen,
    InDoubt,
    SendApproved,
    SendCancelled,
    SendCompleted,
    SendExpired,
    SendRejected,
    SendRequested,
    SendScheduled,
    SendStarted,
    Subject,
    Tally,
)
from tocsin.domain.message import Message
from tocsin.domain.personal import Personal
from tocsin.domain.rules import OutOfPlace
from tocsin.domain.send import (
    ApproveSend,
    CancelSend,
    CompleteSend,
    ExpireSend,
    FreezeAudience,
    RejectSend,
    RequestSend,
    Send,
    SendCommand,
    StartSend,
    Status,
    decide,
    evolve,
    fold,
)

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)
END = NOW + timedelta(hours=2)
ANN = UUID(int=2)
TWO = Tally(delivered=2)
FREEZE = FreezeAudience(as_of=41, by_provider={"apns": 1, "fcm": 1}, excluded={"opted-out": 3}, chunks=2)
NOBODY = FreezeAudience(as_of=41, by_provider={}, excluded={"no-token": 3}, chunks=0)
DONE = CompleteSend(chunks=2, tally=TWO)


def request(**changes: Any) -> RequestSend:
    return RequestSend(
        **{"message": Message(body="Fire in building 7"), "audience": Audience(everyone=True), "now": NOW, **changes}
    )


def after(*commands: SendCommand) -> Send:
    state: Send | None = None
    for command in commands:
        state = fold(decide(state, command), state)
    assert state is not None
    return state


def only(facts: list[Fact]) -> Fact:
    (fact,) = facts
    return fact


def test_a_send_without_a_time_starts_at_once() -> None:
    requested, started = decide(None, request(lane="urgent", in_doubt=InDoubt.UNKNOWN, max_attempts=3))
    assert requested == SendRequested(
        message=Message(body="Fire in building 7"),
        audience=Audience(everyone=True),
        lane="urgent",
        in_doubt=InDoubt.UNKNOWN,
        max_attempts=3,
    )
    assert started == SendStarted()
    assert after(request()).status is Status.STARTED


def test_a_send_for_later_is_scheduled() -> None:
    assert decide(None, request(not_before=LATER))[1] == SendScheduled(at=LATER)
    assert after(request(not_before=LATER)).scheduled_at == LATER


def test_a_send_whose_time_is_past_starts_at_once() -> None:
    assert decide(None, request(not_before=NOW - timedelta(days=1)))[1] == SendStarted()


def test_a_send_is_requested_once() -> None:
    with pytest.raises(Conflict):
        decide(after(request()), request())


def test_a_send_that_needs_approval_waits_for_it() -> None:
    assert [type(fact) for fact in decide(None, request(approval=True))] == [SendRequested]
    with pytest.raises(Conflict):
        decide(after(request(approval=True)), StartSend(now=LATER))


def test_an_approved_send_goes_on_as_if_requested_then() -> None:
    state = after(request(approval=True))
    assert decide(state, ApproveSend(now=NOW, note="ok")) == [SendApproved(note="ok"), SendStarted()]
    scheduled = after(request(approval=True, not_before=LATER))
    assert decide(scheduled, ApproveSend(now=NOW)) == [SendApproved(), SendScheduled(at=LATER)]
    assert decide(scheduled, ApproveSend(now=LATER)) == [SendApproved(), SendStarted()]


def test_approving_twice_is_no_event() -> None:
    assert decide(after(request(approval=True), ApproveSend(now=NOW)), ApproveSend(now=NOW)) == []


def test_what_expired_while_it_waited_for_approval_cannot_be_approved() -> None:
    with pytest.raises(Conflict):
        decide(after(request(approval=True, expires_at=END)), ApproveSend(now=END))


def test_a_rejected_send_never_starts() -> None:
    state = after(request(approval=True), RejectSend(note="wrong building"))
    assert state.status is Status.REJECTED
    assert state.reason == "wrong building"
    assert state.ended
    for command in (StartSend(now=LATER), ApproveSend(now=NOW), CancelSend()):
        with pytest.raises(Conflict):
            decide(state, command)


def test_rejecting_is_an_event_once_and_only_while_it_waits() -> None:
    state = after(request(approval=True))
    assert only(decide(state, RejectSend(note="no"))) == SendRejected(note="no")
    assert decide(after(request(approval=True), RejectSend()), RejectSend()) == []
    for command in (RejectSend(), ApproveSend(now=NOW)):
        with pytest.raises(Conflict):
            decide(after(request()), command)


def test_a_scheduled_send_starts_when_its_time_has_come() -> None:
    state = after(request(not_before=LATER))
    assert only(decide(state, StartSend(now=LATER))) == SendStarted()
    with pytest.raises(Conflict) as refusal:
        decide(state, StartSend(now=NOW))
    assert refusal.value.facts["until"] == LATER.isoformat()


def test_a_scheduled_send_that_expired_meanwhile_is_expired_instead() -> None:
    state = after(request(not_before=LATER, expires_at=END))
    assert only(decide(state, StartSend(now=END))) == SendExpired()


@pytest.mark.parametrize("more", [(), (FREEZE,), (FREEZE, DONE)])
def test_a_send_that_started_is_not_started_again(more: tuple[SendCommand, ...]) -> None:
    assert decide(after(request(), *more), StartSend(now=NOW)) == []


def test_the_audience_is_frozen_with_its_counts() -> None:
    assert only(decide(after(request()), FREEZE)) == AudienceFrozen(
        as_of=41, audience=2, by_provider={"apns": 1, "fcm": 1}, excluded={"opted-out": 3}, chunks=2
    )
    assert after(request(), FREEZE).status is Status.SENDING


def test_the_audience_is_frozen_once() -> None:
    assert decide(after(request(), FREEZE), FreezeAudience(as_of=99, by_provider={}, excluded={}, chunks=0)) == []


def test_an_audience_of_nobody_completes_the_send() -> None:
    frozen, completed = decide(after(request()), NOBODY)
    assert isinstance(frozen, AudienceFrozen)
    assert completed == SendCompleted(tally=Tally())
    assert after(request(), NOBODY).ended


@pytest.mark.parametrize(
    "commands",
    [(request(not_before=LATER),), (request(), CancelSend()), (request(expires_at=END), ExpireSend(now=END))],
)
def test_only_a_started_send_has_its_audience_frozen(commands: tuple[SendCommand, ...]) -> None:
    with pytest.raises(Conflict):
        decide(after(*commands), FREEZE)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"as_of": -1}, "as_of"),
        ({"by_provider": {"pigeon": 1}}, "by_provider"),
        ({"by_provider": {"fcm": -1}}, "by_provider.fcm"),
        ({"excluded": {"retired": -1}}, "excluded.retired"),
        ({"chunks": 0}, "chunks"),
        ({"chunks": 3}, "chunks"),
    ],
)
def test_counts_that_cannot_be_are_refused(changes: dict[str, Any], field: str) -> None:
    counts = {"as_of": 41, "by_provider": {"apns": 2}, "excluded": {}, "chunks": 1, **changes}
    with pytest.raises(Invalid) as refusal:
        decide(after(request()), FreezeAudience(**counts))
    assert refusal.value.facts["field"] == field


@pytest.mark.parametrize(
    "commands",
    [(request(approval=True),), (request(not_before=LATER),), (request(),), (request(), FREEZE)],
)
def test_a_send_can_be_cancelled_any_time_before_it_completed(commands: tuple[SendCommand, ...]) -> None:
    state = after(*commands)
    assert only(decide(state, CancelSend(reason="false alarm"))) == SendCancelled(reason="false alarm")
    cancelled = after(*commands, CancelSend(reason="false alarm"))
    assert cancelled.closes_as is OutcomeKind.CANCELLED
    assert decide(cancelled, CancelSend()) == []


def test_a_completed_send_cannot_be_cancelled() -> None:
    with pytest.raises(Conflict):
        decide(after(request(), FREEZE, DONE), CancelSend())


def test_a_send_cancelled_before_its_audience_was_frozen_has_ended() -> None:
    assert after(request(), CancelSend()).ended


def test_a_send_cancelled_later_ends_when_its_chunks_are_final_and_stays_cancelled() -> None:
    state = after(request(), FREEZE, CancelSend())
    assert not state.ended
    tally = Tally(delivered=1, cancelled=1)
    ended = fold(decide(state, CompleteSend(chunks=2, tally=tally)), state)
    assert ended is not None
    assert ended.ended
    assert ended.status is Status.CANCELLED
    assert ended.tally == tally


def test_a_send_expires_at_its_time_and_not_before() -> None:
    state = after(request(expires_at=END), FREEZE)
    assert only(decide(state, ExpireSend(now=END))) == SendExpired()
    assert after(request(expires_at=END), FREEZE, ExpireSend(now=END)).closes_as is OutcomeKind.EXPIRED
    for unexpired in (state, after(request())):
        with pytest.raises(Conflict):
            decide(unexpired, ExpireSend(now=NOW))


@pytest.mark.parametrize("last", [DONE, CancelSend(), ExpireSend(now=END)])
def test_a_send_that_ended_does_not_expire(last: SendCommand) -> None:
    assert decide(after(request(expires_at=END), FREEZE, last), ExpireSend(now=END)) == []


def test_a_send_completes_when_all_its_chunks_have() -> None:
    assert only(decide(after(request(), FREEZE), DONE)) == SendCompleted(tally=TWO)
    assert after(request(), FREEZE, DONE).status is Status.COMPLETED
    assert decide(after(request(), FREEZE, DONE), DONE) == []


@pytest.mark.parametrize(
    "early",
    [
        CompleteSend(chunks=1, tally=TWO),
        CompleteSend(chunks=2, tally=Tally(delivered=1, pending=1)),
        CompleteSend(chunks=2, tally=Tally(delivered=1)),
    ],
)
def test_a_send_with_open_devices_or_missing_chunks_does_not_complete(early: CompleteSend) -> None:
    with pytest.raises(Conflict):
        decide(after(request(), FREEZE), early)


def test_a_send_whose_audience_is_not_frozen_does_not_complete() -> None:
    with pytest.raises(Conflict):
        decide(after(request()), DONE)


def told(**value: Any) -> dict[str, Any]:
    return {"personal": (Personal(ANN, value),)}


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"audience": Audience()}, "audience"),
        ({"audience": Audience(platforms=("ios",))}, "audience"),
        ({"audience": Audience(everyone=True, platforms=("iOS",))}, "audience.platforms"),
        ({"audience": Audience(tags=("a!",))}, "audience.tags"),
        ({"audience": Audience(expression="a &&")}, "audience.expression"),
        ({"audience": Audience(users=(Personal(ANN, ""),))}, "audience.users"),
        ({"audience": Audience(aliases=(Personal(ANN, 7),))}, "audience.aliases"),
        ({"audience": Audience(devices=(ANN,) * 10_001)}, "audience.devices"),
        ({"message": Message()}, "message"),
        ({"lane": "express"}, "lane"),
        ({"max_attempts": 0}, "max_attempts"),
        ({"max_attempts": 21}, "max_attempts"),
        ({"expires_at": NOW}, "expires_at"),
        ({"expires_at": LATER, "not_before": LATER}, "expires_at"),
        ({"expires_at": END.replace(tzinfo=None)}, "expires_at"),
        ({"not_before": LATER.replace(tzinfo=None)}, "not_before"),
        ({"subject": Subject(followup_id=1)}, "subject.notification_id"),
        ({"personal": (Personal(ANN, "ann"),)}, "personal.0"),
        (told(phone="1", message={"title": "Ann"}), "personal.0"),
        (told(user="ann"), "personal.0"),
        (told(message={"title": "Ann"}), "personal.0"),
        (told(user="ann", alias="x", message={"title": "Ann"}), "personal.0"),
        (told(user="ann", message={"colour": "red"}), "personal.0.message"),
        (told(user="ann", message={"badge": -1}), "personal.0.message.badge"),
    ],
)
def test_a_request_that_breaks_a_rule_is_refused_with_its_field(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(Invalid) as refusal:
        decide(None, request(**changes))
    assert refusal.value.facts["field"] == field


def test_an_audience_may_name_ten_thousand_devices() -> None:
    assert decide(None, request(audience=Audience(devices=(ANN,) * 10_000))) != []


def test_a_fault_in_an_expression_is_reported_with_its_column() -> None:
    with pytest.raises(Invalid) as refusal:
        decide(None, request(audience=Audience(expression="staff && (on-leave")))
    assert refusal.value.facts["position"] == 18


def test_a_personal_message_may_complete_what_the_common_one_leaves_open() -> None:
    personal = told(user="ann", message={"data": {"room": "12"}})
    requested = decide(None, request(**personal))[0]
    assert isinstance(requested, SendRequested)
    assert requested.personal == personal["personal"]


def test_the_tags_of_an_audience_are_kept_in_normal_form() -> None:
    requested = decide(None, request(audience=Audience(tags=("cafe\u0301",))))[0]
    assert isinstance(requested, SendRequested)
    assert requested.audience.tags == ("caf\u00e9",)


@pytest.mark.parametrize("command", [StartSend(now=NOW), CancelSend(), FREEZE, DONE, ApproveSend(now=NOW)])
def test_a_send_nobody_requested_is_not_found(command: SendCommand) -> None:
    with pytest.raises(NotFound):
        decide(None, command)


def test_a_stream_that_does_not_begin_with_a_request_cannot_be_folded() -> None:
    with pytest.raises(OutOfPlace):
        fold([SendStarted()])
    with pytest.raises(OutOfPlace):
        evolve(after(request()), OptedIn())
