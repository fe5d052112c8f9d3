"""Webhooks over HTTP: made, changed, deleted, told for real, and every call accounted for."""

from __future__ import annotations

import base64
import hmac
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from ipaddress import ip_network
from typing import Any
from uuid import UUID, uuid4

import pytest
from calling import AppendsNothing, Caller
from patience import eventually
from webhook_receiver import Received, Receiver, receiving

from tocsin.eventlog import webhook_calls
from tocsin.eventlog.record import Record
from tocsin.eventlog.stream.postgres import PostgresStream
from tocsin.eventlog.webhook_calls import Call
from tocsin.workers import webhooks
from tocsin.workers.webhook_post import Policy
from tocsin.workers.webhooks import run_webhooks

FORM = {"name": "pager", "url": "https://example.org/hook", "events": ["send.completed", "device.*"]}
LOOPBACK = Policy(networks=(ip_network("127.0.0.0/8"),))


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


@pytest.fixture
def telling(record: Record, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The worker."""
    monkeypatch.setattr(webhooks, "DELAYS", (timedelta(milliseconds=10),) * 3)
    stop, stream = threading.Event(), PostgresStream(database_url, partitions=2)
    thread = threading.Thread(target=run_webhooks, args=(record, stream, stop), kwargs={"policy": LOOPBACK})
    thread.start()
    yield
    stop.set()
    thread.join()
    stream.close()


def calls_of(campus: Caller, webhook: str, settled: int) -> list[dict[str, Any]]:
    """The webhook's calls, once so many are settled."""

    def found() -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = campus.get(f"/webhooks/{webhook}/calls").json["items"]
        return items if sum(call["status"] != "pending" for call in items) >= settled else []

    return eventually(found, f"{settled} calls are settled")


def is_signed(received: Received, secret: str) -> bool:
    """As the Standard Webhooks specification has receivers check it."""
    signed = f"{received.headers['webhook-id']}.{received.headers['webhook-timestamp']}.".encode() + received.body
    mac = hmac.digest(base64.b64decode(secret.removeprefix("whsec_")), signed, "sha256")
    return received.headers["webhook-signature"] == f"v1,{base64.b64encode(mac).decode()}"


def test_a_webhook_is_made_found_changed_and_deleted(campus: Caller) -> None:
    made = campus.post("/webhooks", FORM)
    assert made.status_code == 201
    webhook = f"/webhooks/{made.json['webhook_id']}"
    assert made.headers["Location"].endswith(webhook)
    assert made.headers["Cache-Control"] == "no-store"
    assert (made.json["secret"][:6], made.json["secret_shown"]) == ("whsec_", "now")
    found = campus.get(webhook).json
    assert {name: found[name] for name in FORM} == FORM
    assert (found["format"], found["signed"]) == ("native", True)
    assert "secret" not in found
    assert campus.get("/webhooks").json["items"] == [found]
    changed = campus.patch(webhook, {"events": ["delivery.failed"]})
    assert (changed.status_code, changed.json["events"], changed.json["url"]) == (200, ["delivery.failed"], FORM["url"])
    assert campus.get(webhook).json["events"] == ["delivery.failed"]
    assert campus.get(f"{webhook}?as_of={found['position']}").json["events"] == FORM["events"]
    assert campus.delete(webhook).status_code == 204
    assert campus.get(webhook).status_code == 404
    assert campus.get("/webhooks").json["items"] == []
    types = [event["type"] for event in campus.get(f"{webhook}/history").json["items"]]
    assert types == ["app.webhook_created", "app.webhook_updated", "app.webhook_deleted"]


def test_a_secret_is_shown_once_and_is_in_no_event(campus: Caller) -> None:
    once = {"headers": {"Idempotency-Key": str(uuid4())}}
    made = campus.post("/webhooks", FORM, **once).json
    again = campus.post("/webhooks", FORM, **once).json
    assert again == {**made, "secret": None, "secret_shown": "once"}
    webhook = f"/webhooks/{made['webhook_id']}"
    renewed = campus.post(f"{webhook}/secret").json
    assert renewed["secret"] not in (None, made["secret"])
    for answer in (campus.get(webhook), campus.get(f"{webhook}/history"), campus.get("/webhooks")):
        assert "whsec_" not in answer.text


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name": ""}, "name"),
        ({"url": "ftp://example.org"}, "url"),
        ({"url": "https://"}, "url"),
        ({"url": "x" * 2049}, "url"),
        ({"events": []}, "events"),
        ({"events": ["device.registerd"]}, "events"),
        ({"events": "*"}, "events"),
        ({"format": "native"}, "format"),
    ],
)
def test_a_webhook_that_cannot_be_is_refused(
    campus: Caller, appends_nothing: AppendsNothing, changes: dict[str, Any], field: str
) -> None:
    webhook = campus.post("/webhooks", FORM).json["webhook_id"]
    with appends_nothing():
        refused = campus.post("/webhooks", {**FORM, "name": "other", **changes})
        assert (refused.status_code, refused.json["field"]) == (422, field)
        assert campus.patch(f"/webhooks/{webhook}", changes).status_code == 422
        assert campus.post("/webhooks", FORM).status_code == 409


