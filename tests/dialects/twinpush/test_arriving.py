"""Notifications on everything that runs: what the devices get, what the SDKs report, and what is recorded of it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest
from patience import eventually
from system.instance import Instance

from dialects.moxie.test_arriving import Moxie
from dialects.twinpush.client import API, CREATOR

APPLE = "7a".ljust(64, "3")
ANDROID = "twinpush-registration-1"
CUSTOM = {"scope": "public", "seat": 12}


@dataclass(frozen=True)
class Phone:
    """What an SDK knows once it registered, and the push it got."""

    address: str
    push: dict[str, Any]


@dataclass(frozen=True)
class Told:
    """What was done: the notification, both phones, and all that was recorded since."""

    notification: str
    apple: Phone
    android: Phone
    report: dict[str, Any]
    events: list[dict[str, Any]]


@pytest.fixture(scope="module")
def told(instance: Instance) -> Told:
    """Two phones register, are told something, and say that they got it."""
    known = instance.environment()
    root = f"{known['TOCSIN_URL']}/api/v2"
    app = f"{root}/apps/{known['TWINPUSH_APP_ID']}"
    api, creator = {API: known["TWINPUSH_API_TOKEN"]}, {CREATOR: known["TWINPUSH_CREATOR_TOKEN"]}
    before = instance.call("GET", "/events?limit=1000")["next"]
    for platform, token in (("ios", APPLE), ("android", ANDROID)):
        body = {"udid": platform, "platform": platform, "push_token": token, "alias_device": "ada"}
        addressed = call(instance, "POST", f"{app}/devices/register", body, api)["objects"][0]["id"]
        call(instance, "POST", f"{app}/devices/{addressed}/update_badge", {"badge": "4"})
    content = {
        "alert": "The library is closed",
        "title": "Campus",
        "subtitle": "Today",
        "category": "CLOSED",
        "sound": "waves",
        "url": "https://example.com/closed",
        "custom_properties": CUSTOM,
        "tags": ["alerts"],
        "badge": "+2",
        "inbox": True,
        "mutable_content": True,
    }
    notification = call(instance, "POST", f"{app}/notifications", {**content, "devices_aliases": ["ada"]}, creator)[
        "objects"
    ][0]
    pushes = {token: arrived(instance, token) for token in (APPLE, ANDROID)}

    # Apple's extension knows the numbers of the payload, Android's SDK its own id and the number.
    payload, data = pushes[APPLE]["payload"], pushes[ANDROID]["payload"]["message"]["data"]
    numbers = f"{root}/devices/{payload['tp_device_id']}/notifications/{payload['tp_id']}"
    call(instance, "POST", f"{numbers}/received_notification")
    android = f"{app}/devices/{addressed}"
    call(instance, "POST", f"{android}/notifications/{data['tp_id']}/open_notification", {})
    phones = [Phone(address, pushes[token]) for address, token in ((numbers, APPLE), (android, ANDROID))]

    def reported() -> dict[str, Any]:
        report = call(instance, "GET", f"{app}/notifications/{notification['id']}/report", headers=api)
        return report if report["status"] == "sent" else {}

    report = eventually(reported, "the notification is sent", every=0.1)
    events = instance.call("GET", f"/events?limit=1000&cursor={before}")["items"]
    return Told(notification["id"], phones[0], phones[1], report, events)


def test_apples_devices_get_what_its_sdk_reads(told: Told) -> None:
    payload = told.apple.push["payload"]

    assert payload["aps"] == {
        "alert": {"title": "Campus", "subtitle": "Today", "body": "The library is closed"},
        "badge": 6,
        "sound": "waves",
        "category": "CLOSED",
        "mutable-content": 1,
    }
    assert type(payload["tp_id"]) is type(payload["tp_device_id"]) is int
    assert payload["tp_rich_url"] == "https://example.com/closed"
    own = payload.keys() - {"aps", "tp_id", "tp_device_id", "tp_rich_url", "tocsin_push_id"}
    assert {name: payload[name] for name in own} == {"scope": "public", "seat": "12"}


def test_androids_devices_get_a_map_of_text_and_show_it_themselves(told: Told) -> None:
    message = told.android.push["payload"]["message"]

    assert message.keys() == {"token", "android", "data"}
    assert "notification" not in message["android"]
    data = message["data"]
    assert all(isinstance(value, str) for value in data.values())
    assert int(data["tp_id"]) == told.apple.push["payload"]["tp_id"]
    assert {name: data[name] for name in ("title", "message", "tp_rich_url")} == {
        "title": "Campus",
        "message": "The library is closed",
        "tp_rich_url": "https://example.com/closed",
    }
    assert json.loads(data["custom"]) == {"scope": "public", "seat": "12"}
    assert json.loads(data["tags"]) == ["alerts", "tp_rich"]
    assert data.keys() == {
        "tp_id",
        "tp_device_id",
        "title",
        "message",
        "tp_rich_url",
        "custom",
        "tags",
        "tocsin_push_id",
    }


def test_what_the_sdks_report_is_counted(told: Told) -> None:
    assert (told.report["delivery_count"], told.report["received_count"], told.report["opening_count"]) == (2, 2, 1)
    assert told.report["errors"] == []


def test_the_badge_is_what_the_device_shows(instance: Instance, told: Told) -> None:
    assert call(instance, "GET", f"{told.android.address}/badge") == {"badge": 6}


def test_the_extension_may_ask_for_the_notification_by_its_numbers(instance: Instance, told: Told) -> None:
    assert call(instance, "GET", told.apple.address)["id"] == told.notification


def test_a_phone_registered_here_is_reached_by_an_alert_raised_through_another_api(instance: Instance) -> None:
    known = instance.environment()
    app_id = known["TWINPUSH_APP_UUID"]
    settings = instance.call("GET", f"/apps/{app_id}")["settings"]
    own = {**settings, "moxie": {"through": ["twinpush"]}}
    instance.call("PATCH", f"/apps/{app_id}", json={"settings": own})
    body = {"name": "alerts", "dialect": "moxie", "kind": "hmac", "public_id": "campus-key"}
    secret = instance.call("POST", f"/apps/{app_id}/credentials", json=body)["secret"]
    app = f"{known['TOCSIN_URL']}/api/v2/apps/{known['TWINPUSH_APP_ID']}"
    device = {"udid": "moxie", "platform": "android", "push_token": "twinpush-registration-2"}
    call(instance, "POST", f"{app}/devices/register", device, {API: known["TWINPUSH_API_TOKEN"]})

    signed = Moxie("campus-key", secret)
    url = f"{known['TOCSIN_URL']}/notifications"
    ident = instance.request("POST", url, json={"message": "Bomb threat at X"}, auth=signed).json()["ident"]
    push = {"notification": ident, "message": "Avoid the area"}
    assert instance.request("POST", f"{known['TOCSIN_URL']}/push", json=push, auth=signed).status_code == 202

    data = arrived(instance, "twinpush-registration-2")["payload"]["message"]["data"]
    assert data["message"] == "Avoid the area"


def test_everything_that_was_done_is_in_the_record(told: Told, instance: Instance) -> None:
    ours = [event for event in told.events if event["actor"]["dialect"] == "twinpush"]

    assert [event["type"] for event in ours] == [
        "device.registered",
        "usage.reported",
        "device.badge_changed",
        "device.registered",
        "usage.reported",
        "device.badge_changed",
        "send.requested",
        "send.started",
        "receipt.received",
        "receipt.opened",
    ]
    assert {event["actor"]["address"] for event in ours} == {"127.0.0.1"}
    by_tokens = [event for event in ours if event["actor"]["credential"] is not None]
    assert [event["type"] for event in by_tokens] == [
        "device.registered",
        "usage.reported",
        "device.registered",
        "usage.reported",
        "send.requested",
        "send.started",
    ]
    assert all(event["actor"]["principal"] == f"credential:{event['actor']['credential']}" for event in by_tokens)
    phones = {event["actor"]["principal"] for event in ours} - {event["actor"]["principal"] for event in by_tokens}
    assert len(phones) == 2
    assert all(phone.startswith("device:") for phone in phones)


def test_tokens_are_issued_and_revoked_by_the_native_api(instance: Instance) -> None:
    known = instance.environment()
    credentials = f"/apps/{known['TWINPUSH_APP_UUID']}/credentials"
    body = {"name": "console", "dialect": "twinpush", "kind": "api-token", "roles": ["sender"]}
    issued = instance.call("POST", credentials, json=body)
    url = f"{known['TOCSIN_URL']}/api/v2/apps/{known['TWINPUSH_APP_ID']}/notifications"

    def create() -> int:
        sent = {"alert": "Hello", "devices_aliases": ["nobody"]}
        return instance.request("POST", url, json=sent, headers={CREATOR: issued["secret"]}).status_code

    assert create() == 200
    instance.call("DELETE", f"{credentials}/{issued['credential_id']}")
    assert create() == 403


def test_another_apps_token_opens_nothing_here(instance: Instance) -> None:
    known = instance.environment()
    url = f"{known['TOCSIN_URL']}/api/v2/apps/{known['TWINPUSH_APP_ID']}/devices"

    answer = instance.request("GET", url, headers={API: known["TWINPUSH_OTHER_API_TOKEN"]})

    assert (answer.status_code, answer.json()["errors"]["type"]) == (403, "InvalidToken")


def arrived(instance: Instance, token: str) -> dict[str, Any]:
    """The one push that a device got."""
    (push,) = eventually(lambda: instance.sandbox.received(token=token), f"it arrives at {token}", every=0.1)
    return dict(push)


def call(
    instance: Instance, method: str, url: str, body: Any = None, headers: dict[str, str] | None = None
) -> dict[str, Any]:
    """One call of an SDK; without a body it has no ``Content-Type`` either."""
    answer = instance.request(method, url, json=body, headers=headers)
    assert answer.status_code == 200, answer.text
    result: dict[str, Any] = answer.json()
    return result
