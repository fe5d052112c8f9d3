"""Whom a message is for, and whom it reaches."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from flask import Flask

from dialects.mobilefirst.client import Client
from dialects.mobilefirst.conftest import provisioned
from dialects.mobilefirst.messages import ALERT, BROADCAST, audience_of
from tocsin.api.services import Services
from tocsin.commands.apps import change_app
from tocsin.commands.context import Context
from tocsin.commands.people import EXTERNAL_ID, user
from tocsin.domain.app import UpdateApp
from tocsin.domain.audience import Audience
from tocsin.domain.entry import system
from tocsin.domain.platforms import APPLE
from tocsin.projections import audience


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


def reached(services: Services, client: Client, wanted: Audience) -> int:
    with services.readers.connection() as connection:
        counts = audience.count(connection, UUID(client.application), wanted, services.digest)
    return counts.audience + sum(counts.excluded.values())
