"""What devices told of their use, and devices found by what the APIs know them by."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from history import History, like_each_other
from psycopg import Connection

from tocsin.domain.entry import Actor
from tocsin.domain.errors import Invalid
from tocsin.domain.events.device import (
    DeviceRegistered,
    DeviceRestored,
    DeviceRetired,
    DeviceUpdated,
    OptedOut,
    Retirement,
    Subscribed,
    TokenChanged,
)
from tocsin.domain.events.usage import UsageReported
from tocsin.domain.events.user import UserCreated, UserErased
from tocsin.domain.personal import Personal
from tocsin.projections import devices
from tocsin.projections.devices import DeviceFilter, token_digest
from tocsin.projections.fingerprint import fingerprint
from tocsin.projections.pages import Term
from tocsin.projections.rebuild import rebuild
from tocsin.projections.usage import usage

Project = Callable[..., None]
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
LATER = NOW + timedelta(minutes=1)


def place(device_id: UUID, latitude: float) -> Personal:
    return Personal(device_id, {"latitude": latitude, "longitude": 1.0})


def test_of_all_reports_the_newest_of_each_kind_is_known(
    history: History, project: Project, connection: Connection[Any]
) -> None:
    device_id = uuid4()
    for members in (
        {"registered": NOW},
        {"opened": LATER, "place": place(device_id, 51.5)},
        {"opened": NOW, "closed": LATER},
        {"place": place(device_id, 52.5)},
        {"closed": NOW},
    ):
        history.append(uuid4(), UsageReported(device_id=device_id, **members), root=device_id)
        project("usage")
    found = usage(connection, [device_id, uuid4()])
    assert set(found) == {device_id}
    told = found[device_id]
    assert (told.registered_at, told.opened_at, told.closed_at) == (NOW, LATER, LATER)
    assert (told.latitude, told.longitude) == (52.5, 1.0)


def test_where_an_erased_person_was_is_forgotten(
    history: History, project: Project, connection: Connection[Any]
) -> None:
    device_id, user = uuid4(), uuid4()
    history.append(uuid4(), UsageReported(device_id=device_id, opened=NOW, place=place(device_id, 51.5)))
    history.append(user, UserCreated(name=Personal(user, "ada")))
    project("usage")
    history.append(user, UserErased(devices=(device_id,)))
    with history.record.sessions.connection() as session:
        history.record.keyring.destroy(session, [device_id, user])
    project("usage")
    told = usage(connection, [device_id])[device_id]
    assert (told.latitude, told.longitude, told.opened_at) == (None, None, NOW)
    live = fingerprint(connection, "usage")
    rebuild(history.record, ["usage"], processes=1)
    assert fingerprint(connection, "usage") == live


def registered(device_id: UUID, **members: Any) -> DeviceRegistered:
    return DeviceRegistered(**{"platform": "ios", "token": Personal(device_id, f"token {device_id}"), **members})


def other() -> Actor:
    return Actor(principal="credential:1", dialect="other")


def test_a_device_is_found_by_its_short_id_and_its_scoped_token(
    history: History, project: Project, connection: Connection[Any]
) -> None:
    one, two = uuid4(), uuid4()
    history.append(one, registered(one, token=Personal(one, "t"), token_scope="7"), actor=other())
    history.append(two, registered(two, token=Personal(two, "t")))
    project("devices")
    digest, app_id = history.record.keyring.digest, history.app_id
    handles = history.record.handles
    found = devices.device_by_handle(connection, app_id, handles, handles.of(one))
    assert found is not None
    assert (found.device_id, found.token_scope, found.through) == (one, "7", "other")
    assert devices.device_by_handle(connection, uuid4(), handles, handles.of(one)) is None
    wanted = [handles.of(one), handles.of(two), handles.of(one), handles.of(uuid4()), "nonsense"]
    rows = devices.devices_by_handle(connection, app_id, handles, wanted)
    assert {handle: row.device_id for handle, row in rows.items()} == {handles.of(one): one, handles.of(two): two}
    assert devices.devices_by_handle(connection, app_id, handles, ["nonsense"]) == {}
    assert devices.device_by_handle(connection, None, handles, handles.of(one)) == found
    assert devices.device_by_number(connection, None, found.created_position) == found
    by_token = [
        devices.device_by_token(connection, app_id, token_digest(digest, "apns", "t", scope)) for scope in ("7", None)
    ]
    assert [row.device_id if row else None for row in by_token] == [one, two]
    assert devices.device_by_token(connection, app_id, token_digest(digest, "apns", "t", "8")) is None
    history.append(one, TokenChanged(token=Personal(one, "u")))
    project("devices")
    assert devices.device_by_token(connection, app_id, token_digest(digest, "apns", "u", "7")) is not None


def test_a_short_id_that_two_devices_share_finds_neither_and_never_another_apps(
    history: History, project: Project, connection: Connection[Any]
) -> None:
    handles, app_id, other = history.record.handles, history.app_id, uuid4()
    ours, alike = like_each_other(2)
    mine, theirs = like_each_other(2)
    for device_id, app in ((ours, app_id), (alike, app_id), (mine, app_id), (theirs, other)):
        history.append(device_id, registered(device_id), app=app)
    project("devices")
    shared, between = handles.of(ours), handles.of(mine)
    assert devices.device(connection, app_id, ours) is not None
    assert devices.device_by_handle(connection, app_id, handles, shared) is None
    assert devices.device_by_handle(connection, None, handles, between) is None
    found = devices.devices_by_handle(connection, app_id, handles, [shared, between])
    assert {handle: row.device_id for handle, row in found.items()} == {between: mine}
    assert set(devices.devices_by_handle(connection, None, handles, [shared, between])) == set()
    of_other = devices.device_by_handle(connection, other, handles, between)
    assert of_other is not None
    assert of_other.device_id == theirs


def test_devices_are_told_apart_by_whether_they_are_active_and_whether_they_were_removed(
    history: History, project: Project, connection: Connection[Any]
) -> None:
    ids = {name: uuid4() for name in ("active", "opted out", "dead", "removed", "erased")}
    ends = {
        "opted out": OptedOut(),
        "dead": DeviceRetired(reason=Retirement.UNREGISTERED),
        "removed": DeviceRetired(reason=Retirement.REQUESTED),
        "erased": DeviceRetired(reason=Retirement.ERASED),
    }
    for name, device_id in ids.items():
        history.append(device_id, registered(device_id), *([ends[name]] if name in ends else []))
    project("devices")

    def found(**wanted: bool) -> set[str]:
        rows = devices.slice_devices(connection, history.app_id, DeviceFilter(**wanted)).items
        return {name for name, device_id in ids.items() if device_id in {row.device_id for row in rows}}

    assert found(active=True) == {"active"}
    assert found(active=False, removed=False) == {"opted out", "dead"}
    assert found(removed=True) == {"removed", "erased"}
    assert found(removed=False) == {"active", "opted out", "dead"}


def test_many_devices_are_found_by_the_ids_clients_chose(
    history: History, project: Project, connection: Connection[Any]
) -> None:
    ids = {name: uuid4() for name in ("a", "b", "c")}
    for name, device_id in ids.items():
        history.append(device_id, registered(device_id, external_id=name))
    project("devices")
    found = devices.devices_by_external_id(connection, history.app_id, ["a", "c", "z"])
    assert {name: row.device_id for name, row in found.items()} == {"a": ids["a"], "c": ids["c"]}


def test_when_a_device_registered_is_told_from_when_it_was_changed(
    history: History, project: Project, connection: Connection[Any]
) -> None:
    device_id = uuid4()
    history.append(device_id, registered(device_id))

    def row() -> devices.Device:
        project("devices")
        found = devices.device(connection, history.app_id, device_id)
        assert found is not None
        return found

    first = row()
    history.append(device_id, DeviceUpdated(attributes={"a": 1}))
    changed = row()
    assert changed.registered_at == first.registered_at < changed.updated_at
    history.append(device_id, TokenChanged(token=Personal(device_id, "p"), source="provider"))
    assert row().registered_at == first.registered_at
    history.append(device_id, TokenChanged(token=Personal(device_id, "t")))
    renewed = row()
    assert renewed.registered_at == renewed.updated_at > first.registered_at
    history.append(device_id, DeviceRetired(reason=Retirement.REQUESTED), DeviceRestored(), actor=other())
    back = row()
    assert (back.through, back.registered_at) == ("other", back.updated_at)


def test_devices_are_listed_by_what_they_are_and_counted(
    history: History, project: Project, connection: Connection[Any]
) -> None:
    digest, app_id = history.record.keyring.digest, history.app_id
    ada, ben, cat = (uuid4() for _ in range(3))
    history.append(ada, registered(ada, alias=Personal(ada, "Ada@Example.org"), user=history.user("ada")))
    history.append(ben, registered(ben, platform="android", external_id="b"), actor=other())
    cut = history.append(cat, registered(cat), DeviceRetired(reason=Retirement.REQUESTED))
    project("devices")
    gone = devices.device(connection, app_id, cat)
    assert gone is not None
    assert gone.position == cut

    def found(offset: int = 0, limit: int = 9, **wanted: Any) -> tuple[list[UUID], int]:
        part = devices.slice_devices(connection, app_id, DeviceFilter(**wanted), offset=offset, limit=limit)
        return [row.device_id for row in part.items], part.total

    assert found() == ([ada, ben, cat], 3)
    assert found(offset=1, limit=1) == ([ben], 3)
    assert found(offset=3) == ([], 3)
    assert found(registered=True) == ([ada, ben], 2)
    assert found(registered=False) == ([cat], 1)
    assert found(alias="ADA@example.ORG") == ([ada], 1)
    assert found(through="other") == ([ben], 1)
    assert found(user_digest=digest("user", "ada")) == ([ada], 1)
    assert found(updated_since=gone.updated_at) == ([cat], 1)
    apple, google = Term("platform", "equals", "ios"), Term("platform", "equals", "android")
    assert found(matching=[[apple, google]]) == ([ada, ben, cat], 3)
    assert found(matching=[[apple], [google]]) == ([], 0)
    assert found(matching=[[Term("device", "contains", "b")]]) == ([ben], 1)
    with pytest.raises(Invalid):
        found(matching=[[Term("phone", "equals", "1")]])


def test_subscriptions_are_listed_by_device_and_tag(
    history: History, project: Project, connection: Connection[Any]
) -> None:
    digest, app_id = history.record.keyring.digest, history.app_id
    one, two, gone = (uuid4() for _ in range(3))
    for device_id, name, tags in ((one, "one", ("b", "a")), (two, "two", ("b",)), (gone, "gone", ("b",))):
        history.append(
            device_id,
            registered(device_id, external_id=name, user=history.user(f"user {name}")),
            *(Subscribed(tag=tag) for tag in tags),
        )
    history.append(gone, DeviceRetired(reason=Retirement.UNREGISTERED))
    project("devices")

    def found(**wanted: Any) -> tuple[list[tuple[str | None, str]], int]:
        part = devices.slice_subscriptions(connection, app_id, **wanted)
        return [(item.device.external_id, item.tag) for item in part.items], part.total

    assert found() == ([("one", "a"), ("one", "b"), ("two", "b")], 3)
    assert found(offset=1, limit=1) == ([("one", "b")], 3)
    assert found(device_id=two) == ([("two", "b")], 1)
    assert found(tag="a") == ([("one", "a")], 1)
    assert found(user_digest=digest("user", "user two")) == ([("two", "b")], 1)
    assert found(matching=[[Term("device", "contains", "tw"), Term("tag", "equals", "a")]]) == (
        [("one", "a"), ("two", "b")],
        2,
    )
    assert found(tag="b", device_id=one, matching=[[Term("platform", "equals", "android")]]) == ([], 0)
    assert found(but=("b",)) == ([("one", "a")], 1)
    assert found(has_user=False) == ([], 0)
    assert found(has_user=True)[1] == 3
    platform = devices.device(connection, app_id, one)
    assert platform is not None
    counts = {"a": {platform.platform: 1}, "b": {platform.platform: 2}}
    assert devices.tag_counts_by_platform(connection, app_id, ["a", "b", "c"]) == counts
