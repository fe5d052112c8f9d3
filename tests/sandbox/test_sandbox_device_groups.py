"""FCM device groups: created, extended, shrunk, looked up, and refused."""

from __future__ import annotations

import json
from typing import Any

import pytest
from sandbox_clients import Exchange, Response, send

from tocsin.sandbox.server import SandboxHandle


class Groups:
    """A client of ``/fcm/notification``."""

    def __init__(self, handle: SandboxHandle, access_token: str) -> None:
        self.handle = handle
        self.url = f"{handle.push_url}/fcm/notification"
        self.headers = {
            "authorization": f"Bearer {access_token}",
            "access_token_auth": "true",
            "project_id": "1000",
            "content-type": "application/json",
        }

    def change(self, operation: str, *tokens: str, name: str = "family", **fields: Any) -> Response:
        document = {"operation": operation, "notification_key_name": name, "registration_ids": list(tokens)} | fields
        return self.post(json.dumps(document))

    def post(self, body: str) -> Response:
        return send(self.handle, Exchange(self.url, headers=self.headers, body=body))

    def look_up(self, name: str) -> Response:
        return send(self.handle, Exchange(f"{self.url}?notification_key_name={name}", "GET", self.headers))


@pytest.fixture
def groups(sandbox: SandboxHandle, google_token: str) -> Groups:
    return Groups(sandbox, google_token)


def test_a_group_is_created_looked_up_and_changed_under_one_key(groups: Groups) -> None:
    created = groups.change("create", "a", "b")
    key = created.json()["notification_key"]
    assert created.status == 200
    assert groups.look_up("family").json() == {"notification_key": key}
    assert groups.change("add", "c", notification_key=key).json() == {"notification_key": key}
    assert groups.change("remove", "a", notification_key=key).json() == {"notification_key": key}


def test_a_group_without_members_is_gone(groups: Groups) -> None:
    key = groups.change("create", "a", "b").json()["notification_key"]
    assert groups.change("remove", "a", "b", notification_key=key).status == 200
    assert groups.look_up("family").json() == {"error": "notification_key not found"}
    assert groups.change("create", "a").status == 200


@pytest.mark.parametrize(
    ("operation", "tokens", "fields", "error"),
    [
        ("create", ["z"], {}, "notification_key already exists"),
        ("create", [], {"name": "new"}, "no valid registration ids"),
        ("create", ["z"], {"name": ""}, "notification_key_name is missing"),
        ("create", [str(number) for number in range(21)], {"name": "new"}, "a device group has at most 20 members"),
        ("rename", ["z"], {}, "operation must be create, add or remove"),
        ("add", ["z"], {"name": "unknown"}, "notification_key not found"),
        ("add", ["z"], {}, "notification_key_name doesn't match the group name of the notification_key"),
        ("remove", ["a"], {"notification_key": "APA91bother"}, "notification_key_name doesn't match"),
    ],
)
def test_this_change_is_refused(
    groups: Groups, operation: str, tokens: list[str], fields: dict[str, Any], error: str
) -> None:
    groups.change("create", "a", "b")
    answer = groups.change(operation, *tokens, **fields)
    assert answer.status == 400
    assert answer.json()["error"].startswith(error)


@pytest.mark.parametrize("body", ["{", "[]", '"x"'])
def test_a_body_that_is_no_object_is_refused(groups: Groups, body: str) -> None:
    assert groups.post(body).status == 400


@pytest.mark.parametrize("header", ["authorization", "access_token_auth", "project_id"])
def test_a_request_without_this_header_is_unauthorised(groups: Groups, header: str) -> None:
    del groups.headers[header]
    assert groups.change("create", "a").status == 401


def test_another_method_is_refused(groups: Groups) -> None:
    assert send(groups.handle, Exchange(groups.url, "PUT", groups.headers, b"{}")).status == 405
