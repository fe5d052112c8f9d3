"""What is wrong with a request is said precisely, and nothing is appended."""

from __future__ import annotations

import gzip
from datetime import datetime
from typing import Any
from uuid import uuid4

import pytest
from calling import AppendsNothing, Caller, token
from flask import Flask

from tocsin.api.app import create_app
from tocsin.api.problems import KINDS

MESSAGE = {"title": "x"}
EVERYONE = {"everyone": True}
NOWHERE = str(uuid4())
TOO_EARLY, TOO_LATE = "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"

MALFORMED = [b"{", b'{"platform": "ios"', b"[1,", b"\xff\xfe", b'{"a": NaN}', b'"\\ud800"', b"{}{}", b"[" * 100_000]

FIELDS: list[tuple[str, str, Any, str | None]] = [
    # Unknown fields.
    ("POST", "/devices", {"platform": "ios", "colour": "red"}, "colour"),
    ("POST", "/sends", {"message": {**MESSAGE, "colour": "red"}, "audience": EVERYONE}, "message.colour"),
    ("POST", "/sends", {"message": MESSAGE, "audience": {"everybody": True}}, "audience.everybody"),
    ("POST", "/notifications", {"body": "x", "send": True}, "send"),
    # Wrong types.
    ("POST", "/devices", [], None),
    ("POST", "/devices", "ios", None),
    ("POST", "/devices", {"platform": 7}, "platform"),
    ("POST", "/devices", {"platform": "ios", "tags": "staff"}, "tags"),
    ("POST", "/devices", {"platform": "ios", "tags": [7]}, "tags.0"),
    ("POST", "/devices", {"platform": "ios", "device_id": "seven"}, "device_id"),
    ("POST", "/devices", {"platform": "ios", "properties": []}, "properties"),
    ("POST", "/devices", {"platform": "ios", "attributes": {"model": {}}}, "attributes.model"),
    ("POST", "/sends", {"message": MESSAGE, "audience": {"everyone": 1}}, "audience.everyone"),
    ("POST", "/sends", {"message": {**MESSAGE, "badge": "1"}, "audience": EVERYONE}, "message.badge"),
    ("POST", "/sends", {"message": {**MESSAGE, "badge": True}, "audience": EVERYONE}, "message.badge"),
    ("POST", "/sends", {"message": {**MESSAGE, "silent": "no"}, "audience": EVERYONE}, "message.silent"),
    ("POST", "/sends", {"message": MESSAGE, "audience": EVERYONE, "expires_at": 1}, "expires_at"),
    ("POST", "/notifications", {"body": "x", "starts_at": "tomorrow"}, "starts_at"),
    ("POST", "/notifications", {"body": "x", "starts_at": "2026-03-01T10:00:00"}, "starts_at"),
    # Missing, blank and impossible values.
    ("POST", "/devices", {}, "platform"),
    ("POST", "/devices", {"platform": "IOS"}, "platform"),
    ("POST", "/devices", {"platform": "ios", "token": "zz"}, "token"),
    ("POST", "/devices", {"platform": "windows", "token": "http://example.org"}, "token"),
    ("POST", "/devices", {"platform": "ios", "environment": "test"}, "environment"),
    ("POST", "/devices", {"platform": "ios", "user": " "}, "user"),
    ("POST", "/devices", {"platform": "ios", "user": "a\0b"}, "user"),
    ("POST", "/devices", {"platform": "ios", "tags": ["a!b"]}, "tags"),
    ("POST", "/sends", {"audience": EVERYONE}, "message"),
    ("POST", "/sends", {"message": MESSAGE}, "audience"),
    ("POST", "/sends", {"message": {}, "audience": EVERYONE}, "message"),
    ("POST", "/sends", {"message": {"silent": True, **MESSAGE}, "audience": EVERYONE}, "message.silent"),
    ("POST", "/sends", {"message": {**MESSAGE, "data": {"aps": 1}}, "audience": EVERYONE}, "message.data"),
    ("POST", "/sends", {"message": MESSAGE, "audience": {}}, "audience"),
    ("POST", "/sends", {"message": MESSAGE, "audience": {"tags": ["a!"]}}, "audience.tags"),
    ("POST", "/sends", {"message": MESSAGE, "audience": {**EVERYONE, "platforms": ["os2"]}}, "audience.platforms"),
    ("POST", "/sends", {"message": MESSAGE, "audience": {**EVERYONE, "profile": "none"}}, "audience.profile"),
    ("POST", "/sends", {"message": MESSAGE, "audience": EVERYONE, "lane": "fast"}, "lane"),
    ("POST", "/sends", {"message": MESSAGE, "audience": EVERYONE, "in_doubt": "maybe"}, "in_doubt"),
    ("POST", "/sends", {"message": MESSAGE, "audience": EVERYONE, "max_attempts": 0}, "max_attempts"),
    ("POST", "/sends", {"message": MESSAGE, "audience": EVERYONE, "expires_at": "2020-01-01T00:00:00Z"}, "expires_at"),
    ("POST", "/sends", {"message": MESSAGE, "audience": EVERYONE, "personal": [{"message": {}}]}, "personal.0"),
    ("POST", "/sends", {"subject": {"followup_id": 1}, "audience": EVERYONE}, "subject.notification_id"),
    ("POST", "/notifications", {"body": "x", "expires_at": "2020-01-01T00:00:00Z"}, "expires_at"),
    ("POST", "/tags", {"tag": "a!b"}, "tag"),
    ("POST", "/users", {"name": ""}, "name"),
    ("POST", f"/sends/{NOWHERE}/receipts", {"device_id": NOWHERE, "event": "eaten"}, "event"),
    ("POST", "/sends", {"message": MESSAGE, "audience": EVERYONE, "pace": 0}, "pace"),
    ("POST", "/sends", {"message": {"badge": 1, "badge_change": 1}, "audience": EVERYONE}, "message.badge_change"),
    ("POST", "/sends", {"message": {"per_device": {"x": "y"}}, "audience": EVERYONE}, "message.per_device.x.value"),
    # Times that no table can hold.
    ("POST", "/sends", {"message": MESSAGE, "audience": EVERYONE, "not_before": TOO_EARLY}, "not_before"),
    ("POST", "/sends", {"message": MESSAGE, "audience": EVERYONE, "expires_at": TOO_LATE}, "expires_at"),
    ("POST", "/notifications", {"body": "x", "starts_at": TOO_EARLY}, "starts_at"),
    ("POST", "/notifications", {"body": "x", "expires_at": TOO_LATE}, "expires_at"),
    # Too long.
    ("POST", "/devices", {"platform": "i" * 33}, "platform"),
    ("POST", "/devices", {"platform": "android", "token": "t" * 4097}, "token"),
    ("POST", "/devices", {"platform": "ios", "user": "u" * 256}, "user"),
    ("POST", "/devices", {"platform": "ios", "phone": "1" * 65}, "phone"),
    ("POST", "/devices", {"platform": "ios", "external_id": "e" * 256}, "external_id"),
    ("POST", "/devices", {"platform": "ios", "tags": ["t" * 65]}, "tags.0"),
    ("POST", "/devices", {"platform": "ios", "tags": [f"t{number}" for number in range(101)]}, "tags"),
    ("POST", "/devices", {"platform": "ios", "properties": {"a": "b" * 5000}}, "properties"),
    ("POST", "/devices", {"platform": "ios", "attributes": {"a": "b" * 256}}, "attributes.a"),
    ("POST", "/sends", {"message": {"title": "t" * 4097}, "audience": EVERYONE}, "message.title"),
    ("POST", "/sends", {"message": {**MESSAGE, "data": {"a": "b" * 5000}}, "audience": EVERYONE}, "message.data"),
    ("POST", "/sends", {"message": MESSAGE, "audience": {"users": ["u" * 256]}}, "audience.users.0"),
    ("POST", "/sends", {"message": MESSAGE, "audience": {"tags": ["t"] * 10_001}}, "audience.tags"),
    ("POST", "/sends", {"message": {**MESSAGE, "ttl": 2_419_201}, "audience": EVERYONE}, "message.ttl"),
    ("POST", "/notifications", {"body": "b" * 4001}, "body"),
    ("POST", "/notifications", {"body": "b", "title": "t" * 256}, "title"),
    ("POST", "/tags", {"tag": "t", "description": "d" * 1001}, "description"),
    ("PATCH", "", {"name": "n" * 256}, "name"),
]  # fmt: skip

