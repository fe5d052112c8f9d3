"""What the read model of devices answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest
from history import History
from msgspec.structs import replace
from psycopg import Connection

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
from tocsin.domain.personal import Personal
from tocsin.projections.devices import (
    DeviceFilter,
    device,
    device_by_external_id,
    device_by_number,
    device_by_token,
    list_devices,
    tag_counts,
    token_digest,
)

Project = Callable[..., None]


def registered(device_id: UUID, user: str = "alice", platform: str = "ios") -> DeviceRegistered:
    return DeviceRegistered(
        platform=platform,
        token=Personal(device_id, f"token of {device_id}"),
        user=Personal(UUID(int=hash(user) & 2**64 - 1), user),
        alias=Personal(device_id, f"phone of {user}"),
        phone=Personal(device_id, "+1 555 0100"),
        properties=Personal(device_id, {"floor": 3}),
        external_id=f"id-{device_id}",
        environment="production",
        attributes={"model": "iPhone17,1", "beta": True},
    )


def test_a_device_is_found_by_everything_it_is_known_by(
    history: History, project: Project, connection: Connection[Any]
) -> None:
    device_id = uuid4()
    position = history.append(device_id, registered(device_id))
    project("devices")
    found = device(connection, history.app_id, device_id)
    assert found is not None
    digest = history.record.keyring.digest
    by_token = token_digest(digest, "apns", f"token of {device_id}")
    assert found == device_by_number(connection, history.app_id, position)
    assert found == device_by_token(connection, history.app_id, by_token)
    assert found == device_by_external_id(connection, history.app_id, f"id-{device_id}")
    assert (found.provider, found.phone, found.properties) == ("apns", "+1 555 0100", {"floor": 3})
    assert (found.user_name, found.user_digest) == ("alice", digest("user", "alice"))
    assert (found.alias, found.alias_digest) == ("phone of alice", digest("alias", "phone of alice"))
    assert (found.state, found.created_position, found.attributes["beta"]) == ("active", position, True)
    assert device(connection, uuid4(), device_id) is None, "another app's"


def test_a_device_is_what_its_events_made_of_it(
    history: History, project: Project, connection: Connection[Any]
) -> None:
    device_id = uuid4()
    history.append(device_id, registered(device_id), Subscribed(tag="staff"), Subscribed(tag="floor:3"))
    project("devices")
    history.append(
        device_id,
        DeviceUpdated(alias=None, attributes={"beta": None, "model": "iPhone18,1"}, environment="development"),
        TokenChanged(token=Personal(device_id, "another")),
        Unsubscribed(tag="floor:3"),
        OptedOut(),
    )
    project("devices")
    found = device(connection, history.app_id, device_id)
    assert found is not None
    assert (found.alias, found.alias_digest, found.user_name) == (None, None, "alice")
    assert (found.attributes, found.environment) == ({"model": "iPhone18,1"}, "development")
    assert (found.token, found.tags, found.state) == ("another", ["staff"], "opted_out")
    history.append(device_id, DeviceRetired(reason=Retirement.UNREGISTERED))
    project("devices")
    retired = device(connection, history.app_id, device_id)
    assert retired is not None
    assert (retired.state, retired.retired, retired.position) == ("retired", "unregistered", history.position)
    history.append(device_id, DeviceRestored(), OptedIn())
    project("devices")
    restored = device(connection, history.app_id, device_id)
    assert restored is not None
    assert (restored.state, restored.retired) == ("active", None)


def test_tags_count_the_devices_that_are_not_retired(
    history: History, project: Project, connection: Connection[Any]
) -> None:
    ids = [uuid4() for _ in range(5)]
    for device_id in ids:
        history.append(device_id, registered(device_id), Subscribed(tag="staff"), Subscribed(tag="floor:3"))
    project("devices")
    assert tag_counts(connection, history.app_id) == {"staff": 5, "floor:3": 5}
    history.append(ids[0], DeviceRetired(reason=Retirement.UNREGISTERED))
    for device_id in ids[1:]:
        history.append(device_id, Unsubscribed(tag="floor:3"))
    project("devices")
    assert tag_counts(connection, history.app_id) == {"staff": 4}
    history.append(ids[0], DeviceRestored())
    project("devices")
    assert tag_counts(connection, history.app_id, ["floor:3", "none"]) == {"floor:3": 1}


@pytest.mark.parametrize("wanted", [DeviceFilter(), DeviceFilter(tag="staff"), DeviceFilter(alias="PHONE OF ALICE")])
def test_pages_hold_every_device_once_in_the_order_of_registration(
    history: History, project: Project, connection: Connection[Any], wanted: DeviceFilter
) -> None:
    ids = [uuid4() for _ in range(25)]
    history.append_each((device_id, registered(device_id, "alice")) for device_id in ids)
    for device_id in reversed(ids):
        history.append(device_id, Subscribed(tag="staff"))
    other = uuid4()
    history.append(other, registered(other, "alice"), Subscribed(tag="staff"), app=uuid4())
    project("devices")
    seen, after = [], 0
    while True:
        found = list_devices(connection, history.app_id, wanted, after=after, limit=10)
        seen += [row.device_id for row in found.items]
        if found.next is None:
            break
        after = found.next
    assert seen == ids


def test_a_list_is_narrowed_by_platform_user_alias_tag_and_state(
    history: History, project: Project, connection: Connection[Any]
) -> None:
    alice, bob, robot = uuid4(), uuid4(), uuid4()
    of_bob = history.user("bob")
    history.append(alice, registered(alice, "alice"), Subscribed(tag="staff"))
    history.append(bob, replace(registered(bob, "bob"), user=of_bob), Subscribed(tag="staff"), OptedOut())
    history.append(robot, replace(registered(robot, "bob", "android"), user=of_bob))
    project("devices")
    digest = history.record.keyring.digest

    def found(**wanted: Any) -> set[UUID]:
        return {row.device_id for row in list_devices(connection, history.app_id, DeviceFilter(**wanted)).items}

    assert found(platform="android") == {robot}
    assert found(user_digest=digest("user", "bob")) == {bob, robot}
    assert found(alias_digest=digest("alias", "phone of alice")) == {alice}
    assert found(tag="staff") == {alice, bob}
    assert found(tag="staff", state="opted_out") == {bob}
    assert found(state="retired") == set()
