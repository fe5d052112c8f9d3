"""An app never comes by what is another's, wherever an id, a name, a cursor or a key is taken."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from calling import AppendsNothing, Caller, token
from things import operations, things

from tocsin.eventlog.record import Record

MESSAGE = {"title": "x"}
EVERYONE = {"everyone": True}
NDJSON = {"Content-Type": "application/x-ndjson"}


@pytest.fixture
def other(admin: Caller) -> Caller:
    """The instance's admin, speaking of another app."""
    return admin.of_app(admin.post("/v1/apps", {"name": "Other"}).json["app_id"])


@pytest.fixture
def theirs(other: Caller, record: Record) -> dict[str, str]:
    return things(other, record)


@pytest.fixture
def ours(campus: Caller, record: Record) -> dict[str, str]:
    return things(campus, record)


def test_an_id_of_another_app_in_a_body_is_refused_by_its_field(
    campus: Caller, ours: dict[str, str], theirs: dict[str, str], appends_nothing: AppendsNothing
) -> None:
    device, notification = theirs["device_id"], theirs["notification_id"]
    report = {"device_id": device, "event": "opened"}
    with appends_nothing():
        for method, address, body, status, field in (
            ("POST", "/sends", {"message": MESSAGE, "audience": {"devices": [device]}}, 404, "audience.devices"),
            ("POST", "/sends", {"message": MESSAGE, "audience": {"devices": [ours["device_id"], device]}}, 404,
             "audience.devices"),
            ("POST", "/sends/preview", {"audience": {"devices": [device]}}, 404, "audience.devices"),
            ("POST", "/sends", {"subject": {"notification_id": notification}, "audience": EVERYONE}, 404,
             "subject.notification_id"),
            ("POST", "/sends", {"subject": {"notification_id": ours["notification_id"], "followup_id": 2},
                                "audience": EVERYONE}, 404, "subject.followup_id"),
            ("POST", "/sends", {"message": MESSAGE, "audience": EVERYONE,
                                "personal": [{"device": ours["device_id"], "message": {"title": "y"}},
                                             {"device": device, "message": {"title": "y"}}]}, 404, "personal.1.device"),
            ("POST", f"/sends/{ours['send_id']}/receipts", report, 404, "device_id"),
            ("POST", f"/sends/{theirs['send_id']}/receipts", report, 404, None),
            ("POST", "/devices", {"platform": "ios", "device_id": device}, 409, "device_id"),
            ("PUT", f"/devices/{device}", {"platform": "ios"}, 409, "device_id"),
        ):  # fmt: skip
            answer = campus.call(method, address, body)
            assert (answer.status_code, answer.json.get("field")) == (status, field), (address, body, answer.text)
        line = json.dumps({"platform": "ios", "device_id": device}).encode()
        told = json.loads(campus.post("/devices/import", line, headers=NDJSON).text.splitlines()[0])
        assert (told["status"], told["code"], told["field"]) == ("refused", "conflict", "device_id")


def test_an_id_of_another_kind_of_thing_is_no_id_of_this_kind(
    campus: Caller, ours: dict[str, str], record: Record, appends_nothing: AppendsNothing
) -> None:
    kinds = {name: ours[f"{name}_id"] for name in ("device", "notification", "send", "user")}
    with appends_nothing():
        for name in kinds:
            for wrong in [*(value for kind, value in kinds.items() if kind != name), ours["app_id"]]:
                for rest in ("", "/history", f"?as_of={record.head().position}"):
                    assert campus.get(f"/{name}s/{wrong}{rest}").status_code == 404, (name, wrong)
        for wrong in (ours["send_id"], ours["notification_id"], ours["app_id"]):
            taken = campus.put(f"/devices/{wrong}", {"platform": "ios"})
            assert (taken.status_code, taken.json["field"]) == (409, "device_id"), taken.text
            assert campus.delete(f"/devices/{wrong}").status_code == 404
            assert campus.post("/sends", {"message": MESSAGE, "audience": {"devices": [wrong]}}).status_code == 404