UNKNOWN: list[tuple[str, str, Any]] = [
    (method, address.format(NOWHERE), body)
    for method, address, body in (
        ("GET", "/devices/{}", None),
        ("PATCH", "/devices/{}", {"user": "x"}),
        ("DELETE", "/devices/{}", None),
        ("POST", "/devices/{}/opt-out", {}),
        ("PUT", "/devices/{}/subscriptions/staff", None),
        ("GET", "/devices/{}/deliveries", None),
        ("GET", "/devices/{}/history", None),
        ("GET", "/notifications/{}", None),
        ("PATCH", "/notifications/{}", {"body": "x"}),
        ("POST", "/notifications/{}/followups", {"body": "x"}),
        ("DELETE", "/notifications/{}", None),
        ("GET", "/sends/{}", None),
        ("GET", "/sends/{}/deliveries", None),
        ("GET", "/sends/{}/excluded", None),
        ("GET", "/sends/{}/audience", None),
        ("POST", "/sends/{}/cancel", {}),
        ("POST", "/sends/{}/receipts", {"device_id": NOWHERE, "event": "opened"}),
        ("GET", "/users/{}", None),
        ("PUT", "/users/{}/password", {"password": None}),
        ("DELETE", "/credentials/{}", None),
        ("PATCH", "/tags/unheard-of", {"description": "x"}),
        ("DELETE", "/tags/unheard-of", None),
        ("DELETE", "/providers/apns", None),
        ("GET", "/nothing/here", None),
    )
]

