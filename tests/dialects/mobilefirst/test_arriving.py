"""A message on everything that runs: what the devices get, what they report of it, and what is recorded."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pytest
import requests
from system.instance import Instance, eventually

from dialects.moxie.test_arriving import Moxie

APPLE = "3c".ljust(64, "9")
ANDROID = "mobilefirst-android"
WINDOWS = "mobilefirst-windows"
ALERT = "Bomb threat at X"
URL = "https://example.org/x"
SETTINGS = {
    "apns": {"badge": 1, "title": "Campus", "payload": {"building": "X"}, "sound": "siren.caf"},
    "gcm": {"androidTitle": "Campus", "payload": {"building": "X"}, "priority": "HIGH", "timeToLive": 600},
    "wns": {"toast": {"launch": "building=X"}},
}


@dataclass(frozen=True)
class Service:
    """The sandbox's application, with the credentials of its client, its server and its phones."""

    instance: Instance
    root: str
    bearer: dict[str, str]
    phone: dict[str, str]

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """One call; what was answered, where there is a body."""
        answer = self.instance.request(method, self.root + path, json=body, headers=headers)
        assert answer.ok, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else None


@pytest.fixture(scope="module")
def service(instance: Instance) -> Service:
    known = instance.environment()
    application = known["MOBILEFIRST_APP"]
    issued = instance.request(
        "POST",
        f"{known['TOCSIN_URL']}/mfp/api/az/v1/token",
        data={"grant_type": "client_credentials", "scope": f"*.read *.write push.application.{application}"},
        auth=(known["MOBILEFIRST_CLIENT_ID"], known["MOBILEFIRST_CLIENT_SECRET"]),
    )
    return Service(
        instance,
        f"{known['TOCSIN_URL']}/imfpush/v1/apps/{application}",
        {"Authorization": f"Bearer {issued.json()['access_token']}"},
        {"clientSecret": known["MOBILEFIRST_DEVICE_SECRET"]},
    )


@pytest.fixture(scope="module")
def channel(instance: Instance) -> str:
    return f"{instance.sandbox.providers['wns']['channel_url']}{WINDOWS}"


@dataclass(frozen=True)
class Sent:
    """What was done: the message, and all that was recorded since it began."""

    identifier: str
    report: dict[str, str]
    events: list[dict[str, Any]]


@pytest.fixture(scope="module")
def sent(instance: Instance, service: Service, channel: str) -> Sent:
    """Three phones register, a message is sent to their user, arrives, and is reported."""
    before = instance.call("GET", "/events?limit=1000")["next"]
    for device, platform, token in (("a", "A", APPLE), ("g", "G", ANDROID), ("w", "W", channel)):
        body = {"deviceId": device, "platform": platform, "token": token, "userId": "arriving"}
        service.call("POST", "/devices", body, **service.phone)
    message = {"message": {"alert": ALERT, "url": URL}, "target": {"userIds": ["arriving"]}, "settings": SETTINGS}
    identifier = service.call("POST", "/messages", message, **service.bearer)["messageId"]
    for token in (APPLE, ANDROID, WINDOWS):
        eventually(lambda token=token: instance.sandbox.received(token=token), f"it arrives at {token}", every=0.1)  # type: ignore[misc]
    eventually(lambda: reported(service, identifier)["pending"] == "0", "all is recorded", every=0.1)
    for path, device, status in (("", "a", "SEEN"), ("/deliverystatus", "g", "OPEN"), ("", "g", "OPEN")):
        body = {"deviceId": device, "status": status}
        service.call("PUT", f"/messages/{identifier}{path}", body, **service.phone)

    def told() -> list[dict[str, Any]]:
        events: list[dict[str, Any]] = instance.call("GET", f"/events?limit=1000&cursor={before}")["items"]
        return events if any(event["type"] == "send.completed" for event in events) else []

    return Sent(identifier, reported(service, identifier), eventually(told, "the send ends", every=0.1))


def reported(service: Service, identifier: str) -> dict[str, str]:
    report: dict[str, str] = service.call("GET", f"/messages/{identifier}/report", **service.bearer)
    return report


def test_apples_devices_get_what_their_library_reads(instance: Instance, sent: Sent) -> None:
    (push,) = instance.sandbox.received(token=APPLE)
    payload = push["payload"]

    assert payload["aps"] == {"alert": {"title": "Campus", "body": ALERT}, "badge": 1, "sound": "siren.caf"}
    assert (payload["nid"], payload["url"]) == (sent.identifier, URL)
    assert json.loads(payload["payload"]) == {"building": "X", "nid": sent.identifier}


def test_androids_devices_get_what_their_library_reads(instance: Instance, sent: Sent) -> None:
    (push,) = instance.sandbox.received(token=ANDROID)
    message = push["payload"]["message"]

    assert "notification" not in message
    assert message["android"] == {"priority": "HIGH", "ttl": "600s"}
    data = message["data"]
    assert (data["nid"], data["alert"], data["url"], data["androidTitle"]) == (sent.identifier, ALERT, URL, "Campus")
    assert json.loads(data["payload"]) == {"building": "X", "nid": sent.identifier}


