"""Messages: whom they are for, what the devices get, and what can be read of them afterwards."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any
from uuid import UUID, uuid4

import pytest
from flask import Flask
from msgspec.structs import replace

from dialects.mobilefirst.client import Client
from dialects.mobilefirst.conftest import provisioned
from tocsin.api.services import Services
from tocsin.commands.apps import change_app
from tocsin.commands.context import Context
from tocsin.commands.people import EXTERNAL_ID, user
from tocsin.domain.app import UpdateApp
from tocsin.domain.audience import Audience
from tocsin.domain.entry import system
from tocsin.domain.events.send import SendRequested
from tocsin.domain.payloads import apns_body, apns_headers, fcm_body, wns_notification
from tocsin.domain.platforms import APPLE
from tocsin.projections import audience, sends
from tocsin.projections.sends import SendFilter

ALERT = "Bomb threat at X"
BROADCAST = Audience(expression="!Push.NONE")
PUSH = UUID(int=7)


def test_a_message_is_accepted_with_its_id(client: Client) -> None:
    answer = client.post("/messages", {"message": {"alert": ALERT, "url": "https://example.org/x"}})

    assert answer.status_code == 202
    identifier = answer.json["messageId"]
    assert answer.json == {"messageId": identifier, "message": {"message": {"alert": ALERT}}}
    assert identifier.isalnum()
    assert client.get(f"/messages/{identifier}").json == {"messageId": identifier, "alert": ALERT}


def test_it_is_recorded_who_sent_from_where(client: Client, services: Services) -> None:
    entry = requested(client, services, {})

    assert (entry.actor.dialect, entry.actor.address) == ("mobilefirst", "127.0.0.1")
    assert entry.actor.principal == f"credential:{entry.actor.credential}"


def test_the_same_key_of_idempotency_sends_once(
    client: Client, appends_nothing: Callable[[], AbstractContextManager[None]]
) -> None:
    key, body = {"Idempotency-Key": str(uuid4())}, {"message": {"alert": ALERT}}
    first = client.post("/messages", body, **key)

    with appends_nothing():
        assert client.post("/messages", body, **key).data == first.data


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (None, BROADCAST),
        ({}, BROADCAST),
        ({"platforms": ["A", "G"]}, Audience(everyone=True, platforms=(*APPLE, "android"))),
        ({"platforms": ["A,G"]}, Audience(everyone=True, platforms=(*APPLE, "android"))),
        ({"platform": ["W"]}, Audience(everyone=True, platforms=("windows",))),
        ({"tagNames": ["sports"]}, Audience(tags=("sports",))),
        ({"tagNames": ["Push.all"]}, BROADCAST),
        ({"platform": ["A"], "tagNames": ["sports"]}, Audience(tags=("sports",))),
        ({"deviceIds": [], "tagNames": ["sports"]}, Audience(tags=("sports",))),
    ],
)
def test_a_target_says_whom_a_message_is_for(
    client: Client, services: Services, target: Any, expected: Audience
) -> None:
    client.post("/tags", {"name": "sports"})

    assert audience_of(client, services, target) == expected


@pytest.mark.parametrize("word", ["userIds", "consumerIds"])
def test_users_are_named_by_their_ids(client: Client, services: Services, word: str) -> None:
    own = UUID(client.application)

    found = audience_of(client, services, {word: ["ada", "bob"]})
    assert found == Audience(users=tuple(user(services.engine.digest, own, name) for name in ("ada", "bob")))


def test_devices_are_named_by_their_ids_or_their_numbers(client: Client, services: Services) -> None:
    client.register("called", phoneNumber="5550100")
    engine, own = services.engine, UUID(client.application)
    digest = engine.digest(EXTERNAL_ID, "called")
    expected = Audience(devices=(engine.record.owners(own, EXTERNAL_ID, [digest])[digest],))

    assert audience_of(client, services, {"deviceIds": ["called", "nobody"]}) == expected
    assert audience_of(client, services, {"phoneNumber": "5550100"}) == expected
    many = [*map(str, range(1200)), "5550100"]
    assert audience_of(client, services, {"phoneNumber": many}) == expected


@pytest.mark.parametrize(
    ("target", "resource", "name"),
    [
        ({"tagNames": ["nothing"]}, "tagNames", "tags"),
        ({"deviceIds": ["nobody"]}, "deviceIds", "deviceIds"),
        ({"phoneNumber": ["1"]}, "devices", "phoneNumber"),
    ],
)
def test_a_target_that_is_not_there_is_not_found(client: Client, target: Any, resource: str, name: str) -> None:
    answer = client.post("/messages", {"message": {"alert": ALERT}, "target": target})

    said = f"Not Found - Targeted resource '{resource}' does not exist. Check the '{name}' parameter."
    assert (answer.status_code, answer.json) == (404, {"code": "FPWSE0001E", "message": said})


@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        {"message": ALERT},
        {"message": {}},
        {"message": {"alert": ""}},
        {"message": {"alert": 7}},
        {"message": {"alert": "x" * 5000}},
        {"message": {"alert": "x", "url": ["x"]}},
        {"message": {"alert": "x"}, "notificationType": 4},
        {"message": {"alert": "x"}, "notificationType": "1"},
        {"message": {"alert": "x"}, "notificationType": True},
        {"message": {"alert": "x"}, "target": []},
        {"message": {"alert": "x"}, "target": {"userIds": []}},
        {"message": {"alert": "x"}, "target": {"userIds": [7]}},
        {"message": {"alert": "x"}, "target": {"userIds": ["a"], "platforms": ["A"]}},
        {"message": {"alert": "x"}, "target": {"platforms": ["X"]}},
        {"message": {"alert": "x"}, "settings": []},
        {"message": {"alert": "x"}, "settings": {"apns": "x"}},
        {"message": {"alert": "x"}, "settings": {"apns": {"badge": "many"}}},
        {"message": {"alert": "x"}, "settings": {"apns": {"type": "LOUD"}}},
        {"message": {"alert": "x"}, "settings": {"apns": {"payload": "no json"}}},
        {"message": {"alert": "x"}, "settings": {"apns": {"locArgs": "x"}}},
        {"message": {"alert": "x"}, "settings": {"gcm": {"priority": "urgent"}}},
        {"message": {"alert": "x"}, "settings": {"gcm": {"timeToLive": 2419201}}},
        {"message": {"alert": "x"}, "settings": {"gcm": {"delayWhileIdle": "perhaps"}}},
        {"message": {"alert": "x"}, "settings": {"gcm": {"payload": [1]}}},
        {"message": {"alert": "x"}, "settings": {"wns": {"toast": {"visual": {"binding": {"text": []}}}}}},
        {"message": {"alert": "x"}, "settings": {"wns": {"tile": {"tag": "a b"}}}},
        {"message": {"alert": "x"}, "settings": {"chromeWeb": "x"}},
    ],
)
def test_a_message_that_cannot_be_is_refused_and_nothing_sent(
    client: Client, body: Any, appends_nothing: Callable[[], AbstractContextManager[None]]
) -> None:
    client.token()
    with appends_nothing():
        answer = client.post("/messages", body)
        bulk = client.post("/messages/bulk", [{"message": {"alert": "fine"}}, body])

    for refused in (answer, bulk):
        assert (refused.status_code, refused.json["code"][:7]) == (400, "FPWSE00"), refused.text


def test_a_text_message_is_recorded_and_reaches_nobody(client: Client, services: Services) -> None:
    entry = requested(client, services, {"notificationType": 2})

    assert entry.fact.audience == Audience(everyone=True, platforms=("sms",))
    assert requested(client, services, {"notificationType": 3}).fact.audience == BROADCAST


@pytest.mark.parametrize("wrapped", [False, True])
def test_a_bulk_is_sent_in_one_append(client: Client, services: Services, wrapped: bool) -> None:
    messages = [{"messages" if wrapped else "message": {"alert": f"{ALERT} {number}"}} for number in range(3)]
    answer = client.post("/messages/bulk", {"//ArrayOfMessageBody": messages} if wrapped else messages)

    assert answer.status_code == 202
    assert [one["message"]["message"]["alert"] for one in answer.json] == [f"{ALERT} {number}" for number in range(3)]
    found = [entry_of(client, services, one["messageId"]) for one in answer.json]
    assert len({entry.command_id for entry in found}) == 1
    assert [entry.fact.message.body for entry in found] == [f"{ALERT} {number}" for number in range(3)]


@pytest.mark.parametrize("body", [[], {}, {"a": []}, {"a": 1}, "x", [7]])
def test_a_bulk_of_nothing_is_refused(client: Client, body: Any) -> None:
    assert client.post("/messages/bulk", body).status_code == 400


def test_an_app_may_refuse_what_reaches_nobody(app: Flask, services: Services) -> None:
    strict = provisioned(app, services, "Strict")
    assert strict.post("/messages", {"message": {"alert": ALERT}}).status_code == 202
    update = UpdateApp(settings={"mobilefirst": {"refuseNoDevices": True}})
    done = change_app(services.engine, Context(system("test")), UUID(strict.application), update)
    assert services.waiter.wait_for(done.position, ["apps"], 30)

    refused = strict.post("/messages", {"message": {"alert": ALERT}})
    assert (refused.status_code, refused.json["code"]) == (404, "FPWSE0009E")
    strict.register("somebody")
    assert strict.post("/messages", {"message": {"alert": ALERT}}).status_code == 202


def test_who_left_broadcasts_is_left_out_of_them_alone(app: Flask, services: Services) -> None:
    other = provisioned(app, services, "Quiet")
    for name in ("loud", "quiet"):
        other.register(name)
    other.delete("/subscriptions?deviceId=quiet&tagName=Push.ALL")

    assert reached(services, other, BROADCAST) == 1
    assert reached(services, other, Audience(everyone=True, platforms=("android",))) == 2


def test_an_app_says_whose_devices_are_pushed_to(app: Flask, services: Services) -> None:
    other = provisioned(app, services, "Through")
    update = UpdateApp(settings={"mobilefirst": {"through": ["mobilefirst", "moxie"]}})
    done = change_app(services.engine, Context(system("test")), UUID(other.application), update)
    assert services.waiter.wait_for(done.position, ["apps"], 30)

    assert audience_of(other, services, None).through == ("mobilefirst", "moxie")
    assert audience_of(other, services, {"userIds": ["u"]}).through == ("mobilefirst", "moxie")


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


def test_messages_are_listed_the_newest_first(client: Client) -> None:
    made = [client.post("/messages", {"message": {"alert": f"listed {number}"}}).json for number in range(3)]
    shown = client.get("/messages/?offset=1&size=1").json

    assert [one["alert"] for one in shown["messages"]] == ["listed 1"]
    assert set(shown["messages"][0]) == {"messageId", "alert", "createdTime", "href"}
    assert shown["messages"][0]["href"].endswith(f"/messages/{made[1]['messageId']}")
    assert shown["pageInfo"]["count"] == "1"


def test_a_message_that_is_deleted_is_gone(client: Client) -> None:
    identifier = client.post("/messages", {"message": {"alert": "gone"}}).json["messageId"]
    answer = client.delete(f"/messages/{identifier}")

    assert (answer.status_code, answer.data) == (204, b"")
    body = {"deviceId": "x", "status": "OPEN"}
    client.register("x")
    for gone in (
        client.get(f"/messages/{identifier}"),
        client.delete(f"/messages/{identifier}"),
        client.get(f"/messages/{identifier}/report"),
        client.put(f"/messages/{identifier}", body),
        client.get("/messages/mymessage"),
    ):
        assert (gone.status_code, gone.json["code"]) == (404, "FPWSE0001E")
    assert identifier not in client.get("/messages").text


def test_a_report_counts_in_strings(client: Client) -> None:
    identifier = client.post("/messages", {"message": {"alert": ALERT}}).json["messageId"]

    for name in ("report", "status"):
        shown = client.get(f"/messages/{identifier}/{name}").json
        assert all(isinstance(value, str) for value in shown.values())
        assert {"messageId", "status", "total", "sent", "failed", "seen", "open"} <= set(shown)
    listed = client.get(f"/messages/{identifier}/deliverystatus").json
    assert listed["deliveryStatus"] == []
    assert client.get(f"/messages/{identifier}/deliverystatus?deviceId=nobody").status_code == 404


@pytest.mark.parametrize("body", [{}, {"deviceId": "x"}, {"deviceId": "x", "status": "READ"}, {"status": "OPEN"}])
def test_a_receipt_that_cannot_be_is_refused(client: Client, body: Any) -> None:
    client.register("x")
    identifier = client.post("/messages", {"message": {"alert": ALERT}}).json["messageId"]

    assert client.put(f"/messages/{identifier}", body).status_code == 400


def requested(client: Client, services: Services, members: Any) -> Any:
    """The entry of a message that was sent with these members."""
    answer = client.post("/messages", {"message": {"alert": ALERT}, **members})
    assert answer.status_code == 202, answer.text
    return entry_of(client, services, answer.json["messageId"])


def entry_of(client: Client, services: Services, identifier: str) -> Any:
    with services.readers.connection() as connection:
        found = sends.send_by_handle(connection, UUID(client.application), services.handles, identifier)
    assert found is not None
    entry = services.record.load(found.row.send_id)[0]
    assert isinstance(entry.fact, SendRequested)
    return entry


def parts_of(client: Client, services: Services, identifier: str) -> list[Any]:
    """The entries of what travels apart, of a message that was not withdrawn."""
    wanted = SendFilter(labels=(f"mobilefirst:part:{identifier}",), withdrawn=False)
    with services.readers.connection() as connection:
        found = sends.slice_sends(connection, UUID(client.application), wanted)
    return [services.record.load(one.row.send_id)[0] for one in found.items]


def audience_of(client: Client, services: Services, target: Any) -> Audience:
    found: Audience = requested(client, services, {} if target is None else {"target": target}).fact.audience
    return found


def sent(client: Client, services: Services, settings: Any, url: str | None = None) -> tuple[str, Any]:
    """The id of a message with these settings, and what the engine sends."""
    shown = {"alert": ALERT, **({"url": url} if url else {})}
    answer = client.post("/messages", {"message": shown, "settings": settings})
    assert answer.status_code == 202, answer.text
    return answer.json["messageId"], entry_of(client, services, answer.json["messageId"]).fact.message


def reached(services: Services, client: Client, wanted: Audience) -> int:
    with services.readers.connection() as connection:
        counts = audience.count(connection, UUID(client.application), wanted, services.digest)
    return counts.audience + sum(counts.excluded.values())
