"""Devices: registered, found, changed; their badges, properties and use."""

from __future__ import annotations

import re
from typing import Any
from uuid import UUID, uuid4

import pytest
from patience import eventually

from dialects.twinpush.client import API, CREATOR, Client, refusal
from tocsin.api.services import Services
from tocsin.projections import devices

DATE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \+0000")
KEYS = {
    "id",
    "app_id",
    "type",
    "platform",
    "push_token",
    "alias_device",
    "language",
    "device_code",
    "device_model",
    "device_manufacturer",
    "app_version",
    "sdk_version",
    "os_version",
    "created_at",
    "updated_at",
    "last_registered_at",
}
TECHNICAL = {
    "language": "en_GB",
    "device_code": "iPad2",
    "device_model": "iPad 2",
    "device_manufacturer": "Apple",
    "app_version": "1.4.2",
    "sdk_version": "1.0",
    "os_version": "9.1",
}


def test_a_device_registers_with_all_it_knows_of_itself(client: Client) -> None:
    body = {"udid": uuid4().hex, "platform": "ios", "push_token": "a1" * 32, "alias_device": "techie4", **TECHNICAL}

    answer = client.post("devices/register", {**body, "os_name": "iOS", "bundle_identifier": "b", "os_version_code": 9})

    assert (answer.status_code, answer.content_type) == (200, "application/json")
    assert answer.json.keys() == {"objects", "references"}
    (device,) = answer.json["objects"]
    assert device.keys() == KEYS
    assert re.fullmatch("[a-z2-7]{16}", device["id"])
    assert (device["app_id"], device["type"]) == (client.app_id, "Device")
    assert {name: device[name] for name in body if name != "udid"} == {
        name: value for name, value in body.items() if name != "udid"
    }
    assert all(DATE.fullmatch(device[name]) for name in ("created_at", "updated_at", "last_registered_at"))


def test_it_is_shown_with_what_only_one_device_is_shown_with(client: Client) -> None:
    device = client.register(alias_device="ada")

    shown = client.get(f"devices/{device['id']}").json

    assert shown.keys() == KEYS | {"active", "registration_updated_at", "custom_properties", "objects", "references"}
    assert {name: shown[name] for name in ("id", "alias_device", "push_token", "active", "custom_properties")} == {
        "id": device["id"],
        "alias_device": "ada",
        "push_token": device["push_token"],
        "active": True,
        "custom_properties": {},
    }
    assert shown["objects"][0]["id"] == device["id"]


def test_the_same_udid_and_platform_is_the_same_device(client: Client) -> None:
    udid = uuid4().hex
    first = client.register(udid=udid, alias_device="ada")

    again = client.register(udid=udid, alias_device="bob")
    other = client.register(udid=udid, platform="huawei")

    assert (again["id"], again["alias_device"]) == (first["id"], "bob")
    assert other["id"] != first["id"]
    assert again["created_at"] == first["created_at"]


def test_what_is_absent_stays_and_what_is_empty_goes(client: Client) -> None:
    udid = uuid4().hex
    client.register(udid=udid, alias_device="ada", language="en_GB", app_version="1")

    client.post("devices/register", {"udid": udid, "platform": "android", "language": "", "app_version": None})
    kept = client.post("devices/register", {"udid": udid, "platform": "android"}).json["objects"][0]

    assert (kept["alias_device"], kept["language"], kept["app_version"]) == ("ada", None, None)
    assert kept["push_token"] == f"token-{udid}"
    gone = client.register(udid=udid, alias_device="", push_token="")
    assert (gone["alias_device"], gone["push_token"]) == (None, None)


@pytest.mark.parametrize("name", ["token", "regid", "pin"])
def test_clients_of_the_first_version_call_the_token_otherwise(client: Client, name: str) -> None:
    body = {"udid": uuid4().hex, "platform": "android", name: f"first-{name}"}

    answer = client.post("devices", body)

    assert answer.json["objects"][0]["push_token"] == f"first-{name}"


def test_a_token_of_apples_may_come_as_it_was_printed(client: Client) -> None:
    printed = "<" + " ".join(["0123ABCD"] * 8) + ">"

    device = client.register(platform="ios", push_token=printed)

    assert device["push_token"] == "0123ABCD" * 8


def test_a_known_device_renews_itself_by_its_id_or_its_number(client: Client, services: Services, app_id: UUID) -> None:
    device = client.register()
    body = {"push_token": "", "alias_device": "ada"}

    by_id = client.post("devices/register", {"device_id": device["id"], **body}).json["objects"][0]
    by_number = client.post("devices/register", {"device_id": number(services, app_id, device["id"])})
    by_put = client.call("PUT", f"devices/{device['id']}", {"alias_device": "bob"})

    assert (by_id["id"], by_id["push_token"], by_id["alias_device"]) == (device["id"], None, "ada")
    assert by_number.json["objects"][0]["alias_device"] == "ada"
    assert (by_put.status_code, by_put.json["objects"][0]["alias_device"]) == (200, "bob")


