"""Webhooks: created as the manual has it, and told in its words by the worker that tells all others."""

from __future__ import annotations

import base64
import hmac
import threading
import time
from collections.abc import Iterator
from ipaddress import ip_network
from typing import Any

import pytest
from flask import Flask
from system.instance import Instance, eventually
from webhook_receiver import Received, Receiver, receiving

from dialects.mobilefirst.client import Client, basic
from dialects.mobilefirst.conftest import provisioned
from tocsin.api.services import Services
from tocsin.bootstrap import WEBHOOK_FORMATS
from tocsin.eventlog.record import Record
from tocsin.eventlog.stream.postgres import PostgresStream
from tocsin.workers.webhook_post import Policy
from tocsin.workers.webhooks import run_webhooks

DEVICES = "onDeviceRegister,onDeviceUpdate,onDeviceUnregister"
TAGS = "onSubscribe,onUnsubscribe"
EVERYTHING = f"{DEVICES},{TAGS},onNotificationStatusChange,onNotificationFailure"
URL = "https://example.org/hook"

APPLE = "3b".ljust(64, "1")
DEAD = "0410".ljust(64, "2")


@pytest.fixture
def fresh(app: Flask, services: Services) -> Client:
    """A client of an app of the test's own."""
    return provisioned(app, services, "Fresh")


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


@pytest.fixture
def telling(record: tuple[Record, str]) -> Iterator[None]:
    """The worker, with the forms it has in the product."""
    opened, url = record
    stop, stream = threading.Event(), PostgresStream(url, partitions=2)
    options = {"policy": Policy(networks=(ip_network("127.0.0.0/8"),)), "renderers": WEBHOOK_FORMATS}
    thread = threading.Thread(target=run_webhooks, args=(opened, stream, stop), kwargs=options)
    thread.start()
    yield
    stop.set()
    thread.join()
    stream.close()


def told(receiver: Receiver, count: int) -> list[dict[str, Any]]:
    """What it was sent, in the order in which it happened, once it is so much."""
    eventually(lambda: len(receiver.received) >= count, f"{count} calls", every=0.05)
    return [one.told for one in sorted(receiver.received, key=_address)]


def _address(received: Received) -> tuple[int, ...]:
    return tuple(map(int, received.headers["webhook-id"].removeprefix("evt_").split("_")))


def is_signed(received: Received, secret: str) -> bool:
    """As any receiver of the engine's webhooks checks it."""
    signed = f"{received.headers['webhook-id']}.{received.headers['webhook-timestamp']}.".encode() + received.body
    mac = hmac.digest(base64.b64decode(secret.removeprefix("whsec_")), signed, "sha256")
    return received.headers["webhook-signature"] == f"v1,{base64.b64encode(mac).decode()}"


def test_a_webhook_is_created_read_changed_and_deleted(fresh: Client) -> None:
    made = fresh.post("/webhooks", {"name": "crm", "url": URL, "eventTypes": "onDeviceRegister, onSubscribe"})

    assert made.status_code == 201
    assert made.json["secret"].startswith("whsec_")
    address = f"https://example.com:443/imfpush/v1/apps/{fresh.application}/webhooks/crm"
    shown = {"name": "crm", "url": URL, "eventTypes": "onDeviceRegister,onSubscribe", "href": address}
    assert made.json == {**shown, "secret": made.json["secret"]}
    assert fresh.get("/webhooks/crm").json == shown
    listed = fresh.get("/webhooks").json
    assert (listed["webhooks"], listed["pageInfo"]["totalCount"]) == ([shown], "1")
    changed = fresh.put("/webhooks/crm", {"name": "crm", "url": URL + "/2", "eventTypes": ["onUnsubscribe"]})
    assert (changed.status_code, changed.json) == (200, {**shown, "url": URL + "/2", "eventTypes": "onUnsubscribe"})
    assert fresh.put("/webhooks/crm", {"url": URL}).json == {**changed.json, "url": URL}
    gone = fresh.delete("/webhooks/crm")
    assert (gone.status_code, gone.data) == (204, b"")
    for answer in (
        fresh.get("/webhooks/crm"),
        fresh.put("/webhooks/crm", {"url": URL}),
        fresh.delete("/webhooks/crm"),
    ):
        assert (answer.status_code, answer.json["code"]) == (404, "FPWSE0001E")


