"""Whatever the document tells of holds together: methods, what is there and what is not, whose it is, who may."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import pytest
from calling import AppendsNothing, Caller
from things import operations, things

from tocsin.eventlog.record import Record

NOWHERE = str(uuid4())
UNKNOWN = {
    "webhook_id": NOWHERE,
    "call_id": "evt_1_0_0",
    "device_id": NOWHERE,
    "notification_id": NOWHERE,
    "followup_id": "99",
    "send_id": NOWHERE,
    "provider": "apns",
    "tag": "unheard of",
    "user_id": NOWHERE,
    "credential_id": NOWHERE,
    "app_id": NOWHERE,
}

BODIES: dict[tuple[str, str], Any] = {
    ("patch", "/devices/{device_id}"): {"user": "eve"},
    ("put", "/devices/{device_id}"): {"platform": "ios"},
    ("patch", "/notifications/{notification_id}"): {"body": "y"},
    ("post", "/notifications/{notification_id}/followups"): {"body": "y"},
    ("patch", "/notifications/{notification_id}/followups/{followup_id}"): {"body": "y"},
    ("put", "/providers/{provider}"): {"configuration": {"client_id": "x"}, "secret": "y"},
    ("post", "/sends/{send_id}/receipts"): {"device_id": NOWHERE, "event": "opened"},
    ("patch", "/tags/{tag}"): {"description": "y"},
    ("put", "/users/{user_id}/password"): {"password": "y"},
    ("patch", "/webhooks/{webhook_id}"): {"events": ["*"]},
}
"""What operations on one thing take, by method and address; the others take nothing."""

CREATING = {("put", "/providers/{provider}"), ("put", "/devices/{device_id}")}
"""These make what is not there."""

R, S, A, P = "registrar", "sender", "auditor", "operator"
MAY: dict[tuple[str, str], set[str]] = {
    ("get", ""): {R, S, A, P},
    ("patch", ""): set(),
    ("post", "/disable"): set(),
    ("post", "/enable"): set(),
    ("get", "/history"): {A},
    ("post", "/credentials"): set(),
    ("get", "/credentials"): {A},
    ("get", "/credentials/{credential_id}"): {A},
    ("delete", "/credentials/{credential_id}"): set(),
    ("get", "/credentials/{credential_id}/history"): {A},
    ("get", "/providers"): {A, P},
    ("get", "/providers/{provider}"): {A, P},
    ("put", "/providers/{provider}"): set(),
    ("delete", "/providers/{provider}"): set(),
    ("get", "/providers/{provider}/history"): {A},
    ("post", "/devices"): {R},
    ("post", "/devices/import"): {R},
    ("get", "/devices"): {R, A},
    ("get", "/devices/{device_id}"): {R, A},
    ("put", "/devices/{device_id}"): {R},
    ("patch", "/devices/{device_id}"): {R},
    ("delete", "/devices/{device_id}"): {R},
    ("post", "/devices/{device_id}/opt-out"): {R},
    ("post", "/devices/{device_id}/opt-in"): {R},
    ("get", "/devices/{device_id}/subscriptions"): {R, A},
    ("put", "/devices/{device_id}/subscriptions/{tag}"): {R},
    ("delete", "/devices/{device_id}/subscriptions/{tag}"): {R},
    ("get", "/devices/{device_id}/history"): {A},
    ("get", "/devices/{device_id}/deliveries"): {R, S, A, P},
    ("post", "/tags"): {R},
    ("get", "/tags"): {R, S, A, P},
    ("get", "/tags/{tag}"): {R, S, A, P},
    ("patch", "/tags/{tag}"): {R},
    ("delete", "/tags/{tag}"): {R},
    ("get", "/tags/{tag}/history"): {A},
    ("post", "/users"): {R},
    ("get", "/users"): {R, A},
    ("get", "/users/{user_id}"): {R, A},
    ("put", "/users/{user_id}/password"): {R},
    ("post", "/users/{user_id}/disable"): {R},
    ("post", "/users/{user_id}/enable"): {R},
    ("get", "/users/{user_id}/history"): {A},
    ("post", "/notifications"): {S},
    ("get", "/notifications"): {R, S, A, P},
    ("get", "/notifications/{notification_id}"): {R, S, A, P},
    ("patch", "/notifications/{notification_id}"): {S},
    ("delete", "/notifications/{notification_id}"): {S},
    ("get", "/notifications/{notification_id}/history"): {A},
    ("post", "/notifications/{notification_id}/followups"): {S},
    ("get", "/notifications/{notification_id}/followups"): {R, S, A, P},
    ("get", "/notifications/{notification_id}/followups/{followup_id}"): {R, S, A, P},
    ("patch", "/notifications/{notification_id}/followups/{followup_id}"): {S},
    ("delete", "/notifications/{notification_id}/followups/{followup_id}"): {S},
    ("get", "/notifications/{notification_id}/followups/{followup_id}/history"): {A},
    ("post", "/sends"): {S},
    ("post", "/sends/preview"): {S},
    ("get", "/sends"): {S, A, P},
    ("get", "/sends/{send_id}"): {S, A, P},
    ("post", "/sends/{send_id}/cancel"): {S, P},
    ("get", "/sends/{send_id}/deliveries"): {S, A, P},
    ("get", "/sends/{send_id}/excluded"): {S, A, P},
    ("get", "/sends/{send_id}/audience"): {S, A, P},
    ("post", "/sends/{send_id}/receipts"): {R, S},
    ("get", "/sends/{send_id}/history"): {A},
    ("post", "/webhooks"): set(),
    ("get", "/webhooks"): {A, P},
    ("get", "/webhooks/{webhook_id}"): {A, P},
    ("patch", "/webhooks/{webhook_id}"): set(),
    ("delete", "/webhooks/{webhook_id}"): set(),
    ("post", "/webhooks/{webhook_id}/secret"): set(),
    ("get", "/webhooks/{webhook_id}/history"): {A},
    ("get", "/webhooks/{webhook_id}/calls"): {A, P},
    ("get", "/webhooks/{webhook_id}/calls/{call_id}"): {A, P},
    ("get", "/events"): {R, S, A, P},
}
"""The roles that may carry an operation on an app out, besides its admins."""


@pytest.fixture
def known(campus: Caller, record: Record) -> dict[str, str]:
    """One of everything in the campus app."""
    return things(campus, record)


def of_apps(document: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Every operation on an app: method, address, and what of it follows the app."""
    for path, method, _ in operations(document):
        if path.startswith("/v1/apps/{app_id}"):
            yield method, path, path.removeprefix("/v1/apps/{app_id}")


