"""Whom a notification is for: everybody, devices, aliases, segments, properties, each with a text of its own."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any
from uuid import UUID, uuid4

import pytest
from flask import Flask

from dialects.twinpush.client import Client, await_position, new_app, refusal
from dialects.twinpush.conftest import Delivered, Requested
from tocsin.api.services import Services
from tocsin.commands.apps import change_app
from tocsin.commands.context import Context
from tocsin.commands.people import alias
from tocsin.domain.app import SaveSegment, UpdateApp
from tocsin.domain.audience import Audience, Criteria, Segment
from tocsin.domain.entry import system
from tocsin.domain.payloads import apns_body, fcm_body
from tocsin.domain.recipient_messages import PersonalMessages
from tocsin.projections import devices, sends

AppendsNothing = Callable[[], AbstractContextManager[None]]


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
