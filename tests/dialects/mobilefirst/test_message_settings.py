"""What the devices of each system get of a message's settings."""

from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec.structs import replace

from dialects.mobilefirst.client import Client
from dialects.mobilefirst.messages import ALERT, PUSH, entry_of, parts_of, sent
from tocsin.api.services import Services
from tocsin.domain.payloads import apns_body, apns_headers, fcm_body, wns_notification


def test_apples_devices_get_every_setting(client: Client, services: Services) -> None:
    apns = {
        "badge": 3,
        "sound": "song.mp3",
        "title": "Title",
        "subtitle": "Sub Title",
        "attachmentUrl": "https://example.org/x.png",
        "iosActionKey": "Ok",
        "payload": {"custom": "data"},
        "type": "MIXED",
        "category": 1,
        "interactiveCategory": "poll",
        "launchImage": "launch.png",
        "locKey": "LOC",
        "locArgs": ["a", 7],
        "titleLocKey": "TITLE",
        "titleLocArgs": ["b"],
        "apnsCollapseId": "one",
        "apnsThreadId": "thread",
        "apnsGroupSummaryArg": "X",
        "apnsGroupSummaryArgCount": 2,
    }
    identifier, message = sent(client, services, {"apns": apns}, url="https://example.org")
    body = apns_body(message)

    assert body["aps"] == {
        "alert": {
            "body": ALERT,
            "title": "Title",
            "subtitle": "Sub Title",
            "action-loc-key": "Ok",
            "launch-image": "launch.png",
            "loc-key": "LOC",
            "loc-args": ["a", "7"],
            "title-loc-key": "TITLE",
            "title-loc-args": ["b"],
            "summary-arg": "X",
            "summary-arg-count": 2,
        },
        "badge": 3,
        "sound": "song.mp3",
        "category": "poll",
        "thread-id": "thread",
        "mutable-content": 1,
        "content-available": 1,
    }
    assert (body["nid"], body["url"], body["attachment-url"]) == (
        identifier,
        "https://example.org",
        "https://example.org/x.png",
    )
    assert json.loads(body["payload"]) == {"custom": "data", "nid": identifier}
    headers = apns_headers(message, PUSH, "org.example", None)
    assert (headers["apns-collapse-id"], headers["apns-push-type"]) == ("one", "alert")


def test_a_silent_message_wakes_apples_devices_and_shows_nothing(client: Client, services: Services) -> None:
    _, message = sent(client, services, {"apns": {"type": "SILENT", "badge": 1, "sound": "x", "title": "x"}})

    assert apns_body(message)["aps"] == {"content-available": 1}
    headers = apns_headers(message, PUSH, "org.example", None)
    assert (headers["apns-push-type"], headers["apns-priority"]) == ("background", "5")


def test_androids_devices_get_every_setting_as_data(client: Client, services: Services) -> None:
    gcm = {
        "payload": '{"custom": "data"}',
        "sound": "song.mp3",
        "collapseKey": "testkey",
        "delayWhileIdle": False,
        "timeToLive": 10.0,
        "priority": "MAX",
        "visibility": "PUBLIC",
        "category": "email",
        "interactiveCategory": "poll",
        "redact": "Redacted",
        "bridge": False,
        "sync": True,
        "icon": "bell",
        "type": "DEFAULT",
        "androidTitle": "Title",
        "groupId": "group",
        "lights": {"ledArgb": "RED", "ledOnMs": 1, "ledOffMs": 2},
        "style": {"type": "inbox_notification", "title": "T", "url": "u", "text": "x", "lines": ["1", "2"]},
    }
    identifier, message = sent(client, services, {"gcm": gcm}, url="https://example.org")
    body = fcm_body(message)

    assert "notification" not in body
    assert body["android"] == {"priority": "HIGH", "collapse_key": "testkey", "ttl": "10s"}
    data = body["data"]
    assert json.loads(data.pop("payload")) == {"custom": "data", "nid": identifier}
    assert json.loads(data.pop("lights")) == {"ledARGB": "RED", "ledOnMS": "1", "ledOffMS": "2"}
    assert json.loads(data.pop("style")) == gcm["style"]
    assert data == {
        "nid": identifier,
        "alert": ALERT,
        "url": "https://example.org",
        "has-template": "0",
        "type": "DEFAULT",
        "androidTitle": "Title",
        "priority": "max",
        "visibility": "public",
        "sound": "song.mp3",
        "icon": "bell",
        "category": "email",
        "interactiveCategory": "poll",
        "redact": "Redacted",
        "bridge": "false",
        "sync": "true",
        "groupId": "group",
    }


