"""Who is let in: tokens, roles, and the apps they are good for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest
from calling import AppendsNothing, Caller, token
from flask import Flask

from tocsin.api.app import create_app
from tocsin.api.services import Services
from tocsin.commands.apps import INSTANCE
from tocsin.eventlog.record import Record

ROLES = ("registrar", "sender", "auditor", "operator")

DEVICE = {"platform": "ios", "token": token(7)}
SEND = {"message": {"title": "x"}, "audience": {"everyone": True}}
NOWHERE = uuid4()

MATRIX: list[tuple[str, str, Any, set[str]]] = [
    ("GET", "", None, {"registrar", "sender", "auditor", "operator"}),
    ("PATCH", "", {"name": "New"}, set()),
    ("POST", "/disable", {}, set()),
    ("GET", "/history", None, {"auditor"}),
    ("POST", "/credentials", {"name": "x", "roles": ["sender"]}, set()),
    ("GET", "/credentials", None, {"auditor"}),
    ("DELETE", f"/credentials/{NOWHERE}", None, set()),
    ("PUT", "/providers/wns", {"configuration": {"client_id": "x"}, "secret": "y"}, set()),
    ("GET", "/providers", None, {"auditor", "operator"}),
    ("DELETE", "/providers/wns", None, set()),
    ("POST", "/devices", DEVICE, {"registrar"}),
    ("GET", "/devices", None, {"registrar", "auditor"}),
    ("DELETE", f"/devices/{NOWHERE}", None, {"registrar"}),
    ("GET", f"/devices/{NOWHERE}/deliveries", None, {"registrar", "sender", "auditor", "operator"}),
    ("POST", "/tags", {"tag": "staff"}, {"registrar"}),
    ("GET", "/tags", None, {"registrar", "sender", "auditor", "operator"}),
    ("POST", "/users", {"name": "ada"}, {"registrar"}),
    ("GET", "/users", None, {"registrar", "auditor"}),
    ("POST", "/notifications", {"body": "x"}, {"sender"}),
    ("GET", "/notifications", None, {"registrar", "sender", "auditor", "operator"}),
    ("DELETE", f"/notifications/{NOWHERE}", None, {"sender"}),
    ("POST", "/sends/preview", {"audience": {"everyone": True}}, {"sender"}),
    ("POST", "/sends", SEND, {"sender"}),
    ("GET", "/sends", None, {"sender", "auditor", "operator"}),
    ("POST", f"/sends/{NOWHERE}/cancel", {}, {"sender", "operator"}),
    ("POST", f"/sends/{NOWHERE}/receipts", {"device_id": str(NOWHERE), "event": "opened"}, {"registrar", "sender"}),
    ("POST", "/webhooks", {"name": "x", "url": "https://example.org", "events": ["*"]}, set()),
    ("GET", "/webhooks", None, {"auditor", "operator"}),
    ("PATCH", f"/webhooks/{NOWHERE}", {"events": ["*"]}, set()),
    ("POST", f"/webhooks/{NOWHERE}/secret", None, set()),
    ("DELETE", f"/webhooks/{NOWHERE}", None, set()),
    ("GET", f"/webhooks/{NOWHERE}/history", None, {"auditor"}),
    ("GET", f"/webhooks/{NOWHERE}/calls", None, {"auditor", "operator"}),
    ("GET", "/events", None, {"registrar", "sender", "auditor", "operator"}),
]


@pytest.mark.parametrize("header", [None, "Bearer", "Bearer x", "Basic abc", f"Bearer tcn_{UUID(int=1).hex}_guess"])
def test_a_call_without_a_token_that_opens_something_is_401(app: Flask, header: str | None) -> None:
    answer = app.test_client().get("/v1/apps", headers={} if header is None else {"Authorization": header})
    assert (answer.status_code, answer.json["code"]) == (401, "unauthenticated")
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="tocsin"'


def test_a_token_with_another_secret_opens_nothing(campus: Caller) -> None:
    assert campus.token is not None
    forged = campus.token[:-1] + ("A" if campus.token[-1] != "A" else "B")
    assert campus.with_token(forged).get("").status_code == 401


def test_a_revoked_token_opens_nothing_from_the_answer_on(campus: Caller) -> None:
    issued = campus.post("/credentials", {"name": "x", "roles": ["auditor"]}).json
    other = campus.with_token(issued["secret"])
    assert other.get("/devices").status_code == 200
    assert campus.delete(f"/credentials/{issued['credential_id']}").status_code == 204
    assert other.get("/devices").status_code == 401


def test_a_credential_of_a_dialect_is_no_token_of_this_api(campus: Caller) -> None:
    issued = campus.post("/credentials", {"name": "x", "roles": ["auditor"], "dialect": "other"}).json
    assert campus.with_token(issued["secret"]).get("/devices").status_code == 401


def test_each_role_may_do_what_is_its_own_and_an_admin_everything(campus: Caller, issue: Callable[..., Caller]) -> None:
    callers = {role: issue(role) for role in ROLES}
    for method, address, body, allowed in MATRIX:
        for role, caller in callers.items():
            answer = caller.call(method, address, body)
            assert (answer.status_code != 403) == (role in allowed), (method, address, role, answer.text)
            if answer.status_code == 403:
                assert answer.json["role"] in allowed | {"admin"}
    own_admin = issue("admin")
    for method, address, body, _ in MATRIX:
        if address != "/disable":
            assert own_admin.call(method, address, body).status_code != 403, (method, address)


def test_roles_add_up(issue: Callable[..., Caller]) -> None:
    both = issue("registrar", "sender")
    assert both.post("/devices", DEVICE).status_code == 201
    assert both.post("/notifications", {"body": "x"}).status_code == 201
    assert both.get("/providers").status_code == 403


def test_another_apps_things_are_answered_like_what_does_not_exist(
    admin: Caller, campus: Caller, issue: Callable[..., Caller], appends_nothing: AppendsNothing
) -> None:
    other = admin.of_app(admin.post("/v1/apps", {"name": "Other"}).json["app_id"])
    theirs = {
        "devices": other.post("/devices", DEVICE).json["device_id"],
        "notifications": other.post("/notifications", {"body": "x"}).json["notification_id"],
        "sends": other.post("/sends", SEND).json["send_id"],
        "users": other.post("/users", {"name": "ada"}).json["user_id"],
        "credentials": other.post("/credentials", {"name": "x", "roles": ["sender"]}).json["credential_id"],
    }
    with appends_nothing():
        for kind, theirs_id in theirs.items():
            for address in (f"/{kind}/{theirs_id}", f"/{kind}/{theirs_id}/history", f"/{kind}/{theirs_id}?as_of=1"):
                assert campus.get(address).status_code == 404, address
        assert campus.delete(f"/devices/{theirs['devices']}").status_code == 404
        assert campus.patch(f"/devices/{theirs['devices']}", {"user": "eve"}).status_code == 404
        assert campus.put(f"/devices/{theirs['devices']}", DEVICE).status_code == 409
        assert campus.patch(f"/notifications/{theirs['notifications']}", {"body": "y"}).status_code == 404
        assert campus.post(f"/sends/{theirs['sends']}/cancel").status_code == 404
        assert campus.delete(f"/credentials/{theirs['credentials']}").status_code == 404
        assert campus.post("/sends", {**SEND, "audience": {"devices": [theirs["devices"]]}}).status_code == 404
        subject = {"notification_id": theirs["notifications"]}
        assert campus.post("/sends", {"subject": subject, "audience": {"everyone": True}}).status_code == 404


def test_a_credential_of_one_app_knows_of_no_other(
    admin: Caller, issue: Callable[..., Caller], appends_nothing: AppendsNothing
) -> None:
    caller = issue("admin")
    other = admin.post("/v1/apps", {"name": "Other"}).json["app_id"]
    with appends_nothing():
        for app_id in (other, INSTANCE, uuid4()):
            assert caller.of_app(app_id).get("").status_code == 404
            assert caller.of_app(app_id).get("/devices").status_code == 404
            assert caller.of_app(app_id).post("/devices", DEVICE).status_code == 404
        assert caller.post("/v1/apps", {"name": "Mine"}).status_code == 403
    assert [one["name"] for one in caller.get("/v1/apps").json["items"]] == ["Campus"]


def test_an_app_that_does_not_exist_is_404_to_the_instances_admin(admin: Caller) -> None:
    nowhere = admin.of_app(uuid4())
    for method, address, body, _ in MATRIX:
        assert nowhere.call(method, address, body).status_code == 404, (method, address)


def test_an_app_says_not_where_the_workers_connect(issue: Callable[..., Caller], campus: Caller) -> None:
    body = {"configuration": {"client_id": "x", "token_url": "https://169.254.169.254/"}, "secret": "y"}
    refused = issue("admin").put("/providers/wns", body)
    assert (refused.status_code, refused.json["role"]) == (403, "admin")
    assert campus.put("/providers/wns", body).status_code == 200
    microsoft = "https://login.microsoftonline.com/tenant/oauth2/v2.0/token"
    body["configuration"] = {"client_id": "x", "token_url": microsoft}
    assert issue("admin").put("/providers/wns", body).status_code == 200


def test_events_name_the_credential_and_the_address_behind_trusted_proxies(
    make_services: Callable[..., Services], campus: Caller, record: Record
) -> None:
    behind_one = Caller(create_app(make_services(trusted_proxies=1)), campus.token, campus.prefix)
    headers = {"X-Forwarded-For": "203.0.113.9, 198.51.100.7"}
    believed = behind_one.post("/devices", DEVICE, headers=headers)
    ignored = campus.post("/tags", {"tag": "staff"}, headers=headers)
    actors = [
        record.codec.decode(record.read(int(answer.headers["Tocsin-Position"]) - 1, 1))[0].actor
        for answer in (believed, ignored)
    ]
    assert (actors[0].address, actors[0].proxies) == ("198.51.100.7", ("127.0.0.1",))
    assert (actors[1].address, actors[1].proxies) == ("127.0.0.1", ())
    assert actors[0].dialect == "native"
    assert actors[0].principal == f"credential:{actors[0].credential}"
