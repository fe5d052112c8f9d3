"""Sends, deliveries and receipts over HTTP, with a real planner."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import psycopg
import pytest
import requests
from calling import AppendsNothing, Caller, token
from outcomes import deliver
from patience import eventually

from tocsin.api.native.recomputed import AT_A_TIME
from tocsin.eventlog.record import Record
from tocsin.eventlog.stream.postgres import PostgresStream
from tocsin.workers.planner_process import run_planner

MESSAGE = {"title": "Threat", "body": "Stay away from the library"}
EVERYONE = {"everyone": True}


@pytest.fixture(scope="module", autouse=True)
def planner(record: Record, database_url: str, projector: None) -> Iterator[None]:
    stop = threading.Event()
    stream = PostgresStream(database_url)
    thread = threading.Thread(target=run_planner, args=(record, stream, stop))
    thread.start()
    yield
    stop.set()
    thread.join()
    stream.close()


@pytest.fixture
def people(campus: Caller) -> dict[str, str]:
    """Device ids by name. Windows is configured, Apple and Google are not."""
    campus.put("/providers/wns", {"configuration": {"client_id": "x"}, "secret": "y"})
    bodies = {
        "ada": {"platform": "windows", "token": "https://db5.notify.windows.com/?token=a", "user": "ada"},
        "bob": {"platform": "windows", "token": "https://db5.notify.windows.com/?token=b", "user": "bob"},
        "eve": {"platform": "windows", "token": "https://db5.notify.windows.com/?token=e", "alias": "eve"},
        "ios": {"platform": "ios", "token": token(1), "user": "ada"},
        "bare": {"platform": "windows"},
    }
    found = {name: campus.post("/devices", {**body, "tags": ["all", name]}) for name, body in bodies.items()}
    ids = {name: answer.json["device_id"] for name, answer in found.items()}
    campus.post(f"/devices/{ids['eve']}/opt-out")
    return ids


def frozen(campus: Caller, send_id: str) -> dict[str, Any]:
    """A send, once its audience is frozen."""

    def look() -> dict[str, Any]:
        found = campus.get(f"/sends/{send_id}").json
        return dict(found) if found["as_of"] is not None else {}

    return eventually(look, "the audience is frozen")


def test_a_preview_counts_who_would_be_reached_and_sends_nothing(
    campus: Caller, people: dict[str, str], appends_nothing: AppendsNothing
) -> None:
    with appends_nothing():
        answer = campus.post("/sends/preview", {"audience": EVERYONE, "message": MESSAGE})
    assert answer.status_code == 200
    assert answer.json["by_provider"] == {"wns": 2}
    assert (answer.json["audience"], answer.json["excluded"]) == (2, {"no-provider": 1, "no-token": 1, "opted-out": 1})
    assert answer.json["payload"]["wns"]["size"] < answer.json["payload"]["wns"]["limit"]
    for audience, count in (
        ({"users": ["ada"]}, 1),
        ({"aliases": ["eve"]}, 0),
        ({"tags": ["ada", "bob"]}, 2),
        ({"expression": "all && !bob"}, 1),
        ({"devices": [people["bob"]]}, 1),
        ({"everyone": True, "platforms": ["ios"]}, 0),
    ):
        assert campus.post("/sends/preview", {"audience": audience}).json["audience"] == count, audience


def test_a_send_is_followed_from_its_request_to_every_devices_outcome(
    campus: Caller, people: dict[str, str], record: Record
) -> None:
    requested = campus.post("/sends", {"message": MESSAGE, "audience": EVERYONE})
    assert (requested.status_code, requested.json["status"]) == (202, "started")
    send_id = requested.json["send_id"]
    assert requested.headers["Location"] == f"{campus.prefix}/sends/{send_id}"
    planned = frozen(campus, send_id)
    assert (planned["audience_count"], planned["excluded"]) == (2, {"no-provider": 1, "no-token": 1, "opted-out": 1})
    app_id = UUID(campus.prefix.rpartition("/")[2])
    last = deliver(record, app_id, UUID(send_id), failed={UUID(people["bob"])})
    done = campus.get_readable(f"/sends/{send_id}?min_position={last}").json
    assert (done["status"], done["by_provider"]["wns"]["delivered"], done["outcomes"]["failed"]) == ("completed", 1, 1)
    assert done["law"] == {"audience": 2, "accounted": 2, "holds": True}

    deliveries = campus.get_readable(f"/sends/{send_id}/deliveries?min_position={last}").json["items"]
    assert {one["device_id"]: one["outcome"] for one in deliveries} == {
        people["ada"]: "delivered",
        people["bob"]: "failed",
    }
    failed = campus.get(f"/sends/{send_id}/deliveries?outcome=failed&provider=wns").json["items"]
    assert [(one["device_id"], one["code"]) for one in failed] == [(people["bob"], "BadDeviceToken")]
    assert campus.get(f"/sends/{send_id}/deliveries?outcome=failed&provider=apns").json["items"] == []
    first = campus.get(f"/sends/{send_id}/deliveries?limit=1").json
    second = campus.get(f"/sends/{send_id}/deliveries?limit=1&cursor={first['next']}").json
    assert first["items"] + second["items"] == deliveries

    left_out = campus.get(f"/sends/{send_id}/excluded").json["items"]
    assert {one["device_id"]: one["reason"] for one in left_out} == {
        people["eve"]: "opted-out",
        people["ios"]: "no-provider",
        people["bare"]: "no-token",
    }
    opted = campus.get(f"/sends/{send_id}/excluded?reason=opted-out").json["items"]
    assert [one["device_id"] for one in opted] == [people["eve"]]
    assert campus.get(f"/devices/{people['bob']}/deliveries").json["items"] == failed
    assert campus.get("/sends?status=completed").json["items"][0] == done


def test_the_feed_and_the_deliveries_tell_of_an_outcome_in_the_same_words_and_times(
    campus: Caller, people: dict[str, str], record: Record
) -> None:
    expires_at = (datetime.now(UTC) + timedelta(hours=4)).astimezone(timezone(timedelta(hours=2)))
    body = {"message": MESSAGE, "audience": EVERYONE, "expires_at": expires_at.isoformat()}
    send_id = campus.post("/sends", body).json["send_id"]
    frozen(campus, send_id)
    app_id = UUID(campus.prefix.rpartition("/")[2])
    last = deliver(record, app_id, UUID(send_id), failed={UUID(people["bob"])})
    rows = {
        one["device_id"]: one for one in campus.get(f"/sends/{send_id}/deliveries?min_position={last}").json["items"]
    }
    told = campus.get("/events?types=delivery.*").json["items"]
    assert {event["subject"] for event in told} == rows.keys() == {people["ada"], people["bob"]}
    for event in told:
        row, data = rows[event["subject"]], event["data"]
        assert event["type"] == f"delivery.{row['outcome']}"
        assert (event["position"], event["index"], event["time"]) == (row["position"], row["index"], row["updated_at"])
        for name in ("provider", "message_id", "code", "reason", "sent_at", "answered_at"):
            assert data.get(name) == row[name]
        assert campus.get(f"/devices/{event['subject']}/deliveries").json["items"] == [row]
    assert rows[people["ada"]]["sent_at"] == "2026-01-31T12:00:00.250001Z"
    requested = campus.get(f"/sends/{send_id}/history").json["items"][0]["data"]["expires_at"]
    assert requested == campus.get(f"/sends/{send_id}").json["expires_at"]
    assert requested == expires_at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def test_a_frozen_audience_is_recomputed_after_everything_changed(campus: Caller, people: dict[str, str]) -> None:
    send_id = campus.post("/sends", {"message": MESSAGE, "audience": {"users": ["ada", "bob"]}}).json["send_id"]
    as_of = frozen(campus, send_id)["as_of"]
    for device in people.values():
        campus.delete(f"/devices/{device}")
    answer = campus.get(f"/sends/{send_id}/audience?recompute=true")
    assert answer.content_type == "application/x-ndjson"
    *lines, last = [json.loads(line) for line in answer.text.splitlines()]
    assert {line["device_id"]: line["excluded"] for line in lines} == {
        people["ada"]: None,
        people["bob"]: None,
        people["ios"]: "no-provider",
    }
    assert last["summary"] == {
        "as_of": as_of,
        "audience": 2,
        "by_provider": {"wns": 2},
        "excluded": {"no-provider": 1},
        "as_recorded": True,
    }


def bearer(caller: Caller) -> dict[str, str]:
    return {"Authorization": f"Bearer {caller.token}"}


CROWD = 100_000
"""Devices whose lines are more than a connection holds that nobody reads from."""

FILL = """
    insert into audience_v1.device select gen_random_uuid(), %s, 'windows', 'native', true, false, false,
           null, null, null, 1, 9223372036854775807 from generate_series(1, %s)"""
IN_A_TRANSACTION = """
    select count(*) from pg_stat_activity
    where datname = current_database() and xact_start is not null and pid <> pg_backend_pid()"""


def test_who_reads_a_recomputed_audience_slowly_keeps_nobody_else_waiting(
    campus: Caller, people: dict[str, str], server: str, database_url: str
) -> None:
    send_id = campus.post("/sends", {"message": MESSAGE, "audience": EVERYONE}).json["send_id"]
    frozen(campus, send_id)
    address = f"{campus.prefix}/sends/{send_id}/audience?recompute=true"
    with psycopg.connect(database_url, autocommit=True) as database, ExitStack() as slow:
        database.execute(FILL, (UUID(campus.prefix.rpartition("/")[2]), CROWD))
        # Two processes: each comes to its bound, whichever of them is asked.
        statuses = [slow.enter_context(reading_slowly(campus, server, address)) for _ in range(2 * AT_A_TIME + 1)]
        assert statuses.count(b"HTTP/1.1 200") >= AT_A_TIME
        assert set(statuses) == {b"HTTP/1.1 200", b"HTTP/1.1 503"}
        eventually(lambda: database.execute(IN_A_TRANSACTION).fetchall() == [(0,)], "their sessions are free")
        assert requests.get(f"{server}{campus.prefix}", headers=bearer(campus)).status_code == 200

    def whole() -> list[str]:
        answer = requests.get(f"{server}{address}", headers=bearer(campus))
        return answer.text.splitlines() if answer.status_code == 200 else []

    *lines, last = eventually(whole, "who went away is not waited for")
    assert len({json.loads(line)["device_id"] for line in lines}) == CROWD + len(people)
    assert json.loads(last)["summary"]["by_provider"] == {"wns": CROWD + 2}


@contextmanager
def reading_slowly(caller: Caller, server: str, address: str) -> Iterator[bytes]:
    """The beginning of an answer of which nobody reads the rest until the block ends."""
    url = urlsplit(server)
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect((url.hostname, url.port))
        head = f"GET {address} HTTP/1.1\r\nHost: {url.netloc}\r\nAuthorization: Bearer {caller.token}\r\n\r\n"
        connection.sendall(head.encode())
        yield connection.recv(12, socket.MSG_WAITALL)


def test_people_in_an_audience_are_named_to_auditors_alone(
    campus: Caller, people: dict[str, str], issue: Callable[..., Caller]
) -> None:
    campus.patch(f"/devices/{people['ada']}", {"user": "ada lovelace"})
    body = {"message": MESSAGE, "audience": {"users": ["ada lovelace"], "aliases": ["eve"]}}
    send_id = campus.post("/sends", body).json["send_id"]
    address = f"/sends/{send_id}/audience"
    assert campus.get(address).json["asked"] == {"users": ["ada lovelace"], "aliases": ["eve"]}
    assert issue("auditor").get(address).json["asked"]["users"] == ["ada lovelace"]
    masked = issue("sender").get(address)
    assert masked.json["asked"]["users"][0]["protected"] is True
    assert "lovelace" not in masked.text
    assert campus.get(f"/sends/{send_id}").json["audience"]["users"] == 1


def test_what_a_notification_and_its_followup_say_is_pushed(campus: Caller, people: dict[str, str]) -> None:
    notification = campus.post("/notifications", {"title": "Threat", "body": "Stay away"}).json["notification_id"]
    campus.post(f"/notifications/{notification}/followups", {"body": "Security services have arrived on scene"})
    subject = {"notification_id": notification, "followup_id": 1}
    pushed = campus.post("/sends", {"subject": subject, "audience": EVERYONE})
    assert pushed.json["message"]["body"] == "Security services have arrived on scene"
    assert pushed.json["subject"] == subject
    listed = campus.get(f"/sends?notification_id={notification}").json["items"]
    assert [one["send_id"] for one in listed] == [pushed.json["send_id"]]
    campus.delete(f"/notifications/{notification}")
    assert campus.post("/sends", {"subject": subject, "audience": EVERYONE}).status_code == 409


def test_recipients_messages_of_their_own_are_personal_data(campus: Caller, people: dict[str, str]) -> None:
    personal = [
        {"user": "ada", "message": {"body": "Ada, come home"}},
        {"device": people["bob"], "message": {"body": "Bob, come home"}},
        {"alias": "eve", "message": {"body": "Eve, come home"}},
    ]
    body = {"message": MESSAGE, "audience": EVERYONE, "personal": personal}
    send_id = campus.post("/sends", body).json["send_id"]
    assert "come home" not in campus.get(f"/sends/{send_id}").text
    told = campus.get(f"/sends/{send_id}/history").json["items"][0]["data"]["personal"]
    assert [one["message"]["body"] for one in told] == ["Ada, come home", "Bob, come home", "Eve, come home"]


def test_a_device_that_is_not_the_apps_is_named_neither_in_an_audience_nor_for_a_message_of_its_own(
    campus: Caller, admin: Caller, people: dict[str, str], appends_nothing: AppendsNothing
) -> None:
    other = admin.post("/v1/apps", {"name": "Elsewhere"}).json["app_id"]
    theirs = admin.post(f"/v1/apps/{other}/devices", {"platform": "ios", "token": token(7)}).json["device_id"]
    for stranger in (theirs, str(uuid4())):
        own = [{"device": one, "message": {"body": "Come home"}} for one in (people["bob"], stranger)]
        asked = {"audience.devices": {"devices": [people["bob"], stranger]}, "personal.1.device": EVERYONE}
        for field, audience in asked.items():
            body = {"message": MESSAGE, "audience": audience, "personal": own if field.startswith("personal") else []}
            with appends_nothing():
                refused = campus.post("/sends", body)
            assert (refused.status_code, refused.json["code"]) == (404, "not-found")
            assert (refused.json["field"], refused.json["devices"]) == (field, [stranger])


def test_a_send_is_narrowed_paced_and_found_again_by_its_name(campus: Caller, people: dict[str, str]) -> None:
    campus.patch(f"/devices/{people['ada']}", {"properties": {"year": 3}})
    audience = {**EVERYONE, "properties": {"year": [3, 4]}}
    assert campus.post("/sends/preview", {"audience": audience}).json["by_provider"] == {"wns": 1}
    told = {"pace": 600, "name": "drill", "campaign": "spring", "labels": ["test", "north"]}
    message = {**MESSAGE, "badge_change": 1, "per_device": {"d": "device.id"}}
    send_id = campus.post("/sends", {"message": message, "audience": audience, **told}).json["send_id"]
    found = frozen(campus, send_id)
    assert {name: found[name] for name in told} == told
    assert (found["audience_count"], found["audience"]["properties"]) == (1, {"year": [3, 4]})


def test_a_scheduled_send_is_cancelled_before_its_time(campus: Caller, people: dict[str, str], record: Record) -> None:
    later = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    scheduled = campus.post("/sends", {"message": MESSAGE, "audience": EVERYONE, "not_before": later})
    waiting = campus.get(f"/sends/{scheduled.json['send_id']}").json
    assert waiting["law"] == {"audience": None, "accounted": 0, "holds": None}
    assert scheduled.json["status"] == "scheduled"
    position = record.head().position
    address = f"/sends/{scheduled.json['send_id']}"
    assert campus.post(f"{address}/cancel", {"reason": "false alarm"}).json["status"] == "cancelled"
    assert campus.get(address).json["reason"] == "false alarm"
    assert campus.get(f"{address}?as_of={position}").json["status"] == "scheduled"
    types = [event["type"] for event in campus.get(f"{address}/history").json["items"]]
    assert types == ["send.requested", "send.scheduled", "send.cancelled"]


def test_a_send_to_nobody_is_refused_unless_it_is_scheduled(campus: Caller, appends_nothing: AppendsNothing) -> None:
    nobody = {"message": MESSAGE, "audience": {"tags": ["nobody"]}}
    with appends_nothing():
        refused = campus.post("/sends", nobody)
        assert (refused.status_code, refused.json["code"]) == (422, "audience-empty")
    later = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    assert campus.post("/sends", {**nobody, "not_before": later}).status_code == 202


def test_a_device_registered_just_now_is_somebody(campus: Caller) -> None:
    for number in range(20):
        headers = {"Prefer": "respond-async"}
        body = {"platform": "android", "token": f"t{number}", "tags": [f"only-{number}"]}
        campus.post("/devices", body, headers=headers)
        sent = campus.post("/sends", {"message": MESSAGE, "audience": {"tags": [f"only-{number}"]}}, headers=headers)
        assert sent.status_code == 202, sent.text


def test_a_message_too_large_for_a_provider_is_refused_at_the_request(
    campus: Caller, people: dict[str, str], appends_nothing: AppendsNothing
) -> None:
    with appends_nothing():
        for address in ("/sends", "/sends/preview"):
            body = {"message": {"title": "x", "body": "y" * 4000, "data": {"z": "z" * 4000}}, "audience": EVERYONE}
            refused = campus.post(address, body)
            assert (refused.status_code, refused.json["code"]) == (422, "payload-too-large"), refused.text
            assert refused.json["provider"] == "wns"
            assert refused.json["size"] > refused.json["limit"]
            assert refused.json["field"] == "message"


def test_a_message_of_ones_own_that_is_too_large_for_a_provider_is_refused_at_the_request(
    campus: Caller, people: dict[str, str], appends_nothing: AppendsNothing
) -> None:
    own = [{"user": "bob", "message": {"body": "short"}}, {"user": "ada", "message": {"body": "é" * 4096}}]
    with appends_nothing():
        refused = campus.post("/sends", {"message": MESSAGE, "audience": EVERYONE, "personal": own})
        assert (refused.status_code, refused.json["code"]) == (422, "payload-too-large"), refused.text
        assert refused.json["field"] == "personal.1.message"


def test_a_phone_reports_what_it_received_and_opened(
    campus: Caller, people: dict[str, str], appends_nothing: AppendsNothing
) -> None:
    send_id = campus.post("/sends", {"message": MESSAGE, "audience": EVERYONE}).json["send_id"]
    frozen(campus, send_id)
    report = {"device_id": people["ada"], "event": "received", "at": "2026-03-01T10:00:00Z"}
    reported = campus.post(f"/sends/{send_id}/receipts", report)
    assert (reported.status_code, reported.json["received"], reported.json["opened"]) == (201, True, False)
    campus.post(f"/sends/{send_id}/receipts", {"device_id": people["ada"], "event": "opened"})
    with appends_nothing():
        assert campus.post(f"/sends/{send_id}/receipts", report).status_code == 201
        for stranger in (people["bare"], str(UUID(int=7))):
            refused = campus.post(f"/sends/{send_id}/receipts", {"device_id": stranger, "event": "opened"})
            assert refused.status_code == 404
    delivery = campus.get(f"/devices/{people['ada']}/deliveries").json["items"][0]
    assert delivery["received_at"] == "2026-03-01T10:00:00Z"
    assert delivery["opened_at"] is not None


def test_a_feed_tells_every_devices_outcome_by_its_address(
    campus: Caller, people: dict[str, str], record: Record
) -> None:
    send_id = campus.post("/sends", {"message": MESSAGE, "audience": EVERYONE}).json["send_id"]
    frozen(campus, send_id)
    app_id = UUID(campus.prefix.rpartition("/")[2])
    deliver(record, app_id, UUID(send_id), failed={UUID(people["bob"])})
    told = campus.get("/events?types=delivery.*").json["items"]
    assert {one["subject"]: one["type"] for one in told} == {
        people["ada"]: "delivery.delivered",
        people["bob"]: "delivery.failed",
    }
    assert [one["id"] for one in told] == [f"{one['position']}.{one['index']}" for one in told]
    assert told[0]["data"]["send_id"] == send_id
    for one in told:
        page = campus.get(f"/events?types=delivery.*&limit=1&after={one['position'] - 1}").json
        assert page["items"][0]["position"] == one["position"]
    first = campus.get("/events?types=delivery.*&limit=1").json
    second = campus.get(f"/events?types=delivery.*&limit=1&cursor={first['next']}").json
    assert first["items"] + second["items"] == told, "a page may end within an event of the record"
