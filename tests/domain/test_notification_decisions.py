"""Every branch of what may be done with a notification, one sentence each, and the numbering of its follow-ups."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.domain.entry import Fact
from tocsin.domain.errors import Conflict, Invalid, NotFound
from tocsin.domain.events.device import OptedIn
from tocsin.domain.events.notification import (
    FollowupAdded,
    FollowupAmended,
    FollowupWithdrawn,
    NotificationAmended,
    NotificationCreated,
    NotificationWithdrawn,
)
from tocsin.domain.notification import (
    MAX_FOLLOWUPS,
    AddFollowup,
    AmendFollowup,
    AmendNotification,
    CreateNotification,
    Notification,
    NotificationCommand,
    WithdrawFollowup,
    WithdrawNotification,
    decide,
    evolve,
    fold,
)
from tocsin.domain.rules import OutOfPlace

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
END = START + timedelta(hours=1)
CREATE = CreateNotification(body="Threat at building 7", starts_at=START, expires_at=END, data={"level": 1})
ADD = AddFollowup(body="Police on scene", at=START)


def after(*commands: NotificationCommand) -> Notification:
    state: Notification | None = None
    for command in commands:
        state = fold(decide(state, command), state)
    assert state is not None
    return state


def only(facts: list[Fact]) -> Fact:
    (fact,) = facts
    return fact


def test_a_notification_is_published_with_its_validity() -> None:
    assert only(decide(None, CREATE)) == NotificationCreated(
        body="Threat at building 7", starts_at=START, expires_at=END, data={"level": 1}
    )


def test_a_notification_is_published_once() -> None:
    with pytest.raises(Conflict):
        decide(after(CREATE), CREATE)


def test_a_notification_is_in_force_from_its_start_to_its_end() -> None:
    state = after(CREATE)
    second = timedelta(seconds=1)
    assert [state.in_force(at) for at in (START - second, START, END, END + second)] == [False, True, True, False]
    assert after(CreateNotification(body="x", starts_at=START)).in_force(END + timedelta(days=9999))
    assert not after(CREATE, WithdrawNotification()).in_force(START)


def test_a_notification_ends_after_it_begins_unless_the_protocol_never_cared() -> None:
    with pytest.raises(Invalid) as refusal:
        decide(None, CreateNotification(body="x", starts_at=START, expires_at=START))
    assert refusal.value.facts["field"] == "expires_at"
    assert decide(None, CreateNotification(body="x", starts_at=END, expires_at=START, ordered=False)) != []


def test_the_text_of_a_notification_with_odd_times_can_be_amended() -> None:
    state = after(CreateNotification(body="x", starts_at=END, expires_at=START, ordered=False))
    assert only(decide(state, AmendNotification(body="y"))) == NotificationAmended(body="y")
    with pytest.raises(Invalid):
        decide(state, AmendNotification(starts_at=END + timedelta(hours=1)))


def test_an_amendment_names_only_what_changed() -> None:
    state = after(CREATE)
    amended = only(decide(state, AmendNotification(body="Threat is over", data={"level": 1}, title=None)))
    assert amended == NotificationAmended(body="Threat is over")
    assert evolve(state, amended).body == "Threat is over"


def test_an_amendment_with_the_values_it_has_is_no_event() -> None:
    assert decide(after(CREATE), AmendNotification(body="Threat at building 7", expires_at=END)) == []


def test_one_is_not_true_in_the_data_of_an_amendment() -> None:
    assert only(decide(after(CREATE), AmendNotification(data={"level": True}))) == NotificationAmended(
        data={"level": True}
    )


def test_an_amendment_says_something() -> None:
    with pytest.raises(Invalid):
        decide(after(CREATE), AmendNotification())
    with pytest.raises(Invalid):
        decide(after(CREATE, ADD), AmendFollowup(followup_id=1))


def test_an_amendment_may_remove_the_end() -> None:
    assert evolve(after(CREATE), NotificationAmended(expires_at=None)).expires_at is None


def test_followups_are_numbered_from_one() -> None:
    assert only(decide(after(CREATE), ADD)) == FollowupAdded(followup_id=1, body="Police on scene", at=START)
    assert only(decide(after(CREATE, ADD), ADD)) == FollowupAdded(followup_id=2, body="Police on scene", at=START)


def test_the_number_of_a_withdrawn_followup_is_never_used_again() -> None:
    state = after(CREATE, ADD, ADD, WithdrawFollowup(followup_id=2))
    assert set(state.followups) == {1}
    added = only(decide(state, ADD))
    assert isinstance(added, FollowupAdded)
    assert added.followup_id == 3


def test_a_followup_is_amended_where_it_differs() -> None:
    state = after(CREATE, ADD)
    amended = only(decide(state, AmendFollowup(followup_id=1, body="Police left", at=START)))
    assert amended == FollowupAmended(followup_id=1, body="Police left")
    assert evolve(state, amended).followups[1].body == "Police left"
    assert decide(state, AmendFollowup(followup_id=1, body="Police on scene")) == []


@pytest.mark.parametrize(("changes", "field"), [({"body": " "}, "body"), ({"at": START.replace(tzinfo=None)}, "at")])
def test_a_followup_that_breaks_a_rule_is_refused_with_its_field(changes: dict[str, Any], field: str) -> None:
    commands = (AddFollowup(**{"body": "x", "at": START, **changes}), AmendFollowup(followup_id=1, **changes))
    for command in commands:
        with pytest.raises(Invalid) as refusal:
            decide(after(CREATE, ADD), command)
        assert refusal.value.facts["field"] == field


def test_a_followup_is_withdrawn_with_a_reason() -> None:
    withdrawn = only(decide(after(CREATE, ADD), WithdrawFollowup(followup_id=1, reason="wrong")))
    assert withdrawn == FollowupWithdrawn(followup_id=1, reason="wrong")


@pytest.mark.parametrize("command", [AmendFollowup(followup_id=1, body="x"), WithdrawFollowup(followup_id=1)])
def test_a_followup_that_was_withdrawn_or_never_was_is_not_found(command: NotificationCommand) -> None:
    for state in (after(CREATE), after(CREATE, ADD, WithdrawFollowup(followup_id=1))):
        with pytest.raises(NotFound):
            decide(state, command)


def test_a_notification_has_a_limited_number_of_followups() -> None:
    state = evolve(after(CREATE), FollowupAdded(followup_id=MAX_FOLLOWUPS, body="x", at=START))
    with pytest.raises(Conflict):
        decide(state, ADD)


def test_withdrawing_twice_is_no_event() -> None:
    assert only(decide(after(CREATE), WithdrawNotification(reason="drill"))) == NotificationWithdrawn(reason="drill")
    assert decide(after(CREATE, WithdrawNotification()), WithdrawNotification()) == []


@pytest.mark.parametrize(
    "command",
    [AmendNotification(body="x"), ADD, AmendFollowup(followup_id=1, body="x"), WithdrawFollowup(followup_id=1)],
)
def test_after_its_withdrawal_a_notification_is_only_read(command: NotificationCommand) -> None:
    with pytest.raises(Conflict):
        decide(after(CREATE, ADD, WithdrawNotification()), command)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"body": " "}, "body"),
        ({"body": "x" * 4001}, "body"),
        ({"title": ""}, "title"),
        ({"label": "x" * 256}, "label"),
        ({"url": "x" * 2001}, "url"),
        ({"data": {"a": "x" * 4096}}, "data"),
        ({"starts_at": START.replace(tzinfo=None)}, "starts_at"),
        ({"expires_at": END.replace(tzinfo=None)}, "expires_at"),
    ],
)
def test_content_that_breaks_a_rule_is_refused_with_its_field(changes: dict[str, Any], field: str) -> None:
    values: dict[str, Any] = {"body": "x", "starts_at": START, "expires_at": END, **changes}
    for state, command in ((None, CreateNotification(**values)), (after(CREATE), AmendNotification(**changes))):
        with pytest.raises(Invalid) as refusal:
            decide(state, command)
        assert refusal.value.facts["field"] == field


def test_a_notification_nobody_published_is_not_found() -> None:
    with pytest.raises(NotFound):
        decide(None, ADD)


def test_a_stream_that_does_not_begin_with_a_notification_cannot_be_folded() -> None:
    with pytest.raises(OutOfPlace):
        fold([NotificationWithdrawn()])
    with pytest.raises(OutOfPlace):
        evolve(after(CREATE), OptedIn())


@given(st.lists(st.none() | st.integers(1, 12), max_size=30))
def test_every_followup_has_the_next_number_whatever_was_withdrawn(steps: list[int | None]) -> None:
    """None adds a follow-up, a number withdraws that one if it stands."""
    state = after(CREATE)
    given_numbers: list[int] = []
    for step in steps:
        if step is None:
            added = only(decide(state, ADD))
            assert isinstance(added, FollowupAdded)
            given_numbers.append(added.followup_id)
            state = evolve(state, added)
        elif step in state.followups:
            state = evolve(state, only(decide(state, WithdrawFollowup(followup_id=step))))
    assert given_numbers == list(range(1, len(given_numbers) + 1))