@pytest.mark.parametrize("given", [{"events": "*"}, {"events": EVERYTHING}, {"eventTypes": EVERYTHING.split(",")}])
def test_all_types_are_asked_for_by_a_star_or_by_name(fresh: Client, given: Any) -> None:
    assert fresh.post("/webhooks", {"name": "all", "url": URL, **given}).json["eventTypes"] == EVERYTHING


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"name": None}, "name"),
        ({"name": 7}, "name"),
        ({"url": None}, "url"),
        ({"url": "ftp://example.org"}, "url"),
        ({"url": "x"}, "url"),
        ({"eventTypes": None}, "eventTypes"),
        ({"eventTypes": ""}, "eventTypes"),
        ({"eventTypes": "onDeviceRegister,onPayday"}, "eventTypes"),
        ({"eventTypes": "device.registered"}, "eventTypes"),
        ({"eventTypes": [7]}, "eventTypes"),
        ({"eventTypes": {"a": 1}}, "eventTypes"),
        ({"eventTypes": None, "events": ["*", 7]}, "events"),
    ],
)
def test_a_webhook_that_cannot_be_is_refused(client: Client, changes: Any, name: str) -> None:
    answer = client.post("/webhooks", {"name": "x", "url": URL, "eventTypes": DEVICES, **changes})

    assert (answer.status_code, answer.json["code"]) == (400, "FPWSE0005E")
    assert f"'{name}'" in answer.json["message"]
    assert client.get("/webhooks/x").status_code == 404


def test_a_name_is_one_webhook_and_never_changes(fresh: Client) -> None:
    body = {"name": "crm", "url": URL, "eventTypes": DEVICES}
    fresh.post("/webhooks", body)
    again = fresh.post("/webhooks", body)

    assert (again.status_code, again.json["code"]) == (409, "FPWSE0002E")
    assert fresh.put("/webhooks/crm", {"name": "other"}).status_code == 400


def test_webhooks_need_scopes_of_their_own(client: Client) -> None:
    body = {"name": "scoped", "url": URL, "eventTypes": DEVICES}
    for method, path, scope in (
        ("GET", "/webhooks", "webhooks.read"),
        ("GET", "/webhooks/scoped", "webhooks.read"),
        ("POST", "/webhooks", "webhooks.write"),
        ("PUT", "/webhooks/scoped", "webhooks.write"),
        ("DELETE", "/webhooks/scoped", "webhooks.write"),
    ):
        refused = client.call(method, path, body, scope="tags.write push.application.*")
        assert refused.status_code == 403
        assert f'scope="{scope} push' in refused.headers["WWW-Authenticate"]
        assert client.call(method, path, body, scope=f"{scope} push.application.*").status_code != 403
    assert client.call("GET", "/webhooks", scope=None).status_code == 401
    assert client.call("GET", "/webhooks", scope=None, appSecret=client.app_secret).status_code == 200
    assert client.call("GET", "/webhooks", scope=None, clientSecret=client.device_secret).status_code == 403


def test_a_devices_life_is_told_in_the_words_of_this_api(fresh: Client, telling: None, receiver: Receiver) -> None:
    secret = fresh.post("/webhooks", {"name": "crm", "url": receiver.url, "eventTypes": DEVICES}).json["secret"]
    before = time.time() * 1000
    fresh.register("phone", userId="ada", token="first")
    fresh.put("/devices/phone", {"token": "second"})
    fresh.put("/devices/phone", {"userId": "grace"})
    fresh.delete("/devices/phone")
    registered, moved, renamed, gone = told(receiver, 4)

    assert [one["type"] for one in (registered, moved, renamed, gone)] == [
        "onDeviceRegister",
        "onDeviceUpdate",
        "onDeviceUpdate",
        "onDeviceUnregister",
    ]
    assert registered.keys() == {"type", "entity", "applicationId", "eventTimeStamp"}
    assert registered["applicationId"] == fresh.application
    assert before - 1000 < registered["eventTimeStamp"] < time.time() * 1000 + 1000
    entity = registered["entity"]
    assert isinstance(entity.pop("id"), int)
    device = {"deviceId": "phone", "applicationId": fresh.application, "platform": "G"}
    assert entity == {**device, "userId": "ada", "token": "first"}
    assert (moved["entity"]["token"], moved["entity"]["userId"]) == ("second", "ada")
    assert (renamed["entity"]["token"], renamed["entity"]["userId"]) == ("second", "grace")
    assert gone["entity"]["deviceId"] == "phone"
    assert all(is_signed(received, secret) for received in receiver.received)


def test_subscriptions_are_told_with_their_device(fresh: Client, telling: None, receiver: Receiver) -> None:
    fresh.register("phone")
    fresh.post("/tags", {"name": "news"})
    fresh.post("/webhooks", {"name": "crm", "url": receiver.url, "eventTypes": TAGS})
    made = fresh.post("/subscriptions", {"deviceId": "phone", "tagName": "news"}).json
    fresh.delete("/subscriptions?deviceId=phone&tagName=news")
    fresh.delete("/subscriptions?deviceId=phone&tagName=Push.ALL")
    subscribed, ended, left = told(receiver, 3)

    assert (subscribed["type"], ended["type"], left["type"]) == ("onSubscribe", "onUnsubscribe", "onUnsubscribe")
    entity = subscribed["entity"]
    assert entity["device"].keys() == {"id", "deviceId", "applicationId", "userId", "token", "platform"}
    assert (entity["device"]["deviceId"], entity["device"]["userId"]) == ("phone", "anonymous")
    assert (entity["tagName"], entity["subscriptionId"]) == ("news", made["subscriptionId"])
    assert ended["entity"] == entity
    assert left["entity"]["tagName"] == "Push.ALL"
    assert "Push.NONE" not in str(told(receiver, 3))


