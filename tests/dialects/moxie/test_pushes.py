"""Pushes and the devices they go to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any
from uuid import UUID, uuid4

import pytest
from patience import PATIENCE

from dialects.moxie.client import Client
from tocsin.api.services import Services
from tocsin.commands.apps import change_app
from tocsin.commands.context import Context
from tocsin.commands.sends import load_send
from tocsin.domain.app import UpdateApp
from tocsin.domain.audience import Audience
from tocsin.domain.entry import Entry, system
from tocsin.domain.events.send import SendRequested
from tocsin.domain.payloads import apns_body, fcm_body
from tocsin.projections import devices, sends

INCOMPLETE = "You must pass a JSON document with properties 'notification' and 'message'"
LENGTH = "'message' must be between 3 and 250 characters"


def test_a_push_is_a_send_of_its_notification_to_everyone(client: Client, services: Services, app_id: UUID) -> None:
    ident = client.create()

    client.post("/push", {"notification": ident, "message": "  avoid the area "})

    fact = requested(services, app_id)
    assert fact.subject.notification_id == UUID(ident)
    assert fact.audience == Audience(everyone=True)
    assert apns_body(fact.message)["aps"]["alert"] == "avoid the area"
    assert fcm_body(fact.message)["data"] == {"title": "Mobile Oxford", "message": "avoid the area"}


def test_it_is_recorded_who_pushed_from_where(client: Client, services: Services, app_id: UUID) -> None:
    client.post("/push", {"notification": client.create(), "message": "avoid the area"})

    who = last_entry(services, app_id).actor
    assert (who.dialect, who.address) == ("moxie", "127.0.0.1")
    assert who.credential is not None
    assert who.principal == f"credential:{who.credential}"


def test_what_has_expired_is_pushed_too(client: Client) -> None:
    ident = client.create(timestamp="2014-01-10T11:49:55", expires="2014-01-10T12:49:55")

    assert client.post("/push", {"notification": ident, "message": "abc"}).status_code == 202


@pytest.fixture
def configured(services: Services, app_id: UUID) -> Iterator[Callable[[dict[str, Any]], None]]:
    """Sets what the app says of Moxie."""

    def configure(own: Any) -> None:
        update = UpdateApp(settings={"moxie": own})
        done = change_app(services.engine, Context(system("test")), app_id, update)
        assert services.waiter.wait_for(done.position, ["apps"], PATIENCE)

    yield configure
    configure({"default": True})


def test_an_app_says_what_stands_above_its_pushes_and_whose_devices_get_them(
    client: Client, services: Services, app_id: UUID, configured: Callable[[Any], None]
) -> None:
    ident = client.create()
    configured({"title": "Campus", "through": ["moxie", "twinpush"]})

    client.post("/push", {"notification": ident, "message": "avoid the area"})

    fact = requested(services, app_id)
    assert fcm_body(fact.message)["data"]["title"] == "Campus"
    assert fact.audience == Audience(everyone=True, through=("moxie", "twinpush"))


@pytest.mark.parametrize("settings", [7, [], {"title": 7, "through": "x"}, {"title": "", "through": [7]}])
def test_settings_that_say_nothing_change_nothing(
    client: Client, services: Services, app_id: UUID, configured: Callable[[Any], None], settings: Any
) -> None:
    ident = client.create()
    configured(settings)

    assert client.post("/push", {"notification": ident, "message": "abc"}).status_code == 202
    assert requested(services, app_id).message.title == "Mobile Oxford"


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"{", b"[]", b"null", b"{}", b'"x"', b"\xff", b"[" * 99_999),
        *(b'{"message": "abc"}', b'{"notification": "X"}', b'{"notification": 7, "message": "abc"}'),
        *(b'{"notification": "X", "message": 7}', b'{"notification": null, "message": null}'),
    ],
)
def test_a_push_without_its_two_members_is_refused(client: Client, body: bytes) -> None:
    answer = client.post("/push", body)

    assert (answer.status_code, answer.json) == (400, {"description": INCOMPLETE})


@pytest.mark.parametrize(("message", "status"), [("ab", 400), (" ab ", 400), ("abc", 202), ("", 400)])
def test_a_message_has_three_characters_or_more(client: Client, message: str, status: int) -> None:
    answer = client.post("/push", {"notification": client.create(), "message": message})

    assert answer.status_code == status
    assert status == 202 or answer.json == {"description": LENGTH}


def test_a_message_has_250_characters_or_fewer(client: Client) -> None:
    ident = client.create()

    assert client.post("/push", {"notification": ident, "message": "🔥" * 250}).status_code == 202
    answer = client.post("/push", {"notification": ident, "message": "x" * 251})
    assert (answer.status_code, answer.json) == (400, {"description": LENGTH})


def test_a_push_of_what_is_not_there_is_refused(
    client: Client, appends_nothing: Callable[[], AbstractContextManager[None]]
) -> None:
    deleted = client.create()
    client.delete(f"/notifications/{deleted}")

    with appends_nothing():
        for ident in ("X", str(uuid4()), deleted):
            answer = client.post("/push", {"notification": ident, "message": "abc"})
            assert (answer.status_code, answer.json) == (400, {"description": f"Notification '{ident}' not found"})


@pytest.mark.parametrize(
    ("route", "member", "platform"),
    [("gcm", "registration_id", "android"), ("apns", "device_token", "ios")],
)
def test_a_device_registers_without_a_key_once(
    client: Client, services: Services, app_id: UUID, route: str, member: str, platform: str
) -> None:
    body = {member: uuid4().hex * 2}

    for _ in range(2):
        answer = client.call("POST", f"/notifications/register/{route}", body, signed=False)
        assert (answer.status_code, answer.json) == (202, {"success": 1})

    with services.readers.connection() as connection:
        found = devices.list_devices(connection, app_id, devices.DeviceFilter(platform=platform), limit=1000).items
    assert [one.token for one in found].count(body[member]) == 1


@pytest.mark.parametrize(("route", "member"), [("gcm", "registration_id"), ("apns", "device_token")])
def test_a_registration_without_its_token_is_refused(client: Client, route: str, member: str) -> None:
    path = f"/notifications/register/{route}"
    for body in (b"", b"{", b"nonsense", b"\xff"):
        answer = client.call("POST", path, body, signed=False)
        assert (answer.status_code, answer.json) == (400, {"error": "Expected JSON in POST data"})
    for value in ({}, [], None, {member: ""}, {member: "  "}, {member: None}, {member: 7}, {"other": "x"}):
        answer = client.call("POST", path, value if value is not None else b"null", signed=False)
        assert (answer.status_code, answer.json) == (400, {"error": f"Expected key: {member}"})
    for value in ("x" * 5000, "a\0b"):
        answer = client.call("POST", path, {member: value}, signed=False)
        assert answer.status_code == 400
        assert list(answer.json) == ["error"]
        assert value not in answer.text


def requested(services: Services, app_id: UUID) -> SendRequested:
    """What the app's newest send was asked for as."""
    fact = last_entry(services, app_id).fact
    assert isinstance(fact, SendRequested)
    return fact


def last_entry(services: Services, app_id: UUID) -> Entry:
    with services.readers.connection() as connection:
        (newest,) = sends.list_sends(connection, app_id, limit=1).items
    return load_send(services.engine, app_id, newest.row.send_id).entries[0]