def test_a_device_nobody_knows_cannot_be_renewed(client: Client, stranger: Client) -> None:
    theirs = stranger.register()["id"]

    for unknown in ("a" * 16, "nonsense", "1", theirs, 7):
        answer = client.post("devices/register", {"device_id": unknown, "alias_device": "ada"})
        assert refusal(answer) == (404, "DeviceNotFound"), unknown


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"udid": "u"},
        {"platform": "ios"},
        {"udid": "u", "platform": "windows"},
        {"udid": "u" * 300, "platform": "ios"},
        {"udid": "u", "platform": "ios", "push_token": 7},
        {"udid": "u", "platform": "ios", "alias_device": ["ada"]},
        {"udid": "u", "platform": "ios", "language": {"a": 1}},
        {"udid": "u", "platform": "ios", "language": "l" * 300},
        {"udid": ["u"], "platform": "ios"},
    ],
)
def test_a_wrong_registration_leaves_nothing(client: Client, appends_nothing: Any, body: dict[str, Any]) -> None:
    with appends_nothing():
        answer = client.post("devices/register", body)

    assert refusal(answer) == (422, "DeviceNotCreated")


def test_a_wrong_renewal_is_named_otherwise(client: Client) -> None:
    device = client.register()

    answer = client.post("devices/register", {"device_id": device["id"], "alias_device": 1.5e300 * 1e300})
    renewed = client.post("devices/register", {"device_id": device["id"], "alias_device": {"a": 1}})

    assert refusal(renewed) == (422, "DeviceNotUpdated")
    assert refusal(answer) == (406, "NotAcceptable")


def test_a_deleted_device_is_gone_until_it_registers_again(client: Client) -> None:
    udid = uuid4().hex
    device = client.register(udid=udid)

    assert client.delete(f"devices/{device['id']}").json == {}

    assert refusal(client.get(f"devices/{device['id']}")) == (404, "DeviceNotFound")
    assert refusal(client.get(f"devices/{device['id']}/badge")) == (404, "DeviceNotFound")
    assert refusal(client.delete(f"devices/{device['id']}")) == (404, "DeviceNotFound")
    assert device["id"] not in {one["id"] for one in client.get("devices?per_page=1000").json["objects"]}
    assert client.register(udid=udid)["id"] == device["id"]
    assert client.get(f"devices/{device['id']}").json["active"] is True


def test_a_device_whose_token_went_elsewhere_is_inactive(client: Client) -> None:
    alias = uuid4().hex
    before = client.register(alias_device=alias)
    after = client.register(alias_device=alias, push_token=before["push_token"])

    assert client.get(f"devices/{before['id']}").json["active"] is False
    for active, device in (("true", after), ("1", after), ("false", before)):
        found = client.get(f"devices?alias={alias}&active={active}").json["objects"]
        assert [one["id"] for one in found] == [device["id"]], active


def test_devices_are_found_by_alias_in_any_case_and_by_when_they_changed(client: Client) -> None:
    alias = f"Ada-{uuid4().hex}"
    device = client.register(alias_device=alias)

    def found(query: str) -> list[str]:
        return [one["id"] for one in client.get(f"devices?alias={alias.upper()}&{query}").json["objects"]]

    for date in ("", "date=2014-04-21", "date=2014-04-21T13:00:43%2B02:00", "date=2014-04-21T13:00:43+02:00"):
        assert found(date) == [device["id"]]
    assert found("date=2014-04-21%2013:00:43%20-0200") == found("date=2014-04-21%2013:00:43%20UTC") == [device["id"]]
    assert found("date=2999-04-21") == []
    assert refusal(client.get("devices?date=yesterday")) == (422, "InvalidParameter")
    assert refusal(client.get("devices?active=perhaps")) == (422, "InvalidParameter")


def test_badges_are_set_changed_and_never_below_nothing(client: Client) -> None:
    device = client.register()["id"]
    shown = [client.get(f"devices/{device}/badge").json]

    for badge in (12, "7", "+1", "-3", "-100", "+2", 0, -1):
        answer = client.post(f"devices/{device}/update_badge", {"badge": badge})
        assert (answer.status_code, answer.json) == (200, {})
        shown.append(client.get(f"devices/{device}/badge").json)

    assert shown == [{"badge": number} for number in (0, 12, 7, 8, 5, 0, 2, 0, 0)]


@pytest.mark.parametrize("badge", [None, "", "many", "+", True, 1.5, [], 10**12, "+99999999999999999999"])
def test_a_badge_that_is_none_changes_nothing(client: Client, appends_nothing: Any, badge: Any) -> None:
    device = client.register()["id"]

    with appends_nothing():
        answer = client.post(f"devices/{device}/update_badge", {"badge": badge})

    assert refusal(answer) == (422, "DeviceNotUpdated")


