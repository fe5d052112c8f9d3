"""Notifications: what may be said in one, as it is recorded, shown and sent."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import Any

import pytest

from dialects.twinpush.client import DATE, Client, refusal
from dialects.twinpush.conftest import Requested
from tocsin.domain.audience import Audience
from tocsin.domain.payloads import apns_body, fcm_body

AppendsNothing = Callable[[], AbstractContextManager[None]]


CREATED_IN_2016 = {
    "id",
    "type",
    "sound",
    "alert",
    "title",
    "badge",
    "custom_properties",
    "tp_rich_url",
    "delivery_speed",
    "name",
    "group_name",
    "protected_content",
    "send_since",
    "last_sent_at",
    "tags",
    "created_at",
    "updated_at",
}


def test_all_that_may_be_said_of_a_notification_is_recorded_and_shown(client: Client, requested: Requested) -> None:
    said = {
        "alert": "This is the message",
        "title": "Welcome",
        "subtitle": "To you",
        "category": "NEWS",
        "sound": "waves",
        "badge": "-2",
        "custom_properties": {"scope": "public", "campaign": 1, "private": True, "none": None, "list": [1, "a"]},
        "delivery_speed": "slow",
        "name": "First",
        "group_name": "Commercial Offers",
        "protected_content": False,
        "mutable_content": True,
        "inbox": True,
    }

    shown = client.create(**said, url="http://www.inception-explained.com", tags=["one", "two", "one"])

    custom = {"scope": "public", "campaign": "1", "private": "true", "none": "", "list": '[1,"a"]'}
    assert shown == {
        **said,
        "id": shown["id"],
        "type": "Notification",
        "custom_properties": custom,
        "tp_rich_url": "http://www.inception-explained.com",
        "tags": ["one", "two", "tp_rich"],
        **{name: shown[name] for name in ("send_since", "last_sent_at", "created_at", "updated_at")},
    }
    assert shown.keys() >= CREATED_IN_2016
    assert all(DATE.fullmatch(shown[name]) for name in ("send_since", "last_sent_at", "created_at", "updated_at"))
    fact = requested(shown)
    assert (fact.pace, fact.name, fact.campaign, fact.inbox) == (1000, "First", "Commercial Offers", True)
    assert fact.labels == ("one", "two", "tp_rich")


def test_most_of_it_need_not_be_said(client: Client, requested: Requested) -> None:
    answer = client.post("notifications", {"alert": "Hello", "broadcast": True})

    (shown,) = answer.json["objects"]
    assert answer.json["references"] == []
    silent = {name: shown[name] for name in ("title", "subtitle", "category", "sound", "tp_rich_url", "name")}
    assert set(silent.values()) == {None}
    assert (shown["badge"], shown["delivery_speed"], shown["custom_properties"], shown["tags"]) == (
        "+1",
        "normal",
        {},
        [],
    )
    fact = requested(shown)
    assert (fact.pace, fact.inbox, fact.protected, fact.audience) == (10_000, False, False, Audience(everyone=True))


@pytest.mark.parametrize(("speed", "pace"), [("instant", None), ("fast", 100_000), ("normal", 10_000), ("slow", 1000)])
def test_a_delivery_speed_is_devices_a_minute(
    client: Client, requested: Requested, speed: str, pace: int | None
) -> None:
    shown = client.create(delivery_speed=speed)

    assert requested(shown).pace == pace
    assert client.get(f"notifications/{shown['id']}").json["delivery_speed"] == speed


@pytest.mark.parametrize(
    ("badge", "shown", "change", "number"),
    [("+1", "+1", 1, None), ("-3", "-3", -3, None), (12, "12", None, 12), ("7", "7", None, 7), (None, "+1", 1, None)],
)
def test_a_badge_is_a_number_or_a_change(
    client: Client, requested: Requested, badge: Any, shown: str, change: int | None, number: int | None
) -> None:
    created = client.create(badge=badge)

    message = requested(created).message
    assert (message.badge_change, message.badge) == (change, number)
    assert {created["badge"], client.get(f"notifications/{created['id']}").json["badge"]} == {shown}


@pytest.mark.parametrize(
    "since",
    ["2999-10-10 15:14:33 +0000", "2999-10-10 17:14:33 +0200", "2999-10-10 15:14:33 UTC", "2999-10-10T15:14:33Z"],
)
def test_a_notification_may_be_sent_later(client: Client, requested: Requested, since: str) -> None:
    created = client.create(send_since=since)

    assert (created["send_since"], created["last_sent_at"]) == ("2999-10-10 15:14:33 UTC", None)
    assert requested(created).not_before == datetime(2999, 10, 10, 15, 14, 33, tzinfo=UTC)
    assert client.get(f"notifications/{created['id']}/report").json["status"] == "scheduled"
    assert client.get(f"notifications/{created['id']}").json["send_since"] == "2999-10-10 15:14:33 UTC"


@pytest.mark.parametrize("since", ["2013-10-10 15:14:33 +0000", None, ""])
def test_what_is_due_or_has_no_date_is_sent_at_once(client: Client, since: str | None) -> None:
    created = client.create(send_since=since)

    shown = client.get(f"notifications/{created['id']}").json
    assert created["last_sent_at"] is not None
    assert shown["send_since"] == created["send_since"] == ("2013-10-10 15:14:33 UTC" if since else shown["created_at"])


def test_a_key_of_the_apps_own_never_takes_the_place_of_one_of_ours(client: Client, requested: Requested) -> None:
    custom = {"tp_id": "x", "url": "u", "title": "t", "message": "m", "custom": "c", "tags": "g", "subtitle": "s"}

    message = requested(client.create(custom_properties=custom, url="http://a.example")).message

    data, payload = fcm_body(message)["data"], apns_body(message)
    assert json.loads(data["custom"]) == custom
    assert data["message"] == "Hello"
    assert json.loads(data["tags"]) == ["tp_rich"]
    assert data["tp_rich_url"] == payload["tp_rich_url"] == "http://a.example"
    assert not {"title", "url", "subtitle"} & data.keys()
    assert {name: payload[name] for name in ("url", "title", "message", "tags")} == {
        name: custom[name] for name in ("url", "title", "message", "tags")
    }
    assert payload["aps"]["alert"] == "Hello"


def test_the_moodle_plugin_names_every_target_and_means_one(client: Client, requested: Requested) -> None:
    body = {
        "broadcast": False,
        "devices_aliases": ["student-1", "student-2"],
        "devices_ids": [],
        "segments": [],
        "target_property": {"name": [], "values": []},
        "title": "Course",
        "alert": "A new assignment",
        "url": "https://moodle.example/mod/1",
        "inbox": True,
        "delivery_speed": "normal",
        "custom_properties": {},
    }

    answer = client.post("notifications", body)

    assert answer.status_code == 200
    assert "errors" not in answer.json
    assert len(requested(answer.json["objects"][0]).audience.aliases) == 2


@pytest.mark.parametrize("inside", [True, False])
def test_old_clients_wrap_the_content_with_the_target_inside_or_beside(
    client: Client, requested: Requested, inside: bool
) -> None:
    content, target = {"alert": "Old", "tags": ["v1"]}, {"broadcast": True}
    body = {"notification": {**content, **target}} if inside else {"notification": content, **target}

    (created,) = client.post("notifications", body).json["objects"]

    assert (created["alert"], created["tags"]) == ("Old", ["v1"])
    assert requested(created).audience == Audience(everyone=True)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"broadcast": True},
        {"alert": "", "broadcast": True},
        {"alert": "  ", "broadcast": True},
        {"alert": 7, "broadcast": True},
        {"alert": "a" * 501, "broadcast": True},
        {"alert": "Hello"},
        {"alert": "Hello", "broadcast": False, "devices_ids": [], "segments": [], "multiple_alias": {}},
        {"alert": "Hello", "broadcast": "perhaps"},
        {"alert": "Hello", "broadcast": True, "devices_aliases": ["ada"]},
        {"alert": "Hello", "devices_ids": ["a" * 16], "devices_aliases": ["ada"]},
        {"alert": "Hello", "segments": ["s"], "devices_aliases": ["ada"]},
        {"alert": "Hello", "target_properties": {"a": ["b"]}, "multiple_alias": {"ada": {}}},
        {"alert": "Hello", "devices_aliases": [f"a{one}" for one in range(1001)]},
        {"alert": "Hello", "devices_ids": [f"a{one}" for one in range(1001)]},
        {"alert": "Hello", "segments": [f"a{one}" for one in range(51)]},
        {"alert": "Hello", "target_properties": {f"a{one}": ["b"] for one in range(6)}},
        {"alert": "Hello", "multiple_alias": {f"a{one}": {} for one in range(1001)}},
        {"alert": "Hello", "devices_aliases": [7]},
        {"alert": "Hello", "devices_aliases": {"a": 1}},
        {"alert": "Hello", "segments": [[]]},
        {"alert": "Hello", "target_properties": {"a": [{}]}},
        {"alert": "Hello", "target_properties": "a"},
        {"alert": "Hello", "multiple_alias": ["ada"]},
        {"alert": "Hello", "multiple_alias": {"ada": "Hi"}},
        {"alert": "Hello", "multiple_alias": {"ada": {"badge": "many"}}},
        {"alert": "Hello", "multiple_alias": {"ada": {"alert": ""}}},
        {"alert": "Hello", "multiple_alias": {"ada": {"custom_properties": {"a": "b" * 255}}}},
        {"alert": "Hello", "broadcast": True, "badge": "many"},
        {"alert": "Hello", "broadcast": True, "badge": 10**12},
        {"alert": "Hello", "broadcast": True, "delivery_speed": "warp"},
        {"alert": "Hello", "broadcast": True, "send_since": "tomorrow"},
        {"alert": "Hello", "broadcast": True, "send_since": "2030-02-30 12:00:00 +0000"},
        {"alert": "Hello", "broadcast": True, "send_since": "2030-01-30 12:00:00"},
        {"alert": "Hello", "broadcast": True, "send_since": 1456836445},
        {"alert": "Hello", "broadcast": True, "send_since": "0001-01-01 00:00:00 +1400"},
        {"alert": "Hello", "broadcast": True, "tags": "one"},
        {"alert": "Hello", "broadcast": True, "tags": [1]},
        {"alert": "Hello", "broadcast": True, "tags": [f"t{one}" for one in range(51)]},
        {"alert": "Hello", "broadcast": True, "inbox": "perhaps"},
        {"alert": "Hello", "broadcast": True, "title": ["T"]},
        {"alert": "Hello", "broadcast": True, "url": {"a": 1}},
        {"alert": "Hello", "broadcast": True, "name": "n" * 300},
        {"alert": "Hello", "broadcast": True, "custom_properties": ["a"]},
        {"alert": "Hello", "broadcast": True, "custom_properties": {"a": "b" * 255}},
        {"alert": "Hello", "broadcast": True, "custom_properties": {"aps": "x"}},
        {"alert": "Hello\0", "broadcast": True},
    ],
)
def test_a_wrong_notification_leaves_nothing(
    client: Client, appends_nothing: AppendsNothing, body: dict[str, Any]
) -> None:
    with appends_nothing():
        answer = client.post("notifications", body)

    assert refusal(answer) == (422, "NotificationNotCreated")
