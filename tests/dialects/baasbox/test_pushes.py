"""Pushes through several profiles, in either mode, and what an administrator may be told of one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from uuid import UUID

import msgspec
import pytest

from dialects.baasbox.client import Client
from dialects.service_account import service_account
from tocsin.api.services import Services
from tocsin.commands.context import Context
from tocsin.commands.providers import configure_provider
from tocsin.commands.sends import load_send
from tocsin.domain.entry import system
from tocsin.projections import sends

PATH = "/admin/configuration/Push/profile{}.push.{}.enable"


@pytest.fixture
def switched_on(admin: Client, services: Services, app_id: UUID) -> Iterator[None]:
    """Profile 2 in production and profile 3 in the sandbox, with providers of their own."""
    for profile in ("profile2", "profile3-sandbox"):
        context = Context(system("test"))
        configure_provider(services.engine, context, app_id, "fcm", {}, service_account(), profile=profile)
    for path in (PATH.format(2, "profile"), PATH.format(3, "sandbox"), PATH.format(3, "profile")):
        assert admin.put(path, {"value": "true"}).status_code == 200
    yield
    for path in (PATH.format(2, "profile"), PATH.format(3, "profile")):
        admin.put(path, {"value": "false"})


@pytest.fixture(scope="module")
def phone(ann: Client) -> Client:
    """Ann has one."""
    ann.put("/push/enable/android/token-of-ann")
    return ann


def profiles(services: Services, app_id: UUID, number: int) -> list[str]:
    """By which profiles the last pushes go, the newest first."""
    with services.readers.connection() as connection:
        found = sends.list_sends(connection, app_id, limit=number).items
    states = [load_send(services.engine, app_id, one.row.send_id).state for one in found]
    return [state.request.audience.profile for state in states]


@pytest.mark.usefixtures("switched_on")
def test_a_push_goes_by_each_of_its_profiles(admin: Client, phone: Client, services: Services, app_id: UUID) -> None:
    answer = admin.post("/push/message", {"message": "hi", "users": ["ann"], "profiles": [3, 1, 2, 3]})

    assert answer.json["data"] == "Push Notification(s) has been sent"
    assert profiles(services, app_id, 3) == ["profile2", "default", "profile3-sandbox"]


@pytest.mark.usefixtures("switched_on")
def test_the_older_route_goes_by_several_profiles_too(
    admin: Client, phone: Client, services: Services, app_id: UUID
) -> None:
    assert admin.post("/push/message/ann", {"message": "hi", "profiles": [1, "2"]}).json["data"] == ""
    assert profiles(services, app_id, 2) == ["profile2", "default"]


def test_one_profile_that_is_off_stops_them_all(admin: Client, phone: Client, appends_nothing: Any) -> None:
    with appends_nothing():
        answer = admin.post("/push/message", {"message": "hi", "users": ["ann"], "profiles": [1, 2]})

    assert (answer.status_code, answer.json["bb_code"]) == (503, "50305")


@pytest.mark.usefixtures("switched_on")
def test_a_profile_is_not_switched_to_a_mode_that_nothing_is_configured_for(
    admin: Client, phone: Client, services: Services, app_id: UUID
) -> None:
    refused = admin.put(PATH.format(2, "sandbox"), {"value": "true"})

    assert (refused.status_code, refused.json["bb_code"]) == (503, "50306")
    assert refused.json["message"] == "Cannot switch, because settings for the selected mode are missing"
    assert admin.post("/push/message", {"message": "hi", "users": ["ann"], "profiles": [2]}).status_code == 200
    assert profiles(services, app_id, 1) == ["profile2"]


@pytest.mark.parametrize("verbose", ["true", "TRUE"])
def test_an_administrator_may_be_told_how_a_push_was_understood(admin: Client, phone: Client, verbose: str) -> None:
    answer = admin.post(f"/push/message?verbose={verbose}", {"message": "hi", "users": ["ann", "admin", "ann"]})

    assert answer.status_code == 200
    assert answer.json["data"] == [
        "Payload message received: hi",
        "Users extracted: ann,admin",
        "Profiles computed: 1",
        "Processing user ann: the message will be sent to 1 device(s)",
        "Processing user admin: the message will be sent to 0 device(s)",
    ]
    assert "token-of-ann" not in answer.text


def test_nobody_else_is_told(admin: Client, phone: Client) -> None:
    body = {"message": "hi", "users": ["ann"]}

    assert phone.post("/push/message?verbose=true", body).json["data"] == "Push Notification(s) has been sent"
    assert admin.post("/push/message?verbose=1", body).json["data"] == "Push Notification(s) has been sent"
    assert admin.post("/push/message/ann?verbose=true", body).json["data"] == ""


def test_a_loss_is_told_before_anything_else(admin: Client, anonymous: Client) -> None:
    leo = anonymous.signed_up("leo")
    leo.put("/push/enable/android/token-of-leo")
    leo.put("/push/enable/ios/" + "7e" * 32)

    answer = admin.post("/push/message?verbose=true", {"message": "hi", "users": ["leo"]})

    assert (answer.status_code, answer.json["result"], answer.json["bb_code"]) == (200, "ok", "20001")
    assert answer.json["data"] == (
        "Push notifications were sent but they may be subject to loss of data. HINT: check push settings in console"
    )


@pytest.mark.parametrize(("asked", "ttl"), [(0, "0s"), (1.9, "1s"), (2419200, "2419200s"), (10**12, "2419200s")])
def test_google_keeps_a_push_for_four_weeks_at_most(
    admin: Client, phone: Client, services: Services, app_id: UUID, asked: float, ttl: str
) -> None:
    assert admin.post("/push/message/ann", {"message": "hi", "time_to_live": asked}).status_code == 200

    with services.readers.connection() as connection:
        (sent,) = sends.list_sends(connection, app_id, limit=1).items
    message = load_send(services.engine, app_id, sent.row.send_id).state.request.message
    assert msgspec.to_builtins(message)["fcm"]["android"]["ttl"] == ttl


@pytest.mark.parametrize(("asked", "sent"), [(1, True), (0, False), (2, False)])
def test_only_1_makes_a_push_a_silent_one(
    admin: Client, phone: Client, services: Services, app_id: UUID, asked: int, sent: bool
) -> None:
    assert admin.post("/push/message/ann", {"message": "hi", "content-available": asked}).status_code == 200

    with services.readers.connection() as connection:
        (newest,) = sends.list_sends(connection, app_id, limit=1).items
    message = load_send(services.engine, app_id, newest.row.send_id).state.request.message
    assert ("content-available" in msgspec.to_builtins(message)["apns"]["aps"]) is sent


def test_no_credential_of_another_app_opens_this_one(admin: Client, phone: Client) -> None:
    stranger = replace(admin, user=("ann", "wrong"))

    assert stranger.post("/push/message", {"message": "hi", "users": ["ann"]}).status_code == 401