def test_properties_of_every_type_are_kept_and_taken_away(client: Client) -> None:
    device = client.register()["id"]
    values = {
        "string": "Ada",
        "boolean": True,
        "integer": 43,
        "float": 1.5,
        "enum": "gold",
        "enum_list": ["a", "b"],
    }
    for kind, value in values.items():
        answer = client.post(f"devices/{device}/set_custom_property", {"name": kind, "type": kind, "value": value})
        assert (answer.status_code, answer.json) == (200, {}), kind
    printed = client.post(f"devices/{device}/set_custom_property", {"name": "f", "type": "float", "value": "-1,999.95"})
    assert printed.status_code == 200
    assert client.get(f"devices/{device}").json["custom_properties"] == {**values, "f": -1999.95}

    client.post(f"devices/{device}/set_custom_property", {"name": "string", "type": "string", "value": None})
    client.post(f"devices/{device}/set_custom_property", {"name": "enum", "type": "enum"})
    left = {"boolean", "integer", "float", "enum_list", "f"}
    assert client.get(f"devices/{device}").json["custom_properties"].keys() == left

    assert client.delete(f"devices/{device}/clear_custom_properties").json == {}
    assert client.get(f"devices/{device}").json["custom_properties"] == {}


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"type": "string", "value": "x"},
        {"name": "x", "value": "x"},
        {"name": "x", "type": "date", "value": "x"},
        {"name": "x", "type": 7, "value": "x"},
        {"name": "x", "type": "integer", "value": "x"},
        {"name": "x", "type": "integer", "value": 1.5},
        {"name": "x", "type": "boolean", "value": "true"},
        {"name": "x", "type": "float", "value": "x"},
        {"name": "x", "type": "string", "value": 7},
        {"name": "x", "type": "enum_list", "value": [7]},
    ],
)
def test_a_value_of_another_type_is_no_property(client: Client, appends_nothing: Any, body: dict[str, Any]) -> None:
    device = client.register()["id"]

    with appends_nothing():
        answer = client.post(f"devices/{device}/set_custom_property", body)

    assert refusal(answer) == (422, "InvalidProperty")


def test_use_is_reported_by_apps_that_know_the_time_and_by_those_that_do_not(client: Client) -> None:
    device = client.register()["id"]

    reports: list[tuple[str, Any]] = [
        ("open_app", None),
        ("open_app", {"open_at": 1456836445}),
        ("close_app", {"closed_at": "1456836446"}),
        ("close_app", b""),
        ("report_statistics", {"device": {"latitude": 4.111, "longitude": 10.111}}),
        ("report_statistics", {"device": {"latitude": -90, "longitude": "180"}}),
    ]
    for name, body in reports:
        answer = client.post(f"devices/{device}/{name}", body, **{API: None, CREATOR: None})
        assert (answer.status_code, answer.json) == (200, {}), (name, body)


def test_a_report_of_use_moves_when_a_device_was_updated_and_not_when_it_registered(
    client: Client, services: Services, app_id: UUID
) -> None:
    device = client.register()["id"]
    before = client.get(f"devices/{device}").json

    def used() -> dict[str, Any]:
        client.post(f"devices/{device}/open_app")
        return dict(client.get(f"devices/{device}").json)

    after = eventually(lambda: (shown := used())["updated_at"] > before["updated_at"] and shown, "a second passes")
    assert after["last_registered_at"] == before["last_registered_at"]


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("open_app", {"open_at": "yesterday"}),
        ("open_app", {"open_at": -1}),
        ("open_app", {"open_at": 10**15}),
        ("open_app", {"open_at": True}),
        ("close_app", {"closed_at": [1]}),
        ("report_statistics", {}),
        ("report_statistics", {"device": {"latitude": 4}}),
        ("report_statistics", {"device": {"latitude": 90.1, "longitude": 0}}),
        ("report_statistics", {"device": {"latitude": 0, "longitude": -181}}),
        ("report_statistics", {"device": {"latitude": "north", "longitude": 0}}),
        ("report_statistics", {"device": {"latitude": 10**400, "longitude": 0}}),
        ("report_statistics", {"device": {"latitude": "nan", "longitude": 0}}),
    ],
)
def test_a_report_that_cannot_be_is_not_recorded(client: Client, appends_nothing: Any, name: str, body: Any) -> None:
    device = client.register()["id"]

    with appends_nothing():
        answer = client.post(f"devices/{device}/{name}", body)

    assert refusal(answer) == (422, "DeviceNotUpdated")


def number(services: Services, app_id: UUID, device: str) -> int:
    with services.readers.connection() as connection:
        found = devices.device_by_handle(connection, app_id, services.handles, device)
    assert found is not None
    return found.created_position
