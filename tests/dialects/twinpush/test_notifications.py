"""Notifications: to every kind of target, as they are recorded, shown, reported and taken back."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from flask import Flask

from dialects.twinpush.client import Client, await_position, new_app, refusal
from tocsin.api.services import Services
from tocsin.commands.apps import change_app
from tocsin.commands.context import Context
from tocsin.commands.people import alias
from tocsin.commands.sends import load_send
from tocsin.domain.app import SaveSegment, UpdateApp
from tocsin.domain.audience import Audience, Criteria, Segment
from tocsin.domain.entry import system
from tocsin.domain.events.send import SendRequested
from tocsin.domain.payloads import apns_body, fcm_body
from tocsin.domain.recipient_messages import PersonalMessages
from tocsin.projections import devices, sends

AppendsNothing = Callable[[], AbstractContextManager[None]]
Delivered = Callable[..., dict[str, Any]]
Requested = Callable[[dict[str, Any]], SendRequested]

DATE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC")
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


@pytest.fixture
def requested(services: Services, app_id: UUID) -> Requested:
    """What was recorded of a notification."""

    def of(notification: dict[str, Any]) -> SendRequested:
        with services.readers.connection() as connection:
            found = sends.send_by_handle(connection, app_id, services.handles, notification["id"])
        assert found is not None
        state = load_send(services.engine, app_id, found.row.send_id).state
        assert state is not None
        return state.request

    return of


@pytest.fixture
def ids(services: Services, app_id: UUID) -> Callable[[str], UUID]:
    def of(shown: str) -> UUID:
        with services.readers.connection() as connection:
            found = devices.device_by_handle(connection, app_id, services.handles, shown)
        assert found is not None
        return found.device_id

    return of


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


def test_a_broadcast_goes_to_the_devices_of_the_apis_its_app_names(services: Services, app: Flask) -> None:
    app_id = new_app(services, "Through")
    update = UpdateApp(settings={"twinpush": {"through": ["twinpush", "moxie"], "inbox": True}})
    done = change_app(services.engine, Context(system("test")), app_id, update)
    await_position(services, done.position)
    other = Client.provisioned(app, services, app_id)

    created = other.create()

    with services.readers.connection() as connection:
        found = sends.send_by_handle(connection, app_id, services.handles, created["id"])
    assert found is not None
    assert found.row.audience["through"] == ["twinpush", "moxie"]
    assert (created["inbox"], other.create(inbox=False)["inbox"]) == (True, False)


def test_devices_are_named_by_their_ids(
    client: Client, requested: Requested, services: Services, app_id: UUID, ids: Callable[[str], UUID]
) -> None:
    one, two = client.register()["id"], client.register()["id"]
    with services.readers.connection() as connection:
        row = devices.device_by_handle(connection, app_id, services.handles, two)
    assert row is not None

    by_ids = requested(client.create(devices_ids=[one, two, one]))
    by_numbers = requested(client.create(devices_ids=[one, row.created_position, str(row.created_position)]))

    assert by_ids.audience == by_numbers.audience == Audience(devices=(ids(one), ids(two)))


def test_a_device_nobody_knows_is_told_and_others_are_not_sent_to(
    client: Client, stranger: Client, appends_nothing: AppendsNothing
) -> None:
    known, theirs = client.register()["id"], stranger.register()["id"]
    with appends_nothing():
        for unknown in (theirs, "a" * 16, "nonsense"):
            answer = client.post("notifications", {"alert": "Hello", "devices_ids": [known, unknown]})
            assert refusal(answer) == (404, "DeviceNotFound")
            answer = client.post("notifications", {"alert": "Hello", "multiple_devices": {known: {}, unknown: {}}})
            assert refusal(answer) == (404, "DeviceNotFound")


def test_aliases_and_segments_nobody_has_reach_nobody(client: Client, delivered: Delivered) -> None:
    for target in ({"devices_aliases": [uuid4().hex]}, {"segments": [uuid4().hex]}):
        created = delivered(**target)
        report = client.get(f"notifications/{created['id']}/report").json
        assert (report["status"], report["delivery_count"]) == ("sent", 0)
        assert [one["key"] for one in report["errors"]] == ["no-devices"]


@pytest.mark.parametrize("name", ["devices_aliases", "devices_alias"])
def test_aliases_name_people(client: Client, requested: Requested, services: Services, app_id: UUID, name: str) -> None:
    answer = client.post("notifications", {"alert": "Hello", name: ["ada", "bob", "ada"]})

    (created,) = answer.json["objects"]
    digest = services.engine.digest
    assert requested(created).audience.aliases == (alias(digest, app_id, "ada"), alias(digest, app_id, "bob"))


def test_segments_are_what_the_app_keeps_under_their_names(
    client: Client, requested: Requested, services: Services, app_id: UUID
) -> None:
    criteria = Criteria(properties={"level": ("gold",)})
    done = change_app(services.engine, Context(system("test")), app_id, SaveSegment(name="gold", criteria=criteria))
    await_position(services, done.position)

    both = requested(client.create(segments=["gold", "silver"], target_properties={"city": ["Oxford", "Bath"]}))

    assert both.audience == Audience(
        segments=(Segment(name="gold", criteria=criteria), Segment(name="silver")),
        properties={"city": ("Oxford", "Bath")},
    )


@pytest.mark.parametrize(
    ("target", "properties"),
    [
        ({"target_properties": {"level": ["a", "b"], "city": ["c"]}}, {"level": ("a", "b"), "city": ("c",)}),
        ({"target_properties": {"level": "gold", "empty": []}}, {"level": ("gold",)}),
        ({"target_property": {"name": "level", "values": ["gold"]}}, {"level": ("gold",)}),
        ({"target_property": {"name": "level", "values": "gold"}}, {"level": ("gold",)}),
    ],
)
def test_properties_choose_among_everybody(
    client: Client, requested: Requested, target: dict[str, Any], properties: dict[str, Any]
) -> None:
    (created,) = client.post("notifications", {"alert": "Hello", **target}).json["objects"]

    assert requested(created).audience == Audience(everyone=True, properties=properties)


def test_it_reaches_those_who_have_the_properties(client: Client, delivered: Delivered) -> None:
    level = uuid4().hex
    have, lack = client.register()["id"], client.register()["id"]
    for device, value in ((have, [level, "x"]), (lack, ["x"])):
        body = {"name": "levels", "type": "enum_list", "value": value}
        assert client.post(f"devices/{device}/set_custom_property", body).status_code == 200

    created = delivered(target_properties={"levels": [level]})

    found = client.get(f"notifications/{created['id']}/deliveries").json["objects"]
    assert [one["device"]["id"] for one in found] == [have]


def test_every_device_may_be_told_something_else(
    client: Client, requested: Requested, ids: Callable[[str], UUID]
) -> None:
    one, two = client.register()["id"], client.register()["id"]
    own = {"alert": "Hi Ada", "url": "http://a.example", "badge": 3, "custom_properties": {"b": 2}}

    fact = requested(client.create(title="T", custom_properties={"a": "1"}, multiple_devices={one: own, two: {}}))

    assert fact.audience == Audience(devices=(ids(one), ids(two)))
    told = PersonalMessages(fact)
    assert told.message(ids(two), None, None) == fact.message
    message = told.message(ids(one), None, None)
    assert (message.body, message.title, message.badge, message.badge_change) == ("Hi Ada", "T", 3, None)
    assert apns_body(message)["aps"]["alert"] == {"title": "T", "body": "Hi Ada"}
    assert {name: apns_body(message)[name] for name in ("a", "b", "tp_rich_url")} == {
        "a": "1",
        "b": "2",
        "tp_rich_url": "http://a.example",
    }
    data = fcm_body(message)["data"]
    assert (data["message"], data["title"], json.loads(data["custom"])) == ("Hi Ada", "T", {"a": "1", "b": "2"})


def test_so_may_every_alias(client: Client, requested: Requested) -> None:
    fact = requested(
        client.create(
            multiple_alias={
                "allan_poe": {"alert": "Hi Allan", "title": "Only you"},
                "mike": {"custom_properties": {"private": True}},
                "anonymous": {},
            }
        )
    )

    told = PersonalMessages(fact)
    assert len(fact.audience.aliases) == 3
    assert [told.message(uuid4(), None, name).body for name in ("allan_poe", "mike", "anonymous")] == [
        "Hi Allan",
        "Hello",
        "Hello",
    ]
    assert apns_body(told.message(uuid4(), None, "allan_poe"))["aps"]["alert"] == {
        "title": "Only you",
        "body": "Hi Allan",
    }
    assert told.message(uuid4(), None, "mike").data == {"private": "true"}


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


def test_notifications_are_listed_and_shown_as_they_were_created(client: Client) -> None:
    created = [client.create(alert=f"Number {one}", title="T")["id"] for one in range(3)]

    listed = client.get("notifications?per_page=3").json
    shown = client.get(f"notifications/{created[0]}").json

    assert [one["id"] for one in listed["objects"]] == created[::-1]
    assert (shown["alert"], shown["title"], shown["objects"][0]["id"]) == ("Number 0", "T", created[0])
    assert shown["references"] == []


def test_a_notification_is_found_by_the_number_its_payload_carries(
    client: Client, services: Services, app_id: UUID
) -> None:
    created = client.create()["id"]
    with services.readers.connection() as connection:
        found = sends.send_by_handle(connection, app_id, services.handles, created)
    assert found is not None

    assert client.get(f"notifications/{found.row.created_position}").json["id"] == created


def test_a_deleted_notification_is_nowhere_and_what_had_not_gone_out_never_does(
    client: Client, services: Services, app_id: UUID
) -> None:
    created = client.create(send_since="2999-10-10 15:14:33 +0000")["id"]

    assert client.delete(f"notifications/{created}").json == {}

    assert refusal(client.get(f"notifications/{created}")) == (404, "NotificationNotFound")
    assert refusal(client.delete(f"notifications/{created}")) == (404, "NotificationNotFound")
    assert refusal(client.get(f"notifications/{created}/report")) == (404, "NotificationNotFound")
    assert created not in {one["id"] for one in client.get("notifications?per_page=1000").json["objects"]}
    with services.readers.connection() as connection:
        found = sends.send_by_handle(connection, app_id, services.handles, created)
    assert found is not None
    assert found.row.status == "cancelled"


def test_a_report_counts_what_became_of_a_notification(client: Client, delivered: Delivered) -> None:
    alias_device = uuid4().hex
    good, opened, dead = (client.register(alias_device=alias_device)["id"] for _ in range(3))
    client.register(alias_device=alias_device, platform="huawei")
    created = delivered(devices_aliases=[alias_device], failed=(dead,))
    client.post(f"devices/{good}/notifications/{created['id']}/received_notification")
    client.post(f"devices/{opened}/notifications/{created['id']}/open_notification")

    report = client.get(f"notifications/{created['id']}/report").json

    assert (report["status"], report["delivery_count"]) == ("sent", 2)
    # What was opened has been received.
    assert (report["received_count"], report["opening_count"]) == (2, 1)
    assert [(one["platform"], one["level"], one["key"]) for one in report["errors"]] == [
        ("android", "error", "BadDeviceToken"),
        ("all", "warning", "no-provider"),
    ]
    assert all(DATE.fullmatch(one["created_at"]) and one["message"] for one in report["errors"])
    assert report["notification"]["id"] == created["id"]


def test_reports_are_listed_newest_first_since_a_date(client: Client, delivered: Delivered) -> None:
    device = client.register()["id"]
    created = [delivered(devices_ids=[device])["id"] for _ in range(2)]

    listed = client.get("notifications/reports?per_page=2&date=2016-10-29").json

    assert [one["notification"]["id"] for one in listed["objects"]] == created[::-1]
    assert listed["objects"] == [client.get(f"notifications/{one}/report").json for one in created[::-1]]
    assert client.get("notifications/reports?date=2999-10-29").json["total_entries"] == 0
    assert refusal(client.get("notifications/reports?date=never")) == (422, "InvalidParameter")


def test_a_notification_that_reached_none_of_its_devices_is_an_error(client: Client, delivered: Delivered) -> None:
    device = client.register()["id"]

    created = delivered(devices_ids=[device], failed=(device,))

    report = client.get(f"notifications/{created['id']}/report").json
    assert (report["status"], report["delivery_count"]) == ("error", 0)


def test_deliveries_say_what_became_of_each_device(client: Client, delivered: Delivered) -> None:
    alias_device = uuid4().hex
    ids = {client.register(alias_device=alias_device)["id"] for _ in range(3)}
    created = delivered(devices_aliases=[alias_device])
    path = f"notifications/{created['id']}/deliveries"

    got, posted = client.get(f"{path}?per_page=2").json, client.post(path, {"page": "2", "per_page": "2"}).json

    found = got["objects"] + posted["objects"]
    assert {one["device"]["id"] for one in found} == ids
    assert len({one["id"] for one in found}) == 3
    assert all(type(one["id"]) is int and DATE.fullmatch(one["created_at"]) for one in found)
    assert {(one["received_at"], one["open_at"], one["device"]["alias_device"]) for one in found} == {
        (None, None, alias_device)
    }
    assert (got["total_entries"], got["total_pages"], posted["current_page"]) == (3, 2, 2)
    assert refusal(client.get(f"{path}?page=3&per_page=2")) == (404, "NotFound")


def test_protected_content_is_for_its_recipients_eyes(client: Client, delivered: Delivered) -> None:
    device, other = client.register()["id"], client.register()["id"]
    created = delivered(devices_ids=[device], protected_content=True, title="Private", inbox=True)
    assert (created["alert"], created["title"]) == ("Hello", "Private")

    seen = {
        path: (shown["alert"], shown["title"])
        for path in ("", f"devices/{other}/", f"devices/{device}/")
        for shown in [client.get(f"{path}notifications/{created['id']}").json]
    }

    assert seen == {"": (None, None), f"devices/{other}/": (None, None), f"devices/{device}/": ("Hello", "Private")}
    listed = client.get("notifications").json["objects"]
    assert [one["alert"] for one in listed if one["id"] == created["id"]] == [None]
    (item,) = client.get(f"devices/{device}/inbox").json["objects"]
    assert item["notification"]["alert"] == "Hello"
