"""Two published clients against everything that runs: IBM's own of npm, and one of PyPI that does more than send."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cloudpush.Client import Client as CloudPush
from system.instance import Instance, eventually

NODE_CLIENT = Path(__file__).with_name("node_client")
APPLE = "1b".ljust(64, "6")
ANDROID = "published-client-android"
ALERT = "20% Off Offer for you"


@dataclass(frozen=True)
class Played:
    """What a client was answered, and what was recorded from when it began."""

    said: dict[str, Any]
    events: list[dict[str, Any]]


def since(instance: Instance, cursor: str, sends: int) -> list[dict[str, Any]]:
    """All that was recorded since, once so many sends have ended."""

    def told() -> list[dict[str, Any]]:
        events: list[dict[str, Any]] = instance.call("GET", f"/events?limit=1000&cursor={cursor}")["items"]
        ended = sum(event["type"] == "send.completed" for event in events)
        return events if ended >= sends else []

    return eventually(told, "the sends end", every=0.1)


def ours(events: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    """What this API's callers set off."""
    return [event for event in events if event["type"] == kind and event["actor"]["dialect"] == "mobilefirst"]


@pytest.fixture(scope="module")
def of_node(instance: Instance, npm_project: Callable[[Path], Path]) -> Played:
    """IBM's library for Node.js sends three messages to two phones."""
    known = instance.environment()
    url, application = known["TOCSIN_URL"], known["MOBILEFIRST_APP"]
    before = instance.call("GET", "/events?limit=1000")["next"]
    for device, platform, token in (("n-apple", "A", APPLE), ("n-android", "G", ANDROID)):
        registered = instance.request(
            "POST",
            f"{url}/imfpush/v1/apps/{application}/devices/",
            json={"deviceId": device, "platform": platform, "token": token},
            headers={"clientSecret": known["MOBILEFIRST_DEVICE_SECRET"]},
        )
        assert registered.status_code == 201, registered.text
    command = ["node", "send.js", url, application, known["MOBILEFIRST_APP_SECRET"]]
    done = subprocess.run(command, cwd=npm_project(NODE_CLIENT), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return Played(json.loads(done.stdout.splitlines()[-1]), since(instance, before, 3))


def test_the_client_of_npm_is_told_that_its_messages_are_accepted(of_node: Played) -> None:
    single, bulk = of_node.said["single"], of_node.said["bulk"]

    assert (single["status"], bulk["status"]) == (202, 202)
    assert single["body"]["message"] == {"message": {"alert": ALERT}}
    assert len(bulk["body"]) == 2


def test_what_the_client_of_npm_set_arrives(instance: Instance, of_node: Played) -> None:
    identifier = of_node.said["single"]["body"]["messageId"]

    apple = [one["payload"] for one in instance.sandbox.received(token=APPLE)]
    (payload,) = [one for one in apple if one["nid"] == identifier]
    assert payload["aps"]["alert"]["action-loc-key"] == "PUSH_OFFER"
    assert payload["aps"]["category"] == "Accept"
    assert json.loads(payload["payload"]) == {"offer": "20%", "nid": identifier}
    android = [one["payload"]["message"] for one in instance.sandbox.received(token=ANDROID)]
    (message,) = [one for one in android if one["data"]["nid"] == identifier]
    assert message["android"]["ttl"] == "1000s"
    assert json.loads(message["data"]["style"])["type"] == "bigtext_notification"
    assert json.loads(message["data"]["lights"]) == {"ledARGB": "BLACK", "ledOnMS": "1", "ledOffMS": "1"}


def test_all_that_the_client_of_npm_sent_is_in_the_record(of_node: Played) -> None:
    requested = ours(of_node.events, "send.requested")

    assert [event["data"]["message"]["body"] for event in requested] == [ALERT] * 3
    assert len({event["actor"]["credential"] for event in requested}) == 1
    assert {event["actor"]["address"] for event in requested} == {"127.0.0.1"}
    assert len(ours(of_node.events, "device.registered")) == 2


@pytest.fixture(scope="module")
def of_python(instance: Instance) -> Played:
    """The client of PyPI registers a phone, subscribes it, sends to it and asks what came of it."""
    known = instance.environment()
    url = known["TOCSIN_URL"]

    class Here(CloudPush):  # type: ignore[misc]
        """The client, which asks for its token where we are and not in the cloud."""

        _auth_base_url = f"{url}/identity/token"

    key = f"{known['MOBILEFIRST_CLIENT_ID']}:{known['MOBILEFIRST_CLIENT_SECRET']}"
    client = Here(key, known["MOBILEFIRST_APP"], known["MOBILEFIRST_DEVICE_SECRET"], base_path=f"{url}/imfpush/v1/apps")
    before = instance.call("GET", "/events?limit=1000")["next"]
    said: dict[str, Any] = {}
    said["registered"] = client.register_device("published-client-python", "G", device_id="p-android")
    said["topic"] = client.register_topic("offers", "Offers of the week")
    said["subscribed"] = client.subscribe("offers", device_id="p-android")
    said["subscriptions"] = client.get_subscriptions(device_id="p-android", expand=True)
    said["device"] = client.get_device(device_id="p-android")
    said["devices"] = client.get_devices(size=500)
    said["sent"] = client.send_message(ALERT, topics=["offers"], payload='{"offer": "20%"}', title="Offers")
    events = since(instance, before, 1)
    identifier = said["sent"]["messageId"]
    said["message"] = client.get_message(identifier)
    said["messages"] = client.get_messages()
    said["status"] = client.get_message_status(identifier)
    said["delivery"] = client.get_message_delivery_status(identifier, "p-android")
    said["unsubscribed"] = client.unsubscribe("offers", device_id="p-android")
    said["topic_deleted"] = client.delete_topic("offers")
    said["device_deleted"] = client.delete_device(device_id="p-android")
    return Played(said, [*events, *instance.call("GET", f"/events?limit=1000&cursor={before}")["items"][len(events) :]])


def test_the_client_of_pypi_finds_what_it_made(of_python: Played) -> None:
    said = of_python.said

    assert said["registered"]["deviceId"] == said["device"]["deviceId"] == "p-android"
    assert "p-android" in [one["deviceId"] for one in said["devices"]["devices"]]
    assert said["topic"]["name"] == said["subscribed"]["tagName"] == "offers"
    assert [one["tagName"] for one in said["subscriptions"]["subscriptions"]] == ["Push.ALL", "offers"]
    assert said["message"] == {"messageId": said["sent"]["messageId"], "alert": ALERT}
    assert said["message"]["messageId"] in [one["messageId"] for one in said["messages"]["messages"]]
    assert [said[name] for name in ("unsubscribed", "topic_deleted", "device_deleted")] == [204, 204, 204]


def test_the_client_of_pypi_is_told_what_came_of_it(instance: Instance, of_python: Played) -> None:
    status = of_python.said["status"]

    assert (status["total"], status["sent"], status["failed"]) == ("1", "1", "0")
    (delivery,) = of_python.said["delivery"]["deliveryStatus"]
    assert delivery == {"deviceId": "p-android", "platform": "G", "status": "SENT"}
    (push,) = instance.sandbox.received(token="published-client-python")
    assert push["payload"]["message"]["data"]["androidTitle"] == "Offers"


def test_all_that_the_client_of_pypi_did_is_in_the_record(of_python: Played) -> None:
    done = [
        event["type"]
        for event in of_python.events
        if event["actor"]["dialect"] == "mobilefirst" and event["type"] != "token.issued"
    ]

    assert done == [
        "device.registered",
        "device.subscribed",
        "app.tag_created",
        "device.subscribed",
        "send.requested",
        "send.started",
        "device.unsubscribed",
        "app.tag_deleted",
        "device.unsubscribed",
        "device.retired",
    ]
    issued = ours(of_python.events, "token.issued")
    assert {event["actor"]["address"] for event in issued} == {"127.0.0.1"}