def test_an_address_is_told_nothing_that_it_did_not_ask_for(fresh: Client, telling: None, receiver: Receiver) -> None:
    fresh.post("/webhooks", {"name": "crm", "url": receiver.url, "eventTypes": "onDeviceUnregister"})
    fresh.register("phone")
    fresh.put("/devices/phone", {"userId": "ada"})
    fresh.delete("/devices/phone")

    assert [one["type"] for one in told(receiver, 1)] == ["onDeviceUnregister"]


@pytest.fixture(scope="module")
def live(instance: Instance) -> Live:
    """A server of the sandbox's application, which speaks HTTP to everything that runs."""
    known = instance.environment()
    return Live(
        instance,
        known["TOCSIN_URL"],
        known["MOBILEFIRST_APP"],
        basic(known["MOBILEFIRST_CLIENT_ID"], known["MOBILEFIRST_CLIENT_SECRET"]),
    )


def test_what_becomes_of_a_message_is_told_by_everything_that_runs(live: Live, receiver: Receiver) -> None:
    for device_id, token in (("apple", APPLE), ("dead", DEAD)):
        live.call("POST", "/devices", {"deviceId": device_id, "platform": "A", "token": token})
    types = "onNotificationStatusChange,onNotificationFailure"
    live.call("POST", "/webhooks", {"name": "status", "url": receiver.url, "eventTypes": types})
    try:
        target = {"message": {"alert": "Hello"}, "target": {"deviceIds": ["apple", "dead"]}}
        message = live.call("POST", "/messages", target)["messageId"]
        told(receiver, 3)
        live.call("PUT", f"/messages/{message}", {"deviceId": "apple", "status": "SEEN"})
        told(receiver, 4)
        live.call("PUT", f"/messages/{message}", {"deviceId": "apple", "status": "OPEN"})
        found = told(receiver, 5)
    finally:
        live.call("DELETE", "/webhooks/status")

    ours = {"platform": "A", "messageId": message}
    apple, dead = {"deviceIds": ["apple"], **ours}, {"deviceIds": ["dead"], **ours}
    reason = "Unregistered"
    assert sorted(((one["type"], one["entity"]) for one in found), key=str) == sorted(
        [
            ("onNotificationStatusChange", {**apple, "msgStatus": "SENT"}),
            ("onNotificationStatusChange", {**dead, "msgStatus": "FAILED", "failureReason": reason}),
            ("onNotificationFailure", {**dead, "msgStatus": "FAILED", "failureReason": reason}),
            ("onNotificationStatusChange", {**apple, "msgStatus": "SEEN"}),
            ("onNotificationStatusChange", {**apple, "msgStatus": "OPEN"}),
        ],
        key=str,
    )


def test_what_travels_apart_is_told_as_its_message(instance: Instance, live: Live, receiver: Receiver) -> None:
    channel = f"{instance.sandbox.providers['wns']['channel_url']}told-apart"
    live.call("POST", "/devices", {"deviceId": "windows", "platform": "W", "token": channel})
    types = {"name": "apart", "url": receiver.url, "eventTypes": "onNotificationStatusChange"}
    live.call("POST", "/webhooks", types)
    try:
        settings = {"wns": {"badge": {"value": 3}}}
        body = {"message": {"alert": "Hello"}, "target": {"deviceIds": ["windows"]}, "settings": settings}
        message = live.call("POST", "/messages", body)["messageId"]
        found = told(receiver, 2)
    finally:
        live.call("DELETE", "/webhooks/apart")

    entity = {"deviceIds": ["windows"], "platform": "W", "msgStatus": "SENT", "messageId": message}
    assert [one["entity"] for one in found] == [entity, entity]
    arrived = [one["headers"]["x-wns-type"] for one in instance.sandbox.received(token="told-apart")]
    assert sorted(arrived) == ["wns/badge", "wns/toast"]


class Live:
    """A confidential client over HTTP."""

    def __init__(self, instance: Instance, url: str, application: str, authorization: str) -> None:
        self._instance = instance
        self._url = f"{url}/imfpush/v1/apps/{application}"
        form = {"grant_type": "client_credentials", "scope": "*"}
        headers = {"Authorization": authorization}
        answer = instance.request("POST", f"{url}/mfp/api/az/v1/token", data=form, headers=headers)
        self._token = answer.json()["access_token"]

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """One call; the JSON it answers."""
        headers = {"Authorization": f"Bearer {self._token}"}
        answer = self._instance.request(method, self._url + path, headers=headers, json=body)
        assert answer.ok, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else None