def test_another_apps_webhook_is_not_there(admin: Caller, campus: Caller, issue: Callable[..., Caller]) -> None:
    other = admin.of_app(admin.post("/v1/apps", {"name": "Other"}).json["app_id"])
    webhook = f"/webhooks/{other.post('/webhooks', FORM).json['webhook_id']}"
    for answer in (
        campus.get(webhook),
        campus.patch(webhook, {"events": ["*"]}),
        campus.post(f"{webhook}/secret"),
        campus.delete(webhook),
        campus.get(f"{webhook}/history"),
        campus.get(f"{webhook}/calls"),
        campus.get(f"{webhook}/calls/evt_1_0"),
    ):
        assert (answer.status_code, answer.json["code"]) == (404, "not-found")
    assert other.get(webhook).status_code == 200


def test_a_receiver_that_fails_is_tried_again_and_every_try_is_told(
    campus: Caller, telling: None, receiver: Receiver
) -> None:
    receiver.statuses = [503, 500]
    made = campus.post("/webhooks", {"name": "x", "url": receiver.url, "events": ["device.registered"]}).json
    device = campus.post("/devices", {"platform": "ios", "user": "ada"}).json["device_id"]
    [call] = calls_of(campus, made["webhook_id"], 1)
    assert (call["event"], call["status"], call["attempts"], call["next_at"]) == (
        "device.registered",
        "delivered",
        3,
        None,
    )
    told = campus.get(f"/webhooks/{made['webhook_id']}/calls/{call['call_id']}").json
    assert [one["http_status"] for one in told.pop("tries")] == [503, 500, 204]
    assert told == call
    assert [received.headers["webhook-id"] for received in receiver.received] == [call["call_id"]] * 3
    assert all(is_signed(received, made["secret"]) for received in receiver.received)
    assert receiver.received[0].told["data"]["stream"] == device


def test_what_comes_after_a_new_secret_is_signed_with_it(campus: Caller, telling: None, receiver: Receiver) -> None:
    made = campus.post("/webhooks", {"name": "x", "url": receiver.url, "events": ["device.registered"]}).json
    renewed = campus.post(f"/webhooks/{made['webhook_id']}/secret").json
    campus.post("/devices", {"platform": "ios"})
    calls_of(campus, made["webhook_id"], 1)
    [received] = receiver.received
    assert is_signed(received, renewed["secret"])
    assert not is_signed(received, made["secret"])


@pytest.fixture
def noted(campus: Caller, record: Record) -> str:
    """A webhook to which five calls are noted, three of them of one event."""
    webhook = campus.post("/webhooks", FORM).json["webhook_id"]
    app_id = UUID(campus.prefix.rpartition("/")[2])
    places = [(7, 0), (8, 0), (8, 1), (8, 4), (9, 0)]
    found = [Call(UUID(webhook), position, part, app_id, "delivery.failed") for position, part in places]
    with record.sessions.connection() as connection:
        webhook_calls.note(connection, found)
    return str(webhook)


def test_calls_come_newest_first_in_pages_that_leave_none_out(campus: Caller, noted: str) -> None:
    found, cursor = [], ""
    while True:
        page = campus.get(f"/webhooks/{noted}/calls?limit=2{cursor}").json
        found += [call["call_id"] for call in page["items"]]
        if page["next"] is None:
            break
        cursor = f"&cursor={page['next']}"
    assert found == ["evt_9_0", "evt_8_4", "evt_8_1", "evt_8_0", "evt_7_0"]


def test_calls_are_found_by_how_they_stand(campus: Caller, noted: str) -> None:
    assert len(campus.get(f"/webhooks/{noted}/calls?status=pending").json["items"]) == 5
    assert campus.get(f"/webhooks/{noted}/calls?status=delivered").json["items"] == []
    refused = campus.get(f"/webhooks/{noted}/calls?status=lost")
    assert (refused.status_code, refused.json["field"]) == (422, "status")


@pytest.mark.parametrize("call", ["evt_7_1", "evt_0_0", "evt_7", "nonsense", "evt_9999999999999999999_0"])
def test_a_call_that_was_never_made_is_not_found(campus: Caller, noted: str, call: str) -> None:
    assert campus.get(f"/webhooks/{noted}/calls/{call}").status_code == 404


def test_what_waits_is_measured(campus: Caller, noted: str) -> None:
    text = campus.app.test_client().get("/metrics").text
    assert "tocsin_webhook_calls_pending" in text
    pending = float(text.partition("\ntocsin_webhook_calls_pending ")[2].partition("\n")[0])
    assert pending >= 5
    assert float(text.partition("\ntocsin_webhook_oldest_seconds ")[2].partition("\n")[0]) > 0
