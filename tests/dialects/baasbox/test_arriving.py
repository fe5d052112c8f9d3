"""A push through BaasBox, on everything that runs: what the phones get, as its SDKs parse it, and what is recorded."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from patience import eventually
from system.instance import Instance

APPLE = "ba".ljust(64, "5")
ANDROID = "baasbox-registration-1"
SYMBIAN = "baasbox-symbian-1"
CUSTOM = {"room": 7, "tags": ["a", None]}
WHOLE = {
    "message": "Doors close at six",
    "sound": "bell.caf",
    "badge": 3.0,
    "actionLocalizedKey": "OPEN",
    "localizedKey": "CLOSING",
    "localizedArguments": ["six", "pm"],
    "content-available": 1,
    "category": "DOORS",
    "collapse_key": "doors",
    "time_to_live": 3600,
    "custom": CUSTOM,
}


@dataclass(frozen=True)
class Chat:
    """The sandbox's app, as one of its users or its administrator calls it."""

    instance: Instance

    def call(self, method: str, path: str, user: tuple[str, str] = ("test", "test"), **options: Any) -> dict[str, Any]:
        known = self.instance.environment()
        headers = {"X-BAASBOX-APPCODE": known["BAASBOX_APPCODE"]}
        answer = self.instance.request(method, known["TOCSIN_URL"] + path, auth=user, headers=headers, **options)
        assert answer.ok, answer.text
        body: dict[str, Any] = answer.json()
        return body

    @property
    def admin(self) -> tuple[str, str]:
        known = self.instance.environment()
        return known["BAASBOX_ADMIN_USER"], known["BAASBOX_ADMIN_PASSWORD"]

    def arrived(self, token: str, number: int) -> dict[str, Any]:
        """The ``number``-th push that a device got."""
        sandbox = self.instance.sandbox
        found: list[dict[str, Any]] = eventually(
            lambda: (got := sandbox.received(token=token)) and len(got) >= number and got, f"push {number}", every=0.1
        )
        return found[number - 1]


@pytest.fixture(scope="module")
def chat(instance: Instance) -> Chat:
    """Two phones of the user ``test``, and one of a system that nothing is sent to."""
    chat = Chat(instance)
    for path in (f"/push/enable/iOS/{APPLE}", f"/push/device/android/{ANDROID}", f"/push/enable/symbian/{SYMBIAN}"):
        assert chat.call("PUT", path) == {"result": "ok", "data": "", "http_code": 200}
    return chat


@pytest.fixture(scope="module")
def events(chat: Chat) -> list[dict[str, Any]]:
    """What is recorded while one push with all there is goes out, and one with no more than has to be."""
    before = chat.instance.call("GET", "/events?limit=1000")["next"]
    chat.call("POST", "/push/message", json={**WHOLE, "users": ["test"]})
    # In this order: two that are on their way together may overtake each other.
    for token in (APPLE, ANDROID):
        chat.arrived(token, 1)
    chat.call("POST", "/push/message/test", json={"message": "hi guy"})

    def told() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = chat.instance.call("GET", f"/events?limit=1000&cursor={before}")["items"]
        return found if sum(event["type"] == "send.completed" for event in found) == 2 else []

    return eventually(told, "both sends end", every=0.1)


@pytest.mark.usefixtures("events")
def test_apples_phones_get_what_was_said(chat: Chat) -> None:
    payload = chat.arrived(APPLE, 1)["payload"]

    assert payload["aps"] == {
        "alert": {
            "body": "Doors close at six",
            "loc-key": "CLOSING",
            "loc-args": ["six", "pm"],
            "action-loc-key": "OPEN",
        },
        "sound": "bell.caf",
        "badge": 3,
        "category": "DOORS",
        "content-available": 1,
    }
    assert payload["custom"] == CUSTOM


@pytest.mark.usefixtures("events")
def test_googles_phones_get_data_that_the_sdk_reads(chat: Chat) -> None:
    message = chat.arrived(ANDROID, 1)["payload"]["message"]

    assert message["data"]["message"] == "Doors close at six"
    assert json.loads(message["data"]["custom"]) == CUSTOM
    assert (message["android"]["collapse_key"], message["android"]["ttl"]) == ("doors", "3600s")
    # With a notification the system would show the push itself, and the SDK would never see it.
    assert "notification" not in message
    assert "notification" not in message["android"]


@pytest.mark.usefixtures("events")
def test_a_text_alone_arrives_as_the_original_sends_it(chat: Chat) -> None:
    apple, android = (chat.arrived(token, 2)["payload"] for token in (APPLE, ANDROID))

    assert apple["aps"] == {"alert": "hi guy", "badge": 0}
    assert "custom" not in apple
    assert android["message"]["data"]["message"] == "hi guy"
    assert "custom" not in android["message"]["data"]
    assert android["message"]["android"]["ttl"] == "2419200s"
    assert "collapse_key" not in android["message"]["android"]


def test_each_phone_is_in_the_record_with_who_pushed_to_it(chat: Chat, events: list[dict[str, Any]]) -> None:
    ours = [event for event in events if event["actor"]["dialect"] == "baasbox"]

    assert [event["type"] for event in ours] == ["send.requested", "send.started"] * 2
    assert {event["actor"]["address"] for event in ours} == {"127.0.0.1"}
    assert len({event["actor"]["principal"] for event in ours}) == 1
    assert not chat.instance.sandbox.received(token=SYMBIAN)


def test_a_certificate_that_was_uploaded_carries_the_next_push(chat: Chat, events: list[dict[str, Any]]) -> None:
    apns = json.loads((chat.instance.directory / "sandbox" / "providers.json").read_text())["apns"]
    key = "/admin/configuration/Push/profile1.production.ios.certificate"
    chat.call("PUT", f"{key}.password", chat.admin, json={"value": apns["certificate_password"]})
    uploaded = chat.call(
        "PUT", key, chat.admin, files={"file": ("push.p12", Path(apns["certificate_path"]).read_bytes())}
    )
    assert uploaded["data"] == ""
    app = chat.instance.environment()["BAASBOX_APP_UUID"]
    assert chat.instance.call("GET", f"/apps/{app}/providers/apns")["configuration"]["authentication"] == "certificate"

    chat.call("POST", "/push/message/test", json={"message": "by certificate"})

    assert chat.arrived(APPLE, 3)["payload"]["aps"]["alert"] == "by certificate"
