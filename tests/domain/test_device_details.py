"""Custom properties one by one, the badge, and reports of use."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from tocsin.domain import usage
from tocsin.domain.device import ChangeBadge, ClearProperties, RetireDevice, SetProperty, decide, evolve, fold
from tocsin.domain.entry import Fact
from tocsin.domain.errors import Conflict, Invalid
from tocsin.domain.events.device import (
    BadgeChanged,
    DeviceRegistered,
    DeviceRestored,
    DeviceRetired,
    DeviceUpdated,
    Retirement,
)
from tocsin.domain.events.usage import UsageReported
from tocsin.domain.personal import Personal, erased
from tocsin.domain.properties import property_value, term, terms, type_of
from tocsin.domain.rules import OutOfPlace
from tocsin.domain.usage import ReportUsage

DEVICE = UUID("11111111-1111-4111-8111-111111111111")
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
REGISTERED = DeviceRegistered(platform="android", properties=Personal(DEVICE, {"floor": 3}))


def told(*commands: Any, state: Any = None) -> Any:
    state = state or evolve(None, REGISTERED)
    for command in commands:
        state = fold(decide(state, command), state)
    return state


def setting(name: str, value: object, kind: str = "string") -> SetProperty:
    return SetProperty(device_id=DEVICE, name=name, type=kind, value=value)


def test_a_property_is_set_beside_those_that_are_there() -> None:
    [fact] = decide(evolve(None, REGISTERED), setting("city", "Oxford", "enum"))
    assert fact == DeviceUpdated(
        properties=Personal(DEVICE, {"floor": 3, "city": "Oxford"}), property_types=Personal(DEVICE, {"city": "enum"})
    )


def test_a_property_that_has_the_value_already_is_no_event() -> None:
    state = told(setting("age", 30, "integer"))
    assert decide(state, setting("age", 30, "integer")) == []
    assert decide(state, setting("age", 30, "float")) != []
    assert decide(state, setting("unknown", None)) == []


def test_a_property_is_taken_away_by_null_and_all_of_them_at_once() -> None:
    state = told(setting("city", "Oxford", "enum"), setting("city", None))
    assert (state.properties.value, state.property_types.value) == ({"floor": 3}, {})
    gone = told(ClearProperties(), state=state)
    assert (gone.properties, gone.property_types) == (None, None)
    assert decide(gone, ClearProperties()) == []


def test_properties_of_an_erased_device_are_not_read() -> None:
    state = evolve(None, DeviceRegistered(platform="android", properties=erased(DEVICE)))
    assert decide(state, ClearProperties()) == []


@pytest.mark.parametrize(
    ("kind", "value", "kept"),
    [
        ("string", "x", "x"),
        ("string", "", ""),
        ("enum", "red", "red"),
        ("boolean", False, False),
        ("integer", -(2**63), -(2**63)),
        ("float", 3, 3.0),
        ("float", -1999.95, -1999.95),
        ("enum_list", ["a", "b", "a"], ["a", "b"]),
        ("enum_list", [], []),
    ],
)
def test_a_value_is_kept_as_its_type_has_it(kind: str, value: object, kept: object) -> None:
    found = property_value("name", kind, value)
    assert found == kept
    assert type(found) is type(kept)


@pytest.mark.parametrize(
    ("name", "kind", "value", "field"),
    [
        ("", "string", "x", "name"),
        ("x" * 256, "string", "x", "name"),
        ("x", "date", "2026-01-01", "type"),
        ("x", "string", 1, "value"),
        ("x", "string", "x" * 1001, "value"),
        ("x", "string", "\0", "value"),
        ("x", "boolean", 1, "value"),
        ("x", "integer", True, "value"),
        ("x", "integer", 1.5, "value"),
        ("x", "integer", 2**63, "value"),
        ("x", "float", float("nan"), "value"),
        ("x", "float", "1.5", "value"),
        ("x", "enum_list", "a", "value"),
        ("x", "enum_list", ["a", 1], "value"),
        ("x", "enum_list", ["a"] * 101, "value"),
    ],
)
def test_a_value_of_another_type_is_refused(name: str, kind: str, value: object, field: str) -> None:
    with pytest.raises(Invalid) as refusal:
        property_value(name, kind, value)
    assert refusal.value.facts["field"] == field


def test_properties_too_large_for_a_device_are_refused() -> None:
    state = told(*(setting(f"p{number}", "x" * 1000) for number in range(4)))
    with pytest.raises(Invalid) as refusal:
        decide(state, setting("p4", "x" * 100))
    assert refusal.value.facts["field"] == "properties"


def test_a_term_tells_values_apart_as_json_does() -> None:
    assert term("n", 1) == term("n", 1.0) != term("n", True)
    assert term("n", "1") != term("n", 1)
    assert terms({"a": ["x", "y"], "b": 2, "c": None, "d": {"no": 1}}) == {term("a", "x"), term("a", "y"), term("b", 2)}


def test_a_value_without_a_type_has_the_one_it_looks_like() -> None:
    values: list[object] = ["a", True, 1, 1.5, ["a"]]
    assert [type_of(value) for value in values] == ["string", "boolean", "integer", "float", "enum_list"]


@pytest.mark.parametrize(
    ("asked", "current", "badge"),
    [({"badge": 12}, 6, 12), ({"change": 1}, 6, 7), ({"change": -9}, 6, 0), ({"change": 5}, 2**31 - 2, 2**31 - 1)],
)
def test_a_badge_is_set_or_changed_but_not_below_zero(asked: dict[str, int], current: int, badge: int) -> None:
    [fact] = decide(evolve(None, REGISTERED), ChangeBadge(**asked, current=current))
    assert fact == BadgeChanged(badge=badge, change=asked.get("change"))


def test_a_badge_that_is_as_it_was_is_no_event() -> None:
    state = evolve(None, REGISTERED)
    assert decide(state, ChangeBadge(badge=0)) == []
    assert decide(state, ChangeBadge(change=-1)) == []
    assert evolve(state, BadgeChanged(badge=1)) == state


@pytest.mark.parametrize(
    "asked", [{}, {"badge": 1, "change": 1}, {"badge": -1}, {"badge": 2**31}, {"badge": True}, {"change": 2**31}]
)
def test_a_badge_that_cannot_be_is_refused(asked: dict[str, Any]) -> None:
    with pytest.raises(Invalid):
        decide(evolve(None, REGISTERED), ChangeBadge(**asked))


@pytest.mark.parametrize("command", [setting("a", "b"), ClearProperties(), ChangeBadge(badge=1)])
def test_a_retired_device_has_to_register_first(command: Any) -> None:
    with pytest.raises(Conflict):
        decide(told(RetireDevice()), command)


def test_a_device_that_was_replaced_comes_back_with_its_token_and_tags() -> None:
    from tocsin.domain.device import RegisterDevice, Subscribe

    token = Personal(DEVICE, "token")
    state = evolve(None, DeviceRegistered(platform="android", token=token, token_scope="7"))
    state = told(Subscribe(tag="staff"), RetireDevice(reason=Retirement.REPLACED), state=state)
    assert state.tags == {"staff"}
    back = decide(state, RegisterDevice(platform="android", token=token))
    assert back == [DeviceRestored()]
    assert decide(evolve(None, REGISTERED), RetireDevice(reason=Retirement.REPLACED)) == [
        DeviceRetired(reason=Retirement.REPLACED)
    ]


def test_a_token_scope_is_fixed_by_the_first_registration() -> None:
    from tocsin.domain.device import RegisterDevice

    [fact] = decide(None, RegisterDevice(platform="android", token_scope="7"))
    assert isinstance(fact, DeviceRegistered)
    assert evolve(None, fact).token_scope == "7"
    with pytest.raises(Invalid):
        decide(None, RegisterDevice(platform="android", token_scope="x" * 65))


def report(**members: Any) -> ReportUsage:
    return ReportUsage(**{"device_id": DEVICE, "now": NOW, **members})


def test_a_report_says_what_was_told_and_a_place_is_personal() -> None:
    [fact] = usage.decide(None, report(opened=NOW, latitude=51.75, longitude=-1))
    place = Personal(DEVICE, {"latitude": 51.75, "longitude": -1.0})
    assert fact == UsageReported(device_id=DEVICE, opened=NOW, place=place)
    assert usage.decide(usage.fold([fact]), report(opened=NOW)) == []


@pytest.mark.parametrize(
    ("members", "field"),
    [
        ({}, "opened"),
        ({"opened": NOW.replace(tzinfo=None)}, "opened"),
        ({"latitude": 91, "longitude": 0}, "latitude"),
        ({"latitude": 1}, "longitude"),
        ({"latitude": 1, "longitude": 180.5}, "longitude"),
        ({"latitude": True, "longitude": 1}, "latitude"),
        ({"latitude": float("nan"), "longitude": 1}, "latitude"),
        ({"latitude": float("inf"), "longitude": 1}, "latitude"),
        ({"latitude": 1, "longitude": -(10**400)}, "longitude"),
    ],
)
def test_a_report_that_cannot_be_is_refused(members: dict[str, Any], field: str) -> None:
    with pytest.raises(Invalid) as refusal:
        usage.decide(None, report(**members))
    assert refusal.value.facts["field"] == field


def test_the_same_report_stands_in_the_same_stream_and_a_registration_once_a_day() -> None:
    later = NOW + timedelta(hours=1)
    assert usage.stream_id(report(opened=NOW)) == usage.stream_id(report(opened=NOW, now=later))
    assert usage.stream_id(report(registered=NOW)) == usage.stream_id(report(registered=later))
    ids = [
        usage.stream_id(told)
        for told in (
            report(opened=NOW),
            report(closed=NOW),
            report(registered=NOW),
            report(registered=NOW + timedelta(days=1)),
            report(latitude=1, longitude=1),
            report(latitude=1, longitude=1, now=later),
        )
    ]
    assert len(set(ids)) == len(ids)


def test_a_usage_stream_holds_one_report() -> None:
    reported: Fact = UsageReported(device_id=DEVICE, opened=NOW)
    with pytest.raises(OutOfPlace):
        usage.fold([reported, reported])
    with pytest.raises(OutOfPlace):
        usage.evolve(None, REGISTERED)