def test_a_state_of_the_past_is_its_own_apps(
    other: Caller, ours: dict[str, str], record: Record, document: dict[str, Any]
) -> None:
    position, app_id = record.head().position, other.prefix.rpartition("/")[2]
    asked = 0
    for path, method, operation in operations(document):
        named = {parameter.get("name") for parameter in operation.get("parameters", ())}
        if method == "get" and "as_of" in named and path != "/v1/apps/{app_id}":
            answer = other.get(path.format(**{**ours, "app_id": app_id}) + f"?as_of={position}")
            assert answer.status_code == 404, (path, answer.text)
            asked += 1
    assert asked > 5


def test_a_line_of_an_import_that_names_another_thing_is_refused_and_no_other(
    campus: Caller, ours: dict[str, str], theirs: dict[str, str]
) -> None:
    ids = [ours["send_id"], theirs["device_id"], theirs["send_id"], None]
    lines = [json.dumps({"platform": "ios", **({} if one is None else {"device_id": one})}) for one in ids]
    told = campus.post("/devices/import", "\n".join(lines).encode(), headers=NDJSON).text.splitlines()
    statuses = [json.loads(line) for line in told[:4]]
    assert [one["status"] for one in statuses] == ["refused", "refused", "refused", "created"]
    assert {one["field"] for one in statuses[:3]} == {"device_id"}


def test_an_external_id_is_not_taken_from_the_device_that_has_it(
    campus: Caller, appends_nothing: AppendsNothing
) -> None:
    first = campus.post("/devices", {"platform": "ios", "external_id": "one"}).json["device_id"]
    with appends_nothing():
        for method, address in (("POST", "/devices"), ("PUT", f"/devices/{uuid4()}")):
            body = {"platform": "ios", "external_id": "one"}
            refused = campus.call(method, address, {**body, "device_id": str(uuid4())} if method == "POST" else body)
            assert (refused.status_code, refused.json["field"]) == (409, "external_id"), refused.text
    again = campus.put(f"/devices/{first}", {"platform": "ios", "external_id": "one", "user": "ada"})
    assert again.json["device_id"] == first


def test_names_and_filters_find_what_is_the_apps_own(
    campus: Caller, ours: dict[str, str], theirs: dict[str, str]
) -> None:
    campus.post("/devices", {"platform": "ios", "external_id": "ours", "alias": "a", "token": token(1)})
    assert campus.get(f"/sends?notification_id={theirs['notification_id']}").json["items"] == []
    assert len(campus.get(f"/sends?notification_id={ours['notification_id']}").json["items"]) == 0
    assert [one["user_id"] for one in campus.get("/users?name=ada").json["items"]] == [ours["user_id"]]
    assert [one["device_id"] for one in campus.get("/devices?user=ada").json["items"]] == [ours["device_id"]]
    for audience in (
        {"users": ["ada"]},
        {"tags": ["staff"]},
        {"expression": "staff"},
        {"expression": "staff || !staff", "platforms": ["ios"], "users": ["ada"]},
    ):
        counts = campus.post("/sends/preview", {"audience": audience}).json
        found = counts["audience"] + sum(counts["excluded"].values())
        assert found == (2 if "||" in audience.get("expression", "") else 1), audience


def test_a_token_and_an_external_id_are_one_devices_in_each_app(campus: Caller, other: Caller) -> None:
    body = {"platform": "ios", "token": token(7), "external_id": "seven"}
    made = [caller.post("/devices", body) for caller in (campus, other)]
    assert [answer.status_code for answer in made] == [201, 201]
    assert [caller.post("/devices", body).json["device_id"] for caller in (campus, other)] == [
        answer.json["device_id"] for answer in made
    ]