def named(path: str) -> list[str]:
    """The parameters of an address, but for the app."""
    return [name for name in re.findall(r"{(\w+)}", path) if name != "app_id"]


def test_an_address_takes_the_methods_the_document_says_and_no_other(
    campus: Caller, known: dict[str, str], document: dict[str, Any], appends_nothing: AppendsNothing
) -> None:
    with appends_nothing():
        for path, item in document["paths"].items():
            for values in (known, {**known, "tag": "floor/2"}, UNKNOWN):
                address = path.format(**values)
                told = {method.upper() for method, _ in item.items() if method != "parameters"}
                allowed = told | {"OPTIONS"} | ({"HEAD"} if "GET" in told else set())
                asked = campus.call("OPTIONS", address)
                assert (asked.status_code, set(asked.headers["Allow"].split(", "))) == (200, allowed), address
                for method in {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"} - allowed:
                    refused = campus.call(method, address)
                    assert refused.status_code == 405, (method, address)
                    assert set(refused.headers["Allow"].split(", ")) == allowed, (method, address)
                    assert refused.content_type == "application/problem+json"


def test_head_answers_as_get_does_without_the_body(
    campus: Caller, known: dict[str, str], document: dict[str, Any]
) -> None:
    for path, method, _ in operations(document):
        if method == "get":
            address = path.format(**known)
            got, head = campus.get(address), campus.call("HEAD", address)
            assert (got.status_code, head.status_code, head.data) == (200, 200, b""), address
            assert head.content_type == got.content_type
            assert head.headers.get("Content-Length") == got.headers.get("Content-Length"), address


def test_what_is_not_there_is_404_in_itself_and_in_all_that_is_below_it(
    campus: Caller, known: dict[str, str], document: dict[str, Any], appends_nothing: AppendsNothing
) -> None:
    with appends_nothing():
        for method, path, below in of_apps(document):
            for name in named(path):
                if (method, below) in CREATING or (name == "tag" and "/subscriptions/" in below):
                    continue
                address = path.format(**{**known, name: UNKNOWN[name]})
                answer = campus.call(method, address, BODIES.get((method, below)))
                assert (answer.status_code, answer.json["code"]) == (404, "not-found"), (method, address, answer.text)


@pytest.mark.parametrize("number", ["0", "9" * 10, "9" * 30])
def test_no_number_is_too_large_to_be_unknown(campus: Caller, known: dict[str, str], number: str) -> None:
    followups = f"/notifications/{known['notification_id']}/followups/{number}"
    for method, address in (("GET", followups), ("GET", f"{followups}/history"), ("DELETE", followups)):
        assert campus.call(method, address).status_code == 404, address
    assert campus.patch(followups, {"body": "y"}).status_code == 404


def test_nothing_of_an_app_is_found_under_another(
    admin: Caller,
    campus: Caller,
    known: dict[str, str],
    document: dict[str, Any],
    appends_nothing: AppendsNothing,
) -> None:
    other = admin.of_app(admin.post("/v1/apps", {"name": "Other"}).json["app_id"])
    app_id = other.prefix.rpartition("/")[2]
    with appends_nothing():
        for method, path, below in of_apps(document):
            if not named(path) or (method, below) == ("put", "/providers/{provider}"):
                continue
            address = path.format(**{**known, "app_id": app_id})
            answer = other.call(method, address, BODIES.get((method, below)))
            expected = 409 if (method, below) in CREATING else 404
            assert answer.status_code == expected, (method, address, answer.text)


def test_each_operation_is_for_its_roles_alone_and_is_refused_before_it_is_read(
    campus: Caller,
    issue: Callable[..., Caller],
    document: dict[str, Any],
    appends_nothing: AppendsNothing,
) -> None:
    assert {(method, below) for method, _, below in of_apps(document)} == set(MAY)
    callers = {role: issue(role) for role in (R, S, A, P)}
    with appends_nothing():
        for (method, below), roles in MAY.items():
            address = below.format(**UNKNOWN)
            for role, caller in callers.items():
                answer = caller.call(method, address, b"{")
                assert (answer.status_code == 403) == (role not in roles), (method, below, role, answer.text)


def test_a_tag_that_devices_have_is_there_in_itself_in_its_past_and_in_its_history(campus: Caller) -> None:
    campus.post("/devices", {"platform": "ios", "tags": ["staff"]})
    device = campus.post("/devices", {"platform": "ios", "tags": ["staff", "night"]}).json
    before = campus.get(f"/devices/{device['device_id']}").json["position"]
    assert campus.get("/tags/staff").json == campus.get(f"/tags/staff?as_of={before}").json
    assert campus.get("/tags/staff").json["devices"] == 2
    assert campus.get("/tags/staff/history").json["items"] == []
    assert campus.delete(f"/devices/{device['device_id']}").status_code == 204
    assert campus.get("/tags/staff").json["devices"] == 1
    assert campus.get(f"/tags/staff?as_of={before}").json["devices"] == 2
    assert campus.get("/tags/night").status_code == campus.get("/tags/night/history").status_code == 404
    assert campus.get(f"/tags/night?as_of={before}").json["devices"] == 1


def test_a_tag_that_was_created_says_how_many_had_it(campus: Caller) -> None:
    campus.post("/tags", {"tag": "staff", "description": "Who works here"})
    device = campus.post("/devices", {"platform": "ios", "tags": ["staff"]})
    position = int(device.headers["Tocsin-Position"])
    campus.post(f"/devices/{device.json['device_id']}/opt-out", {})
    assert campus.get("/tags/staff").json["devices"] == 1
    stood = campus.get(f"/tags/staff?as_of={position}").json
    assert (stood["description"], stood["created"], stood["devices"]) == ("Who works here", True, 1)
    assert campus.get("/tags/staff?as_of=0").status_code == 404


def test_a_tag_with_slashes_has_an_address_and_none_is_in_the_place_of_a_history(
    campus: Caller, appends_nothing: AppendsNothing
) -> None:
    made = campus.post("/tags", {"tag": "floor/2"})
    assert campus.get(made.headers["Location"]).json["tag"] == "floor/2"
    assert campus.patch("/tags/floor/2", {"description": "Above the first"}).status_code == 200
    assert len(campus.get("/tags/floor/2/history").json["items"]) == 2
    assert campus.post("/tags", {"tag": "history"}).status_code == 201
    assert campus.get("/tags/history").json["tag"] == "history"
    with appends_nothing():
        refused = campus.post("/tags", {"tag": "floor/history"})
        assert (refused.status_code, refused.json["field"]) == (422, "tag")
        assert campus.patch("/tags/floor/2/history", {"description": "x"}).status_code == 405