def test_windows_devices_get_the_toast_that_was_set(instance: Instance, sent: Sent) -> None:
    (push,) = instance.sandbox.received(token=WINDOWS)

    assert ALERT in json.dumps(push["payload"])
    assert "building=X" in json.dumps(push["payload"])


def test_what_became_of_it_can_be_read(service: Service, sent: Sent) -> None:
    expected = {"total": "3", "sent": "3", "failed": "0", "pending": "0", "seen": "2", "open": "1", "excluded": "0"}
    assert sent.report.items() >= expected.items()
    listed = service.call("GET", f"/messages/{sent.identifier}/deliverystatus", **service.bearer)["deliveryStatus"]
    statuses = {one["deviceId"]: one["status"] for one in listed}
    assert statuses == {"a": "SEEN", "g": "OPEN", "w": "SENT"}


def test_everything_that_was_done_is_in_the_record(sent: Sent) -> None:
    ours = [event for event in sent.events if event["actor"]["dialect"] == "mobilefirst"]

    assert [event["type"] for event in ours if event["type"] != "device.subscribed"] == [
        "device.registered",
        "device.registered",
        "device.registered",
        "send.requested",
        "send.started",
        "receipt.received",
        "receipt.opened",
    ]
    assert {event["actor"]["address"] for event in ours} == {"127.0.0.1"}
    assert all(event["actor"]["principal"] == f"credential:{event['actor']['credential']}" for event in ours)
    assert len({event["actor"]["credential"] for event in ours}) == 2


def test_a_device_that_registered_here_is_pushed_to_through_another_api_if_its_app_says_so(
    instance: Instance, service: Service, sent: Sent
) -> None:
    known = instance.environment()
    app, key = known["MOBILEFIRST_APP_UUID"], str(uuid4())
    form = {"name": "alerts", "kind": "hmac", "dialect": "moxie", "public_id": key}
    secret = instance.call("POST", f"/apps/{app}/credentials", json=form)["secret"]
    signed = Moxie(key, secret)

    def push(text: str) -> None:
        raised = {"message": text}
        ident = instance.request("POST", f"{known['TOCSIN_URL']}/notifications", json=raised, auth=signed).json()[
            "ident"
        ]
        told = {"notification": ident, "message": text}
        answer = instance.request("POST", f"{known['TOCSIN_URL']}/push", json=told, auth=signed)
        assert answer.status_code == 202, answer.text

    def arrived() -> list[str]:
        return [str(one["payload"]["aps"]["alert"]) for one in instance.sandbox.received(token=APPLE)]

    push("raised through Moxie")
    eventually(lambda: "raised through Moxie" in arrived(), "it arrives", every=0.1)
    instance.call("PATCH", f"/apps/{app}", json={"settings": {"moxie": {"through": ["moxie"]}}})
    push("for Moxie's own devices")

    def sends() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = instance.call("GET", f"/apps/{app}/sends")["items"]
        return found if found[0]["status"] == "completed" else []

    newest = eventually(sends, "the send ends", every=0.1)[0]
    assert newest["audience_count"] == 0
    assert "for Moxie's own devices" not in arrived()
    assert service.call("GET", "/devices/a", **service.bearer)["deviceId"] == "a"


def test_an_app_made_on_the_command_line_has_all_that_its_clients_need(instance: Instance) -> None:
    done = instance.run("app", "create", "Branch", "--dialect", "mobilefirst")
    assert done.returncode == 0, done.stderr
    shown = dict(line.split(maxsplit=1) for line in done.stdout.splitlines() if line.startswith("MOBILEFIRST_"))
    root = instance.environment()["TOCSIN_URL"]

    def token() -> requests.Response:
        client = (shown["MOBILEFIRST_CLIENT_ID"], shown["MOBILEFIRST_CLIENT_SECRET"])
        form = {"grant_type": "client_credentials"}
        return instance.request("POST", f"{root}/mfp/api/az/v1/token", data=form, auth=client)

    bearer = {"Authorization": f"Bearer {eventually(token, 'it is known').json()['access_token']}"}
    app = f"{root}/imfpush/v1/apps/{shown['MOBILEFIRST_APP']}"
    for headers in (
        bearer,
        {"appSecret": shown["MOBILEFIRST_APP_SECRET"]},
        {"clientSecret": shown["MOBILEFIRST_DEVICE_SECRET"]},
    ):
        assert instance.request("GET", f"{app}/tags", headers=headers).status_code == 200
    others = f"{root}/imfpush/v1/apps/{instance.environment()['MOBILEFIRST_APP']}/tags"
    assert instance.request("GET", others, headers=bearer).status_code == 404
