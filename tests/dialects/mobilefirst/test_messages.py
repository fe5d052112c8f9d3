"""Messages: accepted, refused, sent in bulk, and what can be read of them afterwards."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any
from uuid import uuid4

import pytest

from dialects.mobilefirst.client import Client
from dialects.mobilefirst.messages import ALERT, BROADCAST, entry_of, requested
from tocsin.api.services import Services
from tocsin.domain.audience import Audience


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
