"""An alert raised through Moxie, on everything that runs: what the devices get, and what is recorded of it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import pytest
import requests
from requests.auth import AuthBase
from system.instance import Instance, eventually

from dialects.moxie.client import sign

APPLE = "5e".ljust(64, "1")
ANDROID = "moxie-registration-1"
TEXT = "Bomb threat at X, avoid the area"


@dataclass(frozen=True)
class Moxie(AuthBase):
    """Signs requests as they go out."""

    key: str
    secret: str

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        date, nonce = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime()), str(time.monotonic_ns())
        digest = sign(self.secret, str(request.method), str(request.url), date, nonce)
        request.headers.update({"X-Moxie-Key": self.key, "X-HMAC-Nonce": nonce, "Date": date, "Authorization": digest})
        return request


@dataclass(frozen=True)
class Raised:
    """What was done: the notification, the seconds at which it was pushed, and all that was recorded since."""

    ident: str
    seconds: float
    events: list[dict[str, Any]]


@pytest.fixture(scope="module")
def raised(instance: Instance) -> Raised:
    """Two devices register, a notification is published and pushed, and arrives."""
    known = instance.environment()
    root, signed = known["TOCSIN_URL"] + "/notifications", Moxie(known["MOXIE_KEY"], known["MOXIE_SECRET"])
    before = instance.call("GET", "/events?limit=1000")["next"]
    post(instance, f"{root}/register/apns", {"device_token": APPLE})
    post(instance, f"{root}/register/gcm", {"registration_id": ANDROID})
    ident = post(instance, f"{root}/", {"message": "Bomb threat at X"}, signed)["ident"]
    post(instance, f"{root}/{ident}/followup", {"message": "security services have arrived on scene"}, signed)
    post(instance, f"{known['TOCSIN_URL']}/push", {"notification": ident, "message": TEXT}, signed)
    pushed = time.time()
    for token in (APPLE, ANDROID):
        eventually(lambda token=token: instance.sandbox.received(token=token), f"it arrives at {token}", every=0.1)  # type: ignore[misc]

    def told() -> list[dict[str, Any]]:
        events: list[dict[str, Any]] = instance.call("GET", f"/events?limit=1000&cursor={before}")["items"]
        return events if any(event["type"] == "send.completed" for event in events) else []

    return Raised(ident, pushed, eventually(told, "the send ends", every=0.1))


def test_apples_devices_get_the_text_alone_for_two_hours(instance: Instance, raised: Raised) -> None:
    (push,) = instance.sandbox.received(token=APPLE)

    assert push["payload"]["aps"] == {"alert": TEXT}
    assert abs(int(push["headers"]["apns-expiration"]) - raised.seconds - 7200) < 60


def test_androids_devices_get_the_keys_the_app_looks_for(instance: Instance, raised: Raised) -> None:
    (push,) = instance.sandbox.received(token=ANDROID)

    data = push["payload"]["message"]["data"]
    assert {name: data[name] for name in ("title", "message")} == {"title": "Mobile Oxford", "message": TEXT}


def test_everything_that_was_sent_is_in_the_record(raised: Raised) -> None:
    ours = [event for event in raised.events if event["actor"]["dialect"] == "moxie"]

    assert [event["type"] for event in ours] == [
        "device.registered",
        "device.registered",
        "notification.created",
        "notification.followup_added",
        "send.requested",
        "send.started",
    ]
    assert {event["actor"]["address"] for event in ours} == {"127.0.0.1"}
    assert [event["actor"]["credential"] is None for event in ours] == [True, True, False, False, False, False]
    assert [event["subject"] for event in ours if event["type"] == "notification.created"] == [raised.ident]


def post(instance: Instance, url: str, body: dict[str, str], auth: AuthBase | None = None) -> dict[str, Any]:
    answer = instance.request("POST", url, json=body, auth=auth)
    assert answer.ok, answer.text
    result: dict[str, Any] = answer.json()
    return result