EXPRESSIONS = {"a &&": 4, "a b": 2, "(a": 2, "a || ) b": 5, "": 0, '"open': 5, "a & b": 2, "!(": 2, "a && b#": 6}


def test_what_is_not_json_is_400_and_says_where(campus: Caller, appends_nothing: AppendsNothing) -> None:
    with appends_nothing():
        for body in MALFORMED:
            answer = campus.post("/devices", body)
            assert (answer.status_code, answer.json["code"]) == (400, "malformed"), body[:20]
            assert "not JSON" in answer.json["detail"] or "nested" in answer.json["detail"]


def test_what_breaks_a_rule_is_422_and_names_the_field(campus: Caller, appends_nothing: AppendsNothing) -> None:
    with appends_nothing():
        for method, address, body, field in FIELDS:
            answer = campus.call(method, address, body)
            assert (answer.status_code, answer.json["code"]) == (422, "invalid"), (
                address,
                str(body)[:200],
                answer.text,
            )
            assert answer.json.get("field") == field, (address, str(body)[:200], answer.text)
            assert answer.content_type == "application/problem+json"


def test_the_first_and_the_last_times_that_can_be_said_are_read_back(campus: Caller) -> None:
    first, last = "0001-01-01T00:00:00+00:00", "9999-12-31T23:59:59.999999+00:00"
    published = campus.post("/notifications", {"body": "x", "starts_at": first, "expires_at": last})
    assert published.status_code == 201
    (found,) = campus.get("/notifications").json["items"]
    assert [datetime.fromisoformat(found[name]) for name in ("starts_at", "expires_at")] == [
        datetime.fromisoformat(text) for text in (first, last)
    ]
    campus.post("/sends", {"message": MESSAGE, "audience": EVERYONE, "not_before": last})
    assert datetime.fromisoformat(campus.get("/sends").json["items"][0]["not_before"]) == datetime.fromisoformat(last)


def test_an_expression_that_does_not_parse_is_refused_with_its_position(
    campus: Caller, appends_nothing: AppendsNothing
) -> None:
    with appends_nothing():
        for expression, position in EXPRESSIONS.items():
            for address in ("/sends", "/sends/preview"):
                body = {"message": MESSAGE, "audience": {"expression": expression}}
                answer = campus.post(address, body)
                assert (answer.status_code, answer.json.get("position")) == (422, position), (expression, answer.text)
                assert answer.json["field"] == "audience.expression"
                assert answer.json["expected"]


def test_ids_of_nothing_are_404(campus: Caller, appends_nothing: AppendsNothing) -> None:
    with appends_nothing():
        for method, address, body in UNKNOWN:
            answer = campus.call(method, address, body)
            assert (answer.status_code, answer.json["code"]) == (404, "not-found"), (method, address, answer.text)
        for audience in ({"devices": [NOWHERE]}, {"devices": [NOWHERE], "everyone": True}):
            answer = campus.post("/sends", {"message": MESSAGE, "audience": audience})
            assert (answer.status_code, answer.json["devices"]) == (404, [NOWHERE])
            assert campus.post("/sends/preview", {"audience": audience}).status_code == 404
        subject = {"notification_id": NOWHERE}
        assert campus.post("/sends", {"subject": subject, "audience": EVERYONE}).status_code == 404


def test_parameters_that_cannot_be_are_422(campus: Caller) -> None:
    for address, field in (
        ("/devices?limit=0", "limit"),
        ("/devices?limit=1001", "limit"),
        ("/devices?limit=ten", "limit"),
        ("/devices?cursor=%25", "cursor"),
        ("/devices?cursor=abc", "cursor"),
        ("/devices?cursor=ImEi", "cursor"),
        ("/tags?cursor=Ilx1MDAwMCI", "cursor"),
        ("/devices?state=lost", "state"),
        ("/devices?tag=a!b", "tag"),
        ("/devices?min_position=-1", "min_position"),
        ("/devices?min_position=" + "9" * 30, "min_position"),
        ("/sends?status=lost", "status"),
        ("/sends?notification_id=7", "notification_id"),
        ("/notifications?when=never", "when"),
        ("/events?types=device.eaten", "types"),
        ("/events?wait=31", "wait"),
        ("/events?cursor=abc", "cursor"),
        ("/devices?external_id=x&limit=0", "limit"),
        ("/devices?external_id=x&cursor=x", "cursor"),
        ("/users?name=x&limit=1001", "limit"),
        ("/events?after=x", "after"),
    ):
        answer = campus.get(address)
        assert (answer.status_code, answer.json["field"]) == (422, field), (address, answer.text)
    assert campus.get("/devices?user=%00").status_code == 422
    assert campus.get("/tags/%00").status_code == 422


