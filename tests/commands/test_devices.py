"""Registering devices: which device is meant, and what happens to a token that somebody else had."""

from __future__ import annotations

import threading
from uuid import UUID, uuid4

import pytest

from tocsin.commands.context import Context
from tocsin.commands.devices import (
    DeviceResult,
    Registration,
    change_device,
    load_device,
    register_device,
    register_devices,
    update_device,
)
from tocsin.commands.engine import Engine
from tocsin.domain.device import RetireDevice, Subscribe
from tocsin.domain.errors import Conflict, Invalid, NotFound, TocsinError
from tocsin.domain.events.device import Retirement

TOKEN = "a1" * 32
OTHER = "b2" * 32


def ios(**members: object) -> Registration:
    return Registration(platform="ios", **{"token": TOKEN, **members})  # type: ignore[arg-type]


def registered(engine: Engine, context: Context, app_id: UUID, **members: object) -> DeviceResult:
    return register_device(engine, context, app_id, ios(**members)).result


def test_the_same_registration_again_is_no_event(engine: Engine, context: Context, app_id: UUID) -> None:
    first = register_device(engine, context, app_id, ios(user="ada", tags=("staff",)))
    again = register_device(engine, context, app_id, ios(user="ada", tags=("staff",)))
    assert first.result.created
    assert not again.changed
    assert again.result.device_id == first.result.device_id
    assert engine.record.head().position == first.position


def test_a_token_moves_to_the_device_that_reports_it_last(engine: Engine, context: Context, app_id: UUID) -> None:
    old = registered(engine, context, app_id, external_id="phone-1")
    new = registered(engine, context, app_id, external_id="phone-2")
    loser = load_device(engine, app_id, old.device_id).state
    assert loser is not None
    assert loser.retired is Retirement.TOKEN_MOVED
    assert new.device_id != old.device_id
    found = registered(engine, context, app_id)
    assert found.device_id == new.device_id


def test_a_token_a_device_gave_up_is_free_for_another(engine: Engine, context: Context, app_id: UUID) -> None:
    first = registered(engine, context, app_id)
    update_device(engine, context, app_id, first.device_id, token=OTHER)
    second = registered(engine, context, app_id)
    assert second.device_id != first.device_id
    kept = load_device(engine, app_id, first.device_id).state
    assert kept is not None
    assert kept.retired is None


def test_one_batch_may_move_one_token_twice(engine: Engine, context: Context, app_id: UUID) -> None:
    lines = [ios(external_id=name) for name in ("one", "two", "three")]
    results = register_devices(engine, context, app_id, lines).result
    devices = [result.device.device_id for result in results if result.device]
    states = [load_device(engine, app_id, device).state for device in devices]
    assert [state.retired is not None for state in states if state] == [True, True, False]
    assert registered(engine, context, app_id).device_id == devices[2]


def test_a_refused_line_leaves_nothing_and_the_others_are_carried_out(
    engine: Engine, context: Context, app_id: UUID
) -> None:
    lines = [ios(), Registration(platform="ios", token="not hexadecimal"), ios(token=OTHER, tags=("bad\ttag",))]
    done = register_devices(engine, context, app_id, lines)
    assert [result.error is None for result in done.result] == [True, False, False]
    assert all(isinstance(result.error, Invalid) for result in done.result[1:])
    assert done.position == engine.record.head().position
    assert registered(engine, context, app_id, token=OTHER).created


def test_a_retired_device_comes_back_when_it_registers(engine: Engine, context: Context, app_id: UUID) -> None:
    device = registered(engine, context, app_id)
    change_device(engine, context, app_id, device.device_id, RetireDevice())
    back = registered(engine, context, app_id)
    assert back.device_id == device.device_id
    assert back.device.retired is None


def test_another_apps_device_id_is_not_found_and_cannot_be_taken(
    engine: Engine, context: Context, app_id: UUID
) -> None:
    from tocsin.commands.apps import create_app

    device = registered(engine, context, app_id)
    other = create_app(engine, context, "Other").result.app_id
    position = engine.record.head().position
    with pytest.raises(NotFound):
        change_device(engine, context, other, device.device_id, Subscribe(tag="staff"))
    with pytest.raises(Conflict):
        register_device(engine, context, other, ios(device_id=device.device_id))
    with pytest.raises(NotFound):
        change_device(engine, context, app_id, app_id, Subscribe(tag="staff"))
    assert engine.record.head().position == position


def test_an_unknown_app_takes_no_devices(engine: Engine, context: Context) -> None:
    with pytest.raises(NotFound):
        register_device(engine, context, uuid4(), ios())
    assert engine.record.head().position == 0


def test_racing_registrations_of_one_token_end_with_one_device(engine: Engine, context: Context, app_id: UUID) -> None:
    found: list[UUID | TocsinError] = []

    def register() -> None:
        try:
            found.append(registered(engine, Context(context.actor), app_id).device_id)
        except TocsinError as error:
            found.append(error)

    threads = [threading.Thread(target=register) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(found)) == 1


def test_racing_registrations_of_one_users_devices_share_the_users_key(
    engine: Engine, context: Context, app_id: UUID
) -> None:
    failures: list[BaseException] = []

    def register(number: int) -> None:
        try:
            registered(engine, Context(context.actor), app_id, token=f"{number:064x}", user="grace")
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=register, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