def test_a_cursor_of_another_apps_list_shows_nothing_of_it(
    campus: Caller, other: Caller, record: Record, document: dict[str, Any]
) -> None:
    for caller in (campus, other):
        things(caller, record)
        things_again(caller)
    prefix, tried = "/v1/apps/{app_id}", 0
    for path, method, operation in operations(document):
        below = path.removeprefix(prefix)
        named = {parameter.get("name") for parameter in operation.get("parameters", ())}
        if method != "get" or not path.startswith(prefix) or "{" in below or "cursor" not in named:
            continue
        own = {json.dumps(one) for one in campus.get(f"{below}?limit=1000").json["items"]}
        following = other.get(f"{below}?limit=1").json["next"]
        assert following is not None, below
        answer = campus.get(f"{below}?limit=1000&cursor={following}")
        assert answer.status_code == 200, (below, answer.text)
        assert {json.dumps(one) for one in answer.json["items"]} <= own, below
        tried += 1
    assert tried > 8


def things_again(caller: Caller) -> None:
    """A second one of what lists are made of."""
    caller.post("/devices", {"platform": "android", "user": "bob", "tags": ["night"]})
    caller.post("/users", {"name": "bob"})
    caller.post("/notifications", {"body": "z"})
    caller.post("/sends", {"message": MESSAGE, "audience": EVERYONE})
    caller.post("/credentials", {"name": "y", "roles": ["sender"]})
    caller.post("/webhooks", {"name": "y", "url": "https://example.org", "events": ["*"]})
    caller.put("/providers/wns?profile=other", {"configuration": {"client_id": "x"}, "secret": "y"})


def test_an_idempotency_key_never_answers_for_another_app(
    campus: Caller, other: Caller, appends_nothing: AppendsNothing
) -> None:
    headers = {"Idempotency-Key": f"once-{campus.prefix}"}
    body = {"platform": "ios", "token": token(9)}
    assert campus.post("/devices", body, headers=headers).status_code == 201
    lines = json.dumps(body).encode() + b"\n"
    keyed = {**NDJSON, "Idempotency-Key": f"many-{campus.prefix}"}
    assert campus.post("/devices/import", lines, headers=keyed).status_code == 200
    with appends_nothing():
        for answer in (
            other.post("/devices", body, headers=headers),
            other.post("/devices/import", lines, headers=keyed),
        ):
            assert (answer.status_code, answer.json["code"]) == (422, "idempotency-key-reused"), answer.text
    assert other.get("/devices").json["items"] == []


@pytest.mark.parametrize("field", ["token_scope", "token_shape", "tags_when_new", "group", "group_limit", "seen"])
def test_a_line_of_an_import_says_no_more_than_a_registration(
    campus: Caller, appends_nothing: AppendsNothing, field: str
) -> None:
    value = {"token_shape": False, "seen": True, "group_limit": 1, "tags_when_new": ["x"]}.get(field, "x")
    body = {"platform": "ios", "user": "ada", field: value}
    with appends_nothing():
        line = json.loads(campus.post("/devices/import", json.dumps(body).encode(), headers=NDJSON).text.split("\n")[0])
        assert (line["status"], line["field"]) == ("refused", field)
        assert campus.post("/devices", body).json["field"] == field


def test_an_apps_own_admin_does_not_have_calls_that_name_no_app_come_to_it(
    campus: Caller, issue: Callable[..., Caller], appends_nothing: AppendsNothing
) -> None:
    own = issue("admin")
    with appends_nothing():
        for body, field in (
            ({"hosts": ["push.example.org"]}, "hosts"),
            ({"settings": {"moxie": {"default": True}}}, "settings.moxie.default"),
        ):
            refused = own.patch("", body)
            assert (refused.status_code, refused.json["role"], refused.json["field"]) == (403, "admin", field)
    settings = {"moxie": {"default": True}}
    assert campus.patch("", {"hosts": ["One.Example.org", "two.example.org"], "settings": settings}).status_code == 200
    kept = own.patch("", {"hosts": ["ONE.example.org"], "settings": {**settings, "x": {"y": 1}}})
    assert kept.json["hosts"] == ["one.example.org"]
    assert own.patch("", {"settings": {}}).json["settings"] == {}
    assert own.patch("", {"settings": settings}).status_code == 403