@pytest.mark.parametrize(
    ("address", "kind"), [("/devices", "application/json"), ("/devices/import", "application/x-ndjson")]
)
def test_a_compressed_body_is_415(campus: Caller, appends_nothing: AppendsNothing, address: str, kind: str) -> None:
    packed = gzip.compress(b'{"platform": "ios"}')
    with appends_nothing():
        refused = campus.post(address, packed, headers={"Content-Type": kind, "Content-Encoding": "gzip"})
    assert (refused.status_code, refused.json["code"]) == (415, "unsupported-media-type")
    assert "Content-Encoding" in refused.json["detail"]


def test_a_body_of_another_kind_is_415_and_a_huge_one_413(campus: Caller, appends_nothing: AppendsNothing) -> None:
    with appends_nothing():
        for kind in ("text/plain", "application/x-www-form-urlencoded", "application/xml", ""):
            answer = campus.post("/devices", b'{"platform": "ios"}', headers={"Content-Type": kind})
            assert (answer.status_code, answer.json["code"]) == (415, "unsupported-media-type"), kind
        answer = campus.post("/devices/import", b'{"platform": "ios"}')
        assert answer.status_code == 415
        answer = campus.post("/devices", b'{"platform": "%s"}' % (b"x" * 1024 * 1024))
        assert (answer.status_code, answer.json["code"]) == (413, "request-entity-too-large")


def test_an_answer_that_cannot_be_had_in_the_form_asked_for_is_406(
    campus: Caller, appends_nothing: AppendsNothing
) -> None:
    with appends_nothing():
        for method, address, body in (
            ("GET", "/devices", None),
            ("POST", "/devices", {"platform": "ios"}),
            ("POST", "/sends/preview", {"audience": EVERYONE}),
        ):
            answer = campus.call(method, address, body, headers={"Accept": "text/csv"})
            assert (answer.status_code, answer.json["code"]) == (406, "not-acceptable"), address
    for accept in ("*/*", "application/*", "application/json;q=0.5, text/html", "application/json; charset=utf-8"):
        assert campus.get("/devices", headers={"Accept": accept}).status_code == 200


def test_a_wrong_method_is_405_and_says_which_there_are(campus: Caller) -> None:
    answer = campus.delete("/devices")
    assert (answer.status_code, answer.json["code"]) == (405, "method-not-allowed")
    assert {"GET", "POST"} <= set(answer.headers["Allow"].split(", "))


def test_an_idempotency_key_that_cannot_be_one_is_refused(campus: Caller, appends_nothing: AppendsNothing) -> None:
    with appends_nothing():
        for key in ("", "k" * 256):
            answer = campus.post("/tags", {"tag": "staff"}, headers={"Idempotency-Key": key})
            assert (answer.status_code, answer.json["field"]) == (422, "Idempotency-Key")


def test_a_fault_of_ours_tells_the_caller_nothing_but_its_request_id(
    make_services,
    admin: Caller,
    caplog: pytest.LogCaptureFixture,  # type: ignore[no-untyped-def]
) -> None:
    def readiness() -> dict[str, str | None]:
        raise RuntimeError("password=hunter2")

    broken = create_app(make_services(readiness=readiness)).test_client()
    answer = broken.get("/readyz")
    assert (answer.status_code, answer.json["code"]) == (500, "internal")
    assert "hunter2" not in answer.text
    assert any(getattr(line, "correlation_id", "") == answer.json["request"] for line in caplog.records)


def test_every_problem_leads_to_its_explanation(app: Flask) -> None:
    client = app.test_client()
    for code, kind in KINDS.items():
        answer = client.get(f"/problems/{code}")
        assert answer.json == {
            "code": code,
            "status": kind.status,
            "title": kind.title,
            "explanation": kind.explanation,
        }
        page = client.get(f"/problems/{code}", headers={"Accept": "text/html"})
        assert page.content_type.startswith("text/html")
        assert kind.title in page.text
    assert client.get("/problems/nonsense").status_code == 404


def test_a_token_in_a_refused_request_is_not_repeated(campus: Caller) -> None:
    secret = token(99) + "zz"
    assert secret not in campus.post("/devices", {"platform": "ios", "token": secret}).text