@pytest.mark.parametrize(
    ("gcm", "priority"),
    [
        ({}, "HIGH"),
        ({"priority": "low"}, "NORMAL"),
        ({"priority": "default"}, "HIGH"),
        ({"delayWhileIdle": True}, "NORMAL"),
    ],
)
def test_a_phone_is_woken_unless_the_message_can_wait(
    client: Client, services: Services, gcm: Any, priority: str
) -> None:
    _, message = sent(client, services, {"gcm": gcm})

    assert fcm_body(message)["android"]["priority"] == priority


TOAST = {
    "launch": "x=1",
    "duration": "long",
    "audio": {"src": "ms-winsoundevent:Notification.IM", "loop": True},
    "visual": {
        "binding": {
            "template": "ToastText01",
            "text": [{"content": "<A>", "lang": "de"}],
            "image": [{"src": "https://x/y.png"}],
        }
    },
}
TILE = {"tag": "t1", "visual": {"binding": [{"template": "TileSquareText04", "text": [{"content": "Text"}]}]}}


@pytest.mark.parametrize(
    ("wns", "kind", "body"),
    [
        (
            {"toast": TOAST},
            "wns/toast",
            '<toast launch="x=1" duration="long"><visual><binding template="ToastText01"><image id="1"'
            ' src="https://x/y.png"/><text id="1" lang="de">&lt;A&gt;</text></binding></visual>'
            '<audio src="ms-winsoundevent:Notification.IM" loop="true"/></toast>',
        ),
        ({"raw": {"payload": "{}"}}, "wns/raw", None),
    ],
)
def test_windows_devices_get_what_is_set(
    client: Client, services: Services, wns: Any, kind: str, body: str | None
) -> None:
    identifier, message = sent(client, services, {"wns": {**wns, "cachePolicy": False, "expirationTime": 20}})
    made = wns_notification(message, PUSH, None)

    assert (made.type, made.body) == (kind, body or f'{{"nid":"{identifier}"}}')
    assert (made.headers["X-WNS-Cache-Policy"], made.headers["X-WNS-TTL"]) == ("no-cache", "20")


def test_tiles_and_badges_travel_apart_to_devices_of_windows(client: Client, services: Services) -> None:
    wns = {"tile": TILE, "badge": {"value": 10, "version": "1"}, "raw": {"payload": {"custom": "data"}}, "toast": TOAST}
    body = {"message": {"alert": ALERT}, "target": {"userIds": ["ada"]}, "settings": {"wns": wns}}
    before = client.get("/messages").json["pageInfo"]["totalCount"]
    identifier = client.post("/messages", body).json["messageId"]

    whole = entry_of(client, services, identifier)
    parts = parts_of(client, services, identifier)
    assert wns_notification(whole.fact.message, PUSH, None).type == "wns/toast"
    made = {one.type: one for one in (wns_notification(part.fact.message, PUSH, None) for part in parts)}
    assert made["wns/badge"].body == '<badge value="10" version="1"/>'
    tile = '<binding template="TileSquareText04"><text id="1">Text</text></binding>'
    assert made["wns/tile"].body == f"<tile><visual>{tile}</visual></tile>"
    assert made["wns/tile"].headers["X-WNS-Tag"] == "t1"
    assert json.loads(made["wns/raw"].body) == {"custom": "data", "nid": identifier}
    assert {part.command_id for part in parts} == {whole.command_id}
    narrowed = replace(whole.fact.audience, platforms=("windows",))
    assert [part.fact.audience for part in parts] == [narrowed] * 3
    assert int(client.get("/messages").json["pageInfo"]["totalCount"]) == int(before) + 1
    client.delete(f"/messages/{identifier}")
    assert parts_of(client, services, identifier) == []


def test_nothing_of_windows_travels_where_none_of_its_devices_is_meant(client: Client, services: Services) -> None:
    body = {"message": {"alert": ALERT}, "target": {"platforms": ["A"]}, "settings": {"wns": {"badge": {"value": 1}}}}
    identifier = client.post("/messages", body).json["messageId"]

    assert parts_of(client, services, identifier) == []


def test_windows_devices_get_a_raw_payload_or_a_toast(client: Client, services: Services) -> None:
    identifier, raw = sent(client, services, {"wns": {"raw": {"payload": {"custom": "data"}}}})
    assert json.loads(wns_notification(raw, PUSH, None).body) == {"custom": "data", "nid": identifier}
    identifier, plain = sent(client, services, {})
    toast = wns_notification(plain, PUSH, None)
    assert toast.type == "wns/toast"
    assert identifier in toast.body
    assert ALERT in toast.body
