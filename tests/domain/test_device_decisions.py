"""Every branch of what may be done with a device, one sentence each, and the rule that twice is once."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from tocsin.domain.device import (
    ChangeToken,
    Device,
    DeviceCommand,
    OptIn,
    OptOut,
    RegisterDevice,
    RetireDevice,
    Subscribe,
    Unsubscribe,
    UpdateDevice,
    decide,
    evolve,
    fold,
)
from tocsin.domain.entry import Fact
from tocsin.domain.errors import Conflict, Invalid, NotFound
from tocsin.domain.events.device import (
    DeviceRegistered,
    DeviceRestored,
    DeviceRetired,
    DeviceUpdated,
    OptedIn,
    OptedOut,
    Retirement,
    Subscribed,
    TokenChanged,
    Unsubscribed,
)
from tocsin.domain.events.send import SendStarted
from tocsin.domain.personal import Personal, erased
from tocsin.domain.rules import OutOfPlace

DEVICE, ANN, BEN = UUID(int=1), UUID(int=2), UUID(int=3)
TOKEN = Personal(DEVICE, "a1" * 32)
OTHER_TOKEN = Personal(DEVICE, "b2" * 32)


def register(**changes: Any) -> RegisterDevice:
    return RegisterDevice(**{"platform": "ios", "token": TOKEN, **changes})


def after(*commands: DeviceCommand) -> Device:
    state: Device | None = None
    for command in commands:
        state = fold(decide(state, command), state)
    assert state is not None
    return state


def only(facts: list[Fact]) -> Fact:
    (fact,) = facts
    return fact


def test_a_first_registration_holds_what_was_said() -> None:
    facts = decide(None, register(user=Personal(ANN, "ann"), external_id="x-1", attributes={"model": "P", "old": None}))
    assert only(facts) == DeviceRegistered(
        platform="ios", token=TOKEN, user=Personal(ANN, "ann"), external_id="x-1", attributes={"model": "P"}
    )


def test_a_device_may_register_before_it_has_a_token() -> None:
    assert only(decide(None, register(token=UNSET))) == DeviceRegistered(platform="ios")


def test_the_same_registration_again_is_no_event() -> None:
    command = register(user=Personal(ANN, "ann"), attributes={"model": "P"}, external_id="x-1")
    assert decide(after(command), command) == []


def test_a_registration_that_says_less_changes_nothing() -> None:
    assert decide(after(register(user=Personal(ANN, "ann"), attributes={"model": "P"})), register(token=UNSET)) == []


def test_a_registration_with_another_token_changes_the_token_alone() -> None:
    assert decide(after(register()), register(token=OTHER_TOKEN)) == [TokenChanged(token=OTHER_TOKEN)]


def test_a_registration_with_another_user_hands_the_device_over() -> None:
    state = after(register(user=Personal(ANN, "ann")))
    assert decide(state, register(user=Personal(BEN, "ben"))) == [DeviceUpdated(user=Personal(BEN, "ben"))]


def test_none_removes_what_unset_leaves() -> None:
    state = after(register(alias=Personal(DEVICE, "desk")))
    assert decide(state, register(alias=None)) == [DeviceUpdated(alias=None)]
    assert evolve(state, DeviceUpdated(alias=None)).alias is None


def test_an_update_names_only_the_attributes_that_changed() -> None:
    state = after(register(attributes={"model": "P", "language": "en", "beta": True}))
    command = UpdateDevice(attributes={"model": "P", "language": "de", "beta": None, "never": None})
    updated = only(decide(state, command))
    assert updated == DeviceUpdated(attributes={"language": "de", "beta": None})
    assert evolve(state, updated).attributes == {"model": "P", "language": "de"}


def test_true_is_not_one() -> None:
    state = after(register(attributes={"beta": 1}, properties=Personal(DEVICE, {"vip": 1})))
    facts = decide(state, UpdateDevice(attributes={"beta": True}, properties=Personal(DEVICE, {"vip": True})))
    assert facts == [DeviceUpdated(attributes={"beta": True}, properties=Personal(DEVICE, {"vip": True}))]


def test_a_device_keeps_its_platform() -> None:
    with pytest.raises(Conflict):
        decide(after(register()), register(platform="android"))


def test_a_device_keeps_its_external_id() -> None:
    with pytest.raises(Conflict):
        decide(after(register(external_id="x-1")), register(external_id="x-2"))


def test_a_retired_device_that_registers_is_restored_and_then_updated() -> None:
    state = after(register(), RetireDevice())
    facts = decide(state, register(user=Personal(ANN, "ann")))
    assert facts == [DeviceRestored(), DeviceUpdated(user=Personal(ANN, "ann"))]


@pytest.mark.parametrize("reason", [Retirement.TOKEN_MOVED, Retirement.UNREGISTERED])
def test_a_device_that_lost_its_token_returns_with_the_one_it_says_or_none(reason: Retirement) -> None:
    state = after(register(), RetireDevice(reason=reason))
    assert decide(state, register()) == [DeviceRestored(), TokenChanged(token=TOKEN)]
    assert decide(state, register(token=UNSET)) == [DeviceRestored(), TokenChanged(token=None)]


def test_an_erased_device_cannot_register_again() -> None:
    with pytest.raises(Conflict):
        decide(after(register(), RetireDevice(reason=Retirement.ERASED)), register())


def test_an_erased_subject_folds_to_tombstones() -> None:
    state = fold([DeviceRegistered(platform="ios", token=erased(DEVICE), user=erased(ANN))])
    assert state is not None
    assert state.erased
    assert state.token == erased(DEVICE)
    assert state.user is not None
    assert state.user.value is None


def test_a_device_whose_user_was_erased_takes_another_user() -> None:
    state = fold([DeviceRegistered(platform="ios", token=TOKEN, user=erased(ANN))])
    assert decide(state, register(user=Personal(BEN, "ben"))) == [DeviceUpdated(user=Personal(BEN, "ben"))]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"platform": "iOS"}, "platform"),
        ({"platform": ""}, "platform"),
        ({"token": Personal(DEVICE, "xyz")}, "token"),
        ({"token": Personal(DEVICE, "a1" * 31)}, "token"),
        ({"token": Personal(DEVICE, "a1" * 101)}, "token"),
        ({"platform": "android", "token": Personal(DEVICE, " ")}, "token"),
        ({"platform": "android", "token": Personal(DEVICE, "x" * 4097)}, "token"),
        ({"platform": "android", "token": Personal(DEVICE, 7)}, "token"),
        ({"platform": "windows", "token": Personal(DEVICE, "http://db5.notify.windows.com/x")}, "token"),
        ({"platform": "windows", "token": Personal(DEVICE, "https://[broken")}, "token"),
        ({"external_id": "x" * 256}, "external_id"),
        ({"external_id": ""}, "external_id"),
        ({"user": Personal(ANN, "x" * 256)}, "user"),
        ({"user": Personal(ANN, 7)}, "user"),
        ({"alias": Personal(DEVICE, " ")}, "alias"),
        ({"phone": Personal(DEVICE, "1" * 65)}, "phone"),
        ({"properties": Personal(DEVICE, {"a": "x" * 4096})}, "properties"),
        ({"properties": Personal(DEVICE, ["not", "an", "object"])}, "properties"),
        ({"properties": Personal(DEVICE, {"a": float("nan")})}, "properties"),
        ({"properties": Personal(DEVICE, {"a": "\0"})}, "properties"),
        ({"environment": "moon"}, "environment"),
        ({"attributes": {"1st": 1}}, "attributes.1st"),
        ({"attributes": {"a": [1]}}, "attributes.a"),
        ({"attributes": {"a": "x" * 256}}, "attributes.a"),
        ({"attributes": {"a": float("inf")}}, "attributes.a"),
        ({"attributes": {"a": 2**63}}, "attributes.a"),
        ({"attributes": {"a": -(2**63) - 1}}, "attributes.a"),
        ({"attributes": {f"a{i}": i for i in range(41)}}, "attributes"),
    ],
)
def test_a_registration_that_breaks_a_rule_is_refused_with_its_field(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(Invalid) as refusal:
        decide(None, register(**changes))
    assert refusal.value.facts["field"] == field


def test_attributes_may_be_any_integer_of_64_bits() -> None:
    attributes = {"least": -(2**63), "most": 2**63 - 1}
    assert after(register(attributes=attributes)).attributes == attributes


def test_a_refused_token_is_not_repeated_in_the_refusal() -> None:
    with pytest.raises(Invalid) as refusal:
        decide(None, register(token=Personal(DEVICE, "secret-token")))
    assert "secret-token" not in str(refusal.value) + repr(refusal.value.facts)


def test_a_token_of_any_shape_is_taken_where_the_client_was_always_allowed_to() -> None:
    token = Personal(DEVICE, "xyz")
    assert only(decide(None, register(token=token, token_shape=False))) == DeviceRegistered(platform="ios", token=token)


def test_a_device_of_a_platform_nobody_can_reach_registers_all_the_same() -> None:
    state = after(register(platform="symbian", token=Personal(DEVICE, "x")))
    assert state.provider is None


def test_attributes_are_counted_together_with_those_it_has() -> None:
    state = after(register(attributes={f"a{i}": i for i in range(40)}))
    with pytest.raises(Invalid):
        decide(state, UpdateDevice(attributes={"one_more": 1}))
    assert decide(state, UpdateDevice(attributes={"one_more": 1, "a0": None})) != []


def test_the_provider_may_name_a_replacement_for_a_token() -> None:
    changed = only(decide(after(register()), ChangeToken(token=OTHER_TOKEN, source="provider")))
    assert changed == TokenChanged(token=OTHER_TOKEN, source="provider")


def test_the_same_token_is_no_change() -> None:
    assert decide(after(register()), ChangeToken(token=TOKEN)) == []


def test_a_token_change_is_checked_like_a_registration() -> None:
    with pytest.raises(Invalid):
        decide(after(register()), ChangeToken(token=Personal(DEVICE, "xyz")))
    with pytest.raises(Invalid):
        decide(after(register()), ChangeToken(token=OTHER_TOKEN, source="rumour"))


def test_subscribing_is_an_event_once() -> None:
    assert only(decide(after(register()), Subscribe(tag="floor:3"))) == Subscribed(tag="floor:3")
    assert decide(after(register(), Subscribe(tag="floor:3")), Subscribe(tag="floor:3")) == []


def test_a_tag_typed_in_another_unicode_form_is_the_same_tag() -> None:
    assert decide(after(register(), Subscribe(tag="caf\u00e9")), Subscribe(tag="cafe\u0301")) == []


def test_unsubscribing_is_an_event_where_it_was_subscribed() -> None:
    state = after(register(), Subscribe(tag="staff"))
    assert only(decide(state, Unsubscribe(tag="staff"))) == Unsubscribed(tag="staff")
    assert decide(after(register()), Unsubscribe(tag="staff")) == []


def test_opting_out_and_in_are_events_once_each() -> None:
    state = after(register())
    assert decide(state, OptIn()) == []
    assert only(decide(state, OptOut(reason="nights"))) == OptedOut(reason="nights")
    out = after(register(), OptOut())
    assert decide(out, OptOut()) == []
    assert only(decide(out, OptIn())) == OptedIn()


def test_retiring_says_by_whom_and_why() -> None:
    command = RetireDevice(reason=Retirement.UNREGISTERED, provider="apns", code="410 Unregistered", send_id=ANN)
    assert only(decide(after(register()), command)) == DeviceRetired(
        reason=Retirement.UNREGISTERED, provider="apns", code="410 Unregistered", send_id=ANN
    )


def test_retiring_a_retired_device_is_no_event() -> None:
    state = after(register(), RetireDevice(reason=Retirement.UNREGISTERED))
    assert decide(state, RetireDevice()) == []


def test_a_device_retired_on_request_leaves_its_tags() -> None:
    state = after(register(), Subscribe(tag="b"), Subscribe(tag="a"))
    assert decide(state, RetireDevice()) == [
        Unsubscribed(tag="a"),
        Unsubscribed(tag="b"),
        DeviceRetired(reason=Retirement.REQUESTED),
    ]


def test_a_device_whose_token_died_keeps_its_tags_for_its_return() -> None:
    state = after(register(), Subscribe(tag="a"), RetireDevice(reason=Retirement.UNREGISTERED), register())
    assert state.tags == {"a"}


def test_a_retired_device_can_still_be_erased_once() -> None:
    state = after(register(), RetireDevice())
    erase = RetireDevice(reason=Retirement.ERASED)
    assert only(decide(state, erase)) == DeviceRetired(reason=Retirement.ERASED)
    assert decide(after(register(), RetireDevice(), erase), erase) == []


@pytest.mark.parametrize("command", [UpdateDevice(), ChangeToken(token=TOKEN), Subscribe(tag="a"), OptIn()])
def test_a_retired_device_takes_nothing_new(command: DeviceCommand) -> None:
    with pytest.raises(Conflict):
        decide(after(register(), RetireDevice()), command)


def test_a_retired_device_still_lets_go() -> None:
    state = after(register(), Subscribe(tag="a"), RetireDevice(reason=Retirement.UNREGISTERED))
    assert decide(state, Unsubscribe(tag="a")) != []
    assert decide(state, OptOut()) != []


@pytest.mark.parametrize("command", [UpdateDevice(), Subscribe(tag="a"), RetireDevice(), OptOut()])
def test_a_device_that_never_registered_is_not_found(command: DeviceCommand) -> None:
    with pytest.raises(NotFound):
        decide(None, command)


def test_a_stream_that_does_not_begin_with_a_registration_cannot_be_folded() -> None:
    with pytest.raises(OutOfPlace):
        fold([OptedIn()])
    with pytest.raises(OutOfPlace):
        evolve(after(register()), SendStarted())


tags = st.sampled_from(["staff", "floor:3", "on call"])
names = st.sampled_from(["model", "language"])
attributes = st.dictionaries(names, st.none() | st.booleans() | st.integers(0, 2) | st.sampled_from(["", "x"]))
users = st.sampled_from([UNSET, None, Personal(ANN, "ann"), Personal(BEN, "ben")])
tokens = st.sampled_from([UNSET, None, TOKEN, OTHER_TOKEN])
commands = st.one_of(
    st.builds(RegisterDevice, platform=st.just("ios"), token=tokens, user=users, attributes=attributes),
    st.builds(UpdateDevice, user=users, attributes=attributes),
    st.builds(ChangeToken, token=st.sampled_from([None, TOKEN, OTHER_TOKEN])),
    st.builds(Subscribe, tag=tags),
    st.builds(Unsubscribe, tag=tags),
    st.builds(OptOut),
    st.builds(OptIn),
    st.builds(RetireDevice, reason=st.sampled_from(Retirement)),
)


@given(st.lists(commands, max_size=20))
def test_whatever_was_done_doing_it_a_second_time_is_no_event(history: list[DeviceCommand]) -> None:
    state = after(register())
    for command in history:
        try:
            facts = decide(state, command)
        except Conflict:
            continue
        state = fold(facts, state) or state
        if state.retired is None or isinstance(command, RetireDevice | Unsubscribe | OptOut):
            assert decide(state, command) == []
