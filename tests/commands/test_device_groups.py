"""Tokens that several users share, groups that hold so many devices, and what is noted of a device besides."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from tocsin.commands.claims import claims_of
from tocsin.commands.context import Context
from tocsin.commands.devices import (
    DeviceResult,
    Registration,
    change_badge,
    change_device,
    change_devices,
    load_device,
    register_device,
    register_devices,
    update_device,
)
from tocsin.commands.engine import Engine
from tocsin.commands.usage import report_usage
from tocsin.domain.device import Device, RetireDevice, SetProperty, Unsubscribe
from tocsin.domain.errors import Conflict, Invalid, NotFound
from tocsin.domain.events.device import BadgeChanged, Retirement
from tocsin.domain.events.usage import UsageReported

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def android(token: str = "token", **members: object) -> Registration:
    return Registration(platform="android", token=token, **members)  # type: ignore[arg-type]


def registered(engine: Engine, context: Context, app_id: UUID, token: str = "token", **members: object) -> DeviceResult:
    return register_device(engine, Context(context.actor), app_id, android(token, **members)).result


def state_of(engine: Engine, app_id: UUID, device_id: UUID) -> Device:
    state = load_device(engine, app_id, device_id).state
    assert state is not None
    return state


def test_in_two_scopes_one_token_is_two_devices(engine: Engine, context: Context, app_id: UUID) -> None:
    ada = registered(engine, context, app_id, user="ada", token_scope="1")
    ben = registered(engine, context, app_id, user="ben", token_scope="2")
    both = registered(engine, context, app_id)
    assert len({ada.device_id, ben.device_id, both.device_id}) == 3
    for device in (ada, ben, both):
        assert state_of(engine, app_id, device.device_id).retired is None
    assert registered(engine, context, app_id, user="ada", token_scope="1").device_id == ada.device_id


def test_a_scoped_token_moves_within_its_scope_alone(engine: Engine, context: Context, app_id: UUID) -> None:
    first = registered(engine, context, app_id, token_scope="1", external_id="a")
    other = registered(engine, context, app_id, token_scope="2")
    second = registered(engine, context, app_id, token_scope="1", external_id="b")
    assert state_of(engine, app_id, first.device_id).retired is Retirement.TOKEN_MOVED
    assert state_of(engine, app_id, other.device_id).retired is None
    assert state_of(engine, app_id, second.device_id).retired is None


def test_a_device_that_is_changed_keeps_its_tokens_scope(engine: Engine, context: Context, app_id: UUID) -> None:
    ada = registered(engine, context, app_id, token_scope="1")
    ben = registered(engine, context, app_id, "other", token_scope="1")
    update_device(engine, Context(context.actor), app_id, ben.device_id, token="token")
    assert state_of(engine, app_id, ada.device_id).retired is Retirement.TOKEN_MOVED
    again = register_device(engine, Context(context.actor), app_id, android("third", device_id=ben.device_id))
    assert again.result.device.token_scope == "1"
    assert registered(engine, context, app_id, "third", token_scope="1").device_id == ben.device_id


def test_a_device_named_without_its_scope_takes_a_token_from_the_scope(
    engine: Engine, context: Context, app_id: UUID
) -> None:
    ada = registered(engine, context, app_id, token_scope="1")
    ben = registered(engine, context, app_id, "other", token_scope="1")
    register_device(engine, Context(context.actor), app_id, android("token", device_id=ben.device_id))
    assert state_of(engine, app_id, ada.device_id).retired is Retirement.TOKEN_MOVED


def test_scoped_claims_follow_from_the_record(engine: Engine, context: Context, app_id: UUID) -> None:
    device = registered(engine, context, app_id, token_scope="1")
    for claim in claims_of(engine, engine.record.load(device.device_id)):
        assert engine.record.owner(app_id, claim.kind, claim.digest) == device.device_id


def test_the_oldest_device_of_a_full_group_is_retired(engine: Engine, context: Context, app_id: UUID) -> None:
    devices = [
        registered(engine, context, app_id, f"t{number}", user="ada", group="phones", group_limit=2)
        for number in range(3)
    ]
    retired = [state_of(engine, app_id, device.device_id).retired for device in devices]
    assert retired == [Retirement.REPLACED, None, None]


def test_groups_of_other_users_and_names_are_apart(engine: Engine, context: Context, app_id: UUID) -> None:
    for number, (user, name) in enumerate([("ada", "phones"), ("ben", "phones"), ("ada", "pads")]):
        registered(engine, context, app_id, f"t{number}", user=user, group=name, group_limit=1)
    first = registered(engine, context, app_id, "t0", user="ada", group="phones", group_limit=1)
    assert not first.changed
    assert first.device.retired is None


def test_a_retired_member_makes_room_and_returns_as_the_youngest(
    engine: Engine, context: Context, app_id: UUID
) -> None:
    group = {"user": "ada", "group": "phones", "group_limit": 2}
    one, two = (registered(engine, context, app_id, token, **group) for token in ("t1", "t2"))
    change_device(engine, Context(context.actor), app_id, one.device_id, RetireDevice())
    three = registered(engine, context, app_id, "t3", **group)
    assert state_of(engine, app_id, two.device_id).retired is None
    change_device(engine, Context(context.actor), app_id, two.device_id, RetireDevice())
    assert registered(engine, context, app_id, "t2", **group).device_id == two.device_id
    registered(engine, context, app_id, "t4", **group)
    assert state_of(engine, app_id, three.device_id).retired is Retirement.REPLACED
    assert state_of(engine, app_id, two.device_id).retired is None


def test_a_device_that_went_to_another_user_is_no_member(engine: Engine, context: Context, app_id: UUID) -> None:
    group = {"group": "phones", "group_limit": 1}
    one = registered(engine, context, app_id, "t1", user="ada", **group)
    registered(engine, context, app_id, "t1", user="ben", **group)
    registered(engine, context, app_id, "t2", user="ada", **group)
    assert state_of(engine, app_id, one.device_id).retired is None


def test_one_batch_may_fill_a_group(engine: Engine, context: Context, app_id: UUID) -> None:
    lines = [android(f"t{number}", user="ada", group="phones", group_limit=2) for number in range(5)]
    results = register_devices(engine, context, app_id, lines).result
    devices = [result.device.device_id for result in results if result.device]
    retired = [state_of(engine, app_id, device).retired is not None for device in devices]
    assert retired == [True, True, True, False, False]


def test_racing_registrations_never_overfill_a_group(engine: Engine, context: Context, app_id: UUID) -> None:
    found: list[UUID] = []

    def register(number: int) -> None:
        group = {"user": "ada", "group": "phones", "group_limit": 3}
        found.append(registered(engine, context, app_id, f"t{number}", **group).device_id)

    threads = [threading.Thread(target=register, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert sum(state_of(engine, app_id, device).retired is None for device in found) == 3


@pytest.mark.parametrize("members", [{"user": None}, {"group": ""}, {"group_limit": 0}])
def test_a_group_that_cannot_be_joined_leaves_nothing(
    engine: Engine, context: Context, app_id: UUID, members: dict[str, object]
) -> None:
    position = engine.record.head().position
    refused = android(**{"user": "ada", "group": "phones", **members})
    results = register_devices(engine, context, app_id, [refused]).result
    assert isinstance(results[0].error, Invalid)
    assert engine.record.head().position == position


def test_tags_for_new_devices_are_not_added_again(engine: Engine, context: Context, app_id: UUID) -> None:
    device = registered(engine, context, app_id, tags_when_new=("all",), tags=("staff",))
    assert device.device.tags == {"all", "staff"}
    change_device(engine, Context(context.actor), app_id, device.device_id, Unsubscribe(tag="all"))
    assert registered(engine, context, app_id, tags_when_new=("all",)).device.tags == {"staff"}
    change_device(engine, Context(context.actor), app_id, device.device_id, RetireDevice())
    assert registered(engine, context, app_id, tags_when_new=("all",)).device.tags == {"all"}


def test_a_registration_that_changes_nothing_is_noted_once_a_day(
    engine: Engine, context: Context, app_id: UUID
) -> None:
    today = Engine(engine.record, lambda: NOW)
    registered(today, context, app_id, seen=True)
    position = engine.record.head().position
    registered(today, context, app_id, seen=True)
    assert engine.record.head().position == position
    tomorrow = Engine(engine.record, lambda: NOW + timedelta(days=1))
    again = registered(tomorrow, context, app_id, seen=True)
    assert not again.changed
    [noted] = engine.record.codec.decode(engine.record.read(position, 10))
    assert noted.fact == UsageReported(device_id=again.device_id, registered=NOW + timedelta(days=1))
    assert noted.root_id == again.device_id


def test_a_report_of_use_is_told_once_and_of_a_device_that_is_ours(
    engine: Engine, context: Context, app_id: UUID
) -> None:
    device = registered(engine, context, app_id).device_id
    first = report_usage(engine, context, app_id, device, opened=NOW, latitude=51.75, longitude=-1.25)
    assert first.changed
    assert report_usage(engine, Context(context.actor), app_id, device, closed=NOW).changed
    assert not report_usage(engine, Context(context.actor), app_id, device, closed=NOW).changed
    with pytest.raises(NotFound):
        report_usage(engine, context, app_id, uuid4(), opened=NOW)
    with pytest.raises(Invalid):
        report_usage(engine, context, app_id, device, latitude=100, longitude=0)


def test_a_property_is_set_by_a_command_of_its_device(engine: Engine, context: Context, app_id: UUID) -> None:
    device = registered(engine, context, app_id).device_id
    setting = SetProperty(device_id=device, name="city", type="enum", value="Oxford")
    done = change_device(engine, context, app_id, device, setting)
    assert done.result.device.properties is not None
    assert done.result.device.properties.value == {"city": "Oxford"}


def test_changes_to_a_badge_add_up_however_far_behind_the_read_models_are(
    engine: Engine, context: Context, app_id: UUID
) -> None:
    device = registered(engine, context, app_id).device_id
    actor = context.actor

    def change(number: int, shown: tuple[int, int]) -> int:
        done = change_badge(engine, Context(actor), app_id, device, change=number, shown=lambda: shown)
        assert done.changed
        fact = load_device(engine, app_id, device).entries[-1].fact
        assert isinstance(fact, BadgeChanged)
        return fact.badge

    assert [change(2, (0, 0)), change(1, (0, 0)), change(1, (0, 0))] == [2, 3, 4]
    assert change(-1, (engine.record.head().position + 1, 9)) == 8
    assert not change_badge(engine, Context(actor), app_id, device, badge=8, shown=lambda: (0, 0)).changed


def test_one_command_changes_many_devices_of_one_app(engine: Engine, context: Context, app_id: UUID) -> None:
    from tocsin.commands.apps import create_app

    other = create_app(engine, Context(context.actor), "Other").result.app_id
    ours = [registered(engine, context, app_id, f"t{number}", tags=("staff",)).device_id for number in range(3)]
    theirs = registered(engine, context, other, tags=("staff",)).device_id
    done = change_devices(engine, context, app_id, [*ours, theirs, uuid4()], Unsubscribe(tag="staff"))
    assert done.result == 3
    assert not any(state_of(engine, app_id, device).tags for device in ours)
    assert state_of(engine, other, theirs).tags == {"staff"}
    assert change_devices(engine, Context(context.actor), app_id, [], Unsubscribe(tag="staff")).result == 0


def test_a_device_of_another_platform_is_not_registered_under_an_id(
    engine: Engine, context: Context, app_id: UUID
) -> None:
    registered(engine, context, app_id, external_id="phone")
    with pytest.raises(Conflict):
        register_device(engine, context, app_id, Registration(platform="web", external_id="phone"))
