"""The same request under the same key is carried out once, and answered the same."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from calling import AppendsNothing, Caller, token

from tocsin.eventlog.record import Record

Keyed = Callable[[str], dict[str, Any]]

DEVICE = {"platform": "ios", "token": token(1)}


@pytest.fixture
def keyed(campus: Caller) -> Keyed:
    """Options of a request with a key, which is the test's own: all tests share one credential."""
    return lambda key: {"headers": {"Idempotency-Key": f"{campus.prefix} {key}"}}


def test_the_first_answer_is_given_again_byte_for_byte(
    campus: Caller, keyed: Keyed, appends_nothing: AppendsNothing
) -> None:
    first = campus.post("/devices", DEVICE, **keyed("one"))
    assert "Idempotency-Replayed" not in first.headers
    campus.patch(f"/devices/{first.json['device_id']}", {"user": "ada"})
    with appends_nothing():
        again = campus.post("/devices", DEVICE, **keyed("one"))
    assert (again.status_code, again.data) == (201, first.data)
    assert again.headers["Idempotency-Replayed"] == "true"
    for name in ("Location", "Tocsin-Position", "Content-Type"):
        assert again.headers[name] == first.headers[name]


def test_every_kind_of_write_is_repeated_without_effect(
    campus: Caller, keyed: Keyed, appends_nothing: AppendsNothing
) -> None:
    device = campus.post("/devices", {**DEVICE, "tags": ["all"]}).json["device_id"]
    notification = campus.post("/notifications", {"body": "x"}).json["notification_id"]
    for number, (method, address, body) in enumerate(
        (
            ("POST", "/notifications", {"body": "y"}),
            ("POST", f"/notifications/{notification}/followups", {"body": "z"}),
            ("PATCH", f"/notifications/{notification}", {"body": "w"}),
            ("POST", "/sends", {"message": {"title": "t"}, "audience": {"everyone": True}}),
            ("PUT", f"/devices/{device}/subscriptions/staff", None),
            ("POST", f"/devices/{device}/opt-out", None),
            ("DELETE", f"/devices/{device}", None),
            ("DELETE", f"/notifications/{notification}", None),
        )
    ):
        first = campus.call(method, address, body, **keyed(f"key-{number}"))
        assert first.status_code < 300, first.text
        with appends_nothing():
            again = campus.call(method, address, body, **keyed(f"key-{number}"))
        assert (again.status_code, again.data) == (first.status_code, first.data), address
        assert again.headers["Idempotency-Replayed"] == "true"


def test_the_key_with_another_request_is_refused(campus: Caller, keyed: Keyed, appends_nothing: AppendsNothing) -> None:
    campus.post("/devices", DEVICE, **keyed("one"))
    with appends_nothing():
        for method, address, body in (
            ("POST", "/devices", {**DEVICE, "user": "ada"}),
            ("POST", "/devices?x=1", DEVICE),
            ("POST", "/notifications", {"body": "x"}),
            ("PATCH", "", {"name": "x"}),
        ):
            answer = campus.call(method, address, body, **keyed("one"))
            assert (answer.status_code, answer.json["code"]) == (422, "idempotency-key-reused"), address


def test_a_key_is_its_credentials_own(campus: Caller, keyed: Keyed, issue: Callable[..., Caller]) -> None:
    campus.post("/tags", {"tag": "one"}, **keyed("k"))
    other = issue("registrar").post("/tags", {"tag": "two"}, **keyed("k"))
    assert other.status_code == 201
    assert "Idempotency-Replayed" not in other.headers


def test_a_refused_request_leaves_its_key_free(campus: Caller, keyed: Keyed) -> None:
    assert campus.post("/devices", {**DEVICE, "token": "zz"}, **keyed("k")).status_code == 422
    assert campus.post("/devices", DEVICE, **keyed("k")).status_code == 201


def test_a_secret_is_not_shown_twice(campus: Caller, keyed: Keyed) -> None:
    body = {"name": "x", "roles": ["sender"]}
    first = campus.post("/credentials", body, **keyed("k"))
    again = campus.post("/credentials", body, **keyed("k"))
    assert first.json["secret"] is not None
    assert (again.status_code, again.json["secret"], again.json["secret_shown"]) == (201, None, "once")
    assert again.json["credential_id"] == first.json["credential_id"]
    assert first.json["secret"] not in again.text


def test_a_form_is_the_same_whatever_its_boundary(campus: Caller, keyed: Keyed) -> None:
    def upload(content: bytes) -> Any:
        return campus.app.test_client().put(
            f"{campus.prefix}/providers/wns",
            data={"configuration": json.dumps({"client_id": "x"}), "secret": (io.BytesIO(content), "secret.txt")},
            headers={"Authorization": f"Bearer {campus.token}", **keyed("k")["headers"]},
            content_type="multipart/form-data",
        )

    first, again, other = upload(b"one"), upload(b"one"), upload(b"two")
    assert (first.status_code, again.data) == (200, first.data)
    assert again.headers["Idempotency-Replayed"] == "true"
    assert other.status_code == 422


def test_of_many_at_once_one_is_carried_out_and_all_are_answered_the_same(
    campus: Caller, keyed: Keyed, record: Record
) -> None:
    def create(_: int) -> Any:
        return campus.post("/notifications", {"body": "x", "starts_at": "2026-03-01T10:00:00Z"}, **keyed("k"))

    before = record.head().position
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(create, range(16)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.data for answer in answers}) == 1
    assert sum("Idempotency-Replayed" not in answer.headers for answer in answers) == 1
    assert record.head().position == before + 1
