"""Every example of TwinPush's reference, sent as it is printed there, with a real app, real tokens and real ids."""

from __future__ import annotations

import re

from flask import Flask

from dialects.twinpush.client import API, CREATOR, Client, new_app, refusal
from tocsin.api.services import Services


def test_devices_are_paged_as_in_the_example(app: Flask, services: Services) -> None:
    client = Client.provisioned(app, services, new_app(services, "Reference"))
    for number in range(4):
        client.register(udid=f"device-{number}", alias_device="techie4")

    answer = client.get(
        "devices?page=1&per_page=2", **{CREATOR: None, "Content-Type": "application/json", "Accept": None}
    )

    assert answer.status_code == 200
    body = answer.json
    assert {name: body[name] for name in body if name != "objects"} == {
        "offset": 0,
        "total_pages": 2,
        "total_entries": 4,
        "per_page": 2,
        "current_page": 1,
        "references": [],
    }
    assert len(body["objects"]) == 2
    for device in body["objects"]:
        printed = {"id", "alias_device", "created_at", "updated_at", "last_registered_at", "app_id", "type"}
        assert printed <= device.keys()
        assert (device["alias_device"], device["app_id"], device["type"]) == ("techie4", client.app_id, "Device")
        for name in ("created_at", "updated_at", "last_registered_at"):
            assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \+0000", device[name])


def test_the_address_as_it_is_printed_has_an_escaped_ampersand_and_is_a_first_page(client: Client) -> None:
    answer = client.get("devices?page=1&amp;per_page=2")

    assert (answer.status_code, answer.json["per_page"]) == (200, 30)


def test_a_page_of_nothing_or_less_is_the_first_and_of_no_objects_has_thirty(client: Client) -> None:
    for query in ("page=0&per_page=0", "page=-1", ""):
        body = client.get(f"devices?{query}").json
        assert (body["current_page"], body["per_page"], body["offset"]) == (1, 30, 0)


def test_a_page_without_results_may_be_not_found(client: Client) -> None:
    assert refusal(client.get("devices?page=1000")) == (404, "NotFound")


def test_every_request_says_that_it_accepts_json(client: Client) -> None:
    assert client.get("devices", Accept="application/json").status_code == 200


DESCRIPTIONS = {
    "InvalidToken": (403, "API Key Token is not valid or does not match with App ID"),
    "InvalidCreatorToken": (403, "Creator API Key Token is not valid or does not match with App ID"),
    "AppNotFound": (404, "Application not found for given application_id"),
    "DeviceNotFound": (404, "Device not found for given device_id"),
    "NotificationNotFound": (404, "Notification not found for given notification_id"),
    "DeliveryNotFound": (404, "Delivery not found for given notification and device"),
    "NotificationNotCreated": (422, "Some of the parameters given when trying to create a notification is not valid"),
    "DeviceNotCreated": (422, "Some of the parameters given when trying to register a device is not valid"),
    "DeviceNotUpdated": (422, "Some of the parameters given when trying to update a device info is not valid"),
    "InvalidProperty": (422, "The type or the value given when trying to assign a device property is not valid"),
}


def test_every_error_of_the_table_has_its_status_its_type_and_its_description(client: Client) -> None:
    device, sent = client.register()["id"], client.create(devices_ids=[client.register()["id"]])["id"]

    answers = [
        client.get("devices", **{API: "wrong"}),
        client.post("notifications", {}, **{CREATOR: "wrong"}),
        client.get("/apps/1a2b3c4d5f/devices"),
        client.get("devices/2b3c4d5f6g"),
        client.get("notifications/2b3c4d5f6g"),
        client.post(f"devices/{device}/notifications/{sent}/open_notification"),
        client.post("notifications", {}),
        client.post("devices/register", {}),
        client.post(f"devices/{device}/update_badge", {}),
        client.post(f"devices/{device}/set_custom_property", {}),
    ]

    for (kind, (status, description)), answer in zip(DESCRIPTIONS.items(), answers, strict=True):
        assert refusal(answer) == (status, kind)
        assert answer.json.keys() == {"errors"}
        assert answer.json["errors"]["message"].startswith(description)


def test_what_is_wrong_in_its_form_is_not_acceptable(client: Client) -> None:
    assert refusal(client.post("notifications", b'{"alert": "x" "title": "y",}')) == (406, "NotAcceptable")
    assert refusal(client.get("devices", Accept="text/html")) == (406, "NotAcceptable")


def test_objects_are_listed_shown_created_updated_and_deleted_by_the_rules_of_rest(client: Client) -> None:
    created = client.post("devices", {"udid": "rest", "platform": "ios"}).json["objects"][0]["id"]

    assert created in {one["id"] for one in client.get("devices?per_page=1000").json["objects"]}
    assert client.get(f"devices/{created}").json["id"] == created
    assert client.call("PUT", f"devices/{created}", {"language": "en_GB"}).json["objects"][0]["language"] == "en_GB"
    assert client.delete(f"devices/{created}").status_code == 200
    assert client.get(f"devices/{created}").status_code == 404
