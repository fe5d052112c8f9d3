"""The feed of events: complete, in order, for those who may see it."""

from __future__ import annotations

import base64
import threading
import time
from collections.abc import Callable
from typing import Any

from calling import Caller, token

DEVICE = {"platform": "ios", "token": token(1), "user": "ada lovelace", "alias": "phone", "tags": ["staff"]}


def read_all(caller: Caller, address: str) -> list[dict[str, Any]]:
    """Every event of a feed, page by page."""
    found: list[dict[str, Any]] = []
    page = caller.get(f"{address}{'&' if '?' in address else '?'}limit=2").json
    while page["items"] or not page["ended"]:
        found += page["items"]
        page = caller.get(f"{address}{'&' if '?' in address else '?'}limit=2&cursor={page['next']}").json
    return found


def test_an_apps_events_are_all_there_in_order_and_nobody_elses(admin: Caller, campus: Caller) -> None:
    campus.post("/devices", DEVICE)
    other = admin.of_app(admin.post("/v1/apps", {"name": "Other"}).json["app_id"])
    other.post("/tags", {"tag": "theirs"})
    campus.post("/notifications", {"body": "x"})
    told = read_all(campus, "/events")
    assert [one["type"] for one in told] == [
        "app.created",
        "device.registered",
        "device.subscribed",
        "notification.created",
    ]
    positions = [one["position"] for one in told]
    assert positions == sorted(positions)
    assert {one["source"] for one in told} == {campus.prefix}
    assert [one["id"] for one in told] == [str(position) for position in positions]


def test_an_event_says_who_did_what_when_and_in_answer_to_what(campus: Caller) -> None:
    headers = {"X-Request-ID": "5f0c9f9e-0000-4000-8000-000000000001"}
    answer = campus.post("/devices", DEVICE, headers=headers)
    assert answer.headers["X-Request-ID"] == headers["X-Request-ID"]
    event = campus.get("/events?types=device.registered").json["items"][0]
    assert event["specversion"] == "1.0"
    assert event["correlation"] == headers["X-Request-ID"]
    assert (event["subject"], event["streamversion"]) == (answer.json["device_id"], 1)
    assert event["actor"]["address"] == "127.0.0.1"
    assert event["actor"]["dialect"] == "native"
    assert event["data"]["user"] == "ada lovelace"


def test_personal_data_is_shown_to_admins_and_auditors_alone(campus: Caller, issue: Callable[..., Caller]) -> None:
    campus.post("/devices", DEVICE)
    for role in ("admin", "auditor"):
        assert issue(role).get("/events?types=device.*").json["items"][0]["data"]["token"] == DEVICE["token"]
    answer = issue("registrar").get("/events?types=device.*")
    assert answer.json["items"][0]["data"]["user"]["protected"] is True
    assert not any(secret in answer.text for secret in ("lovelace", token(1), '"phone"'))


def test_a_role_is_shown_the_events_of_what_it_may_read(campus: Caller, issue: Callable[..., Caller]) -> None:
    campus.post("/devices", DEVICE)
    campus.post("/notifications", {"body": "x"})
    operator = issue("operator")

    def types(caller: Caller) -> set[str]:
        return {one["type"] for one in read_all(caller, "/events")}

    public, devices = {"app.created", "notification.created"}, {"device.registered", "device.subscribed"}
    credentials = {"app.credential_issued"}
    assert types(operator) == public
    assert types(issue("sender")) == public
    assert types(issue("registrar")) == public | devices
    assert types(issue("sender", "registrar")) == public | devices
    assert types(issue("auditor")) == types(campus) == public | devices | credentials


def test_types_that_a_role_is_not_shown_are_left_out_and_where_none_is_left_forbidden(
    campus: Caller, issue: Callable[..., Caller]
) -> None:
    campus.post("/devices", DEVICE)
    sender = issue("sender")
    refused = sender.get("/events?types=device.*,app.credential_issued")
    assert (refused.status_code, refused.json["code"], refused.json["role"]) == (403, "forbidden", "auditor")
    told = sender.get("/events?types=device.registered,app.created").json["items"]
    assert [one["type"] for one in told] == ["app.created"]


def test_the_whole_instances_feed_is_for_its_own_credentials(campus: Caller, issue: Callable[..., Caller]) -> None:
    theirs = read_all(issue("auditor"), "/v1/events")
    assert {one["app"] for one in theirs} == {campus.prefix.rpartition("/")[2]}
    everything = read_all(campus, "/v1/events")
    assert len({one["app"] for one in everything}) > 1
    assert [one["position"] for one in everything] == list(range(1, len(everything) + 1))


def test_a_feed_is_narrowed_to_types_and_goes_on_where_it_was_left(campus: Caller) -> None:
    for number in range(5):
        campus.post("/tags", {"tag": f"t{number}"})
        campus.post("/notifications", {"body": f"n{number}"})
    told = read_all(campus, "/events?types=app.tag_created,notification.*")
    assert [one["data"].get("tag") or one["data"]["body"] for one in told] == [
        name for number in range(5) for name in (f"t{number}", f"n{number}")
    ]
    end = campus.get("/events?types=app.tag_created&limit=1000").json
    assert end["ended"] is True
    assert campus.get(f"/events?types=app.tag_created&cursor={end['next']}").json["items"] == []
    campus.post("/tags", {"tag": "later"})
    later = campus.get(f"/events?types=app.tag_created&cursor={end['next']}").json["items"]
    assert [one["data"]["tag"] for one in later] == ["later"]


def test_a_feed_begins_after_a_position(campus: Caller) -> None:
    position = int(campus.post("/tags", {"tag": "one"}).headers["Tocsin-Position"])
    campus.post("/tags", {"tag": "two"})
    told = campus.get(f"/events?after={position}").json["items"]
    assert [one["data"]["tag"] for one in told] == ["two"]
    cursor = campus.get("/events").json["next"]
    assert campus.get(f"/events?after=1&cursor={cursor}").json["field"] == "after"


def test_a_feed_begins_no_further_on_than_the_record_has_come(campus: Caller) -> None:
    head = int(campus.post("/tags", {"tag": "one"}).headers["Tocsin-Position"])
    assert campus.get(f"/events?after={head}").json["items"] == []
    refused = campus.get(f"/events?after={head + 1}")
    assert (refused.status_code, refused.json["field"]) == (422, "after")
    assert f"which is at {head}" in refused.json["detail"]


def test_who_waits_is_told_as_soon_as_something_happens(campus: Caller) -> None:
    end = campus.get("/events?limit=1000").json["next"]
    answers: list[Any] = []
    thread = threading.Thread(target=lambda: answers.append(campus.get(f"/events?wait=30&cursor={end}").json))
    thread.start()
    time.sleep(0.3)
    assert thread.is_alive(), "there was nothing to tell yet"
    campus.post("/tags", {"tag": "now"})
    thread.join(timeout=29)
    assert [one["data"]["tag"] for one in answers[0]["items"]] == ["now"]
    assert campus.get(f"/events?wait=1&cursor={answers[0]['next']}").json["items"] == []


def test_a_cursor_that_was_made_up_is_refused(campus: Caller) -> None:
    cursor = campus.get("/events").json["next"]
    raw = bytearray(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    raw[-2] ^= 1
    forged = base64.urlsafe_b64encode(bytes(raw)).decode().rstrip("=")
    for one in (forged, cursor[:-4], "AAAA"):
        answer = campus.get(f"/events?cursor={one}")
        assert (answer.status_code, answer.json["field"]) == (422, "cursor")
