"""What the stand-in for FCM accepts, and with which status, error code and field it refuses the rest."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import firebase_admin
import pytest
from firebase_admin import credentials, messaging
from sandbox_clients import fcm, fcm_access_token, fcm_assertion, form, send

from tocsin.sandbox.certificates import new_rsa_key, private_pem
from tocsin.sandbox.server import SandboxHandle

NOTE = {"token": "phone-1", "notification": {"title": "Fire", "body": "Leave the building"}}
FCM_ERROR = "type.googleapis.com/google.firebase.fcm.v1.FcmError"
OTHER_KEY = private_pem(new_rsa_key()).decode()


def test_a_good_message_gets_a_name_and_is_shown_on_the_device(sandbox: SandboxHandle, google_token: str) -> None:
    answer = send(sandbox, fcm(sandbox, google_token, NOTE))
    assert answer.status == 200
    (push,) = sandbox.received(provider="fcm", token="phone-1")
    assert push["message_id"] == answer.json()["name"]
    assert push["message_id"].startswith("projects/demo/messages/0:")
    assert push["payload"] == {"message": NOTE}


@pytest.mark.parametrize(
    "message",
    [
        {"fid": "installation-1"},
        {"topic": "weather"},
        {"condition": "'cats' in topics"},
        {"token": "t", "data": {"k": "v"}, "android": {"priority": "high", "ttl": "3600s", "collapse_key": "a"}},
        {"token": "t", "android": {"ttl": "3.500s", "collapseKey": "a", "notification": {"tag": "x"}}},
        {"token": "t", "fcmOptions": {"analyticsLabel": "x"}},
        {"token": "t", "apns": {"headers": {"apns-priority": "5"}, "payload": {"aps": {}}}},
        {"token": "t", "webpush": {"headers": {"TTL": "60"}}},
        {"token": "t", "data": {"k": "x" * 4095}},
    ],
)
def test_this_message_is_accepted(sandbox: SandboxHandle, google_token: str, message: dict[str, Any]) -> None:
    answer = send(sandbox, fcm(sandbox, google_token, message))
    assert (answer.status, list(answer.json())) == (200, ["name"])


@pytest.mark.parametrize(
    ("message", "field"),
    [
        ({}, "message"),
        ({"token": ""}, "message"),
        ({"token": "t", "topic": "x"}, "message.topic"),
        ({"token": 7}, "message.token"),
        ({"topic": "no spaces"}, "message.topic"),
        ({"token": "t", "data": {"k": 12}}, "message.data[0].value"),
        ({"token": "t", "data": {"a": "b", "k": {}}}, "message.data[1].value"),
        ({"token": "t", "data": ["k"]}, "message.data"),
        ({"token": "t", "data": {"from": "me"}}, "message.data"),
        ({"token": "t", "data": {"google.x": "me"}}, "message.data"),
        ({"token": "t", "notification": {"title": 1}}, "message.notification.title"),
        ({"token": "t", "notification": {"subtitle": "x"}}, "message.notification"),
        ({"token": "t", "colour": "red"}, "message"),
        ({"token": "t", "android": {"priority": "urgent"}}, "message.android.priority"),
        ({"token": "t", "android": {"ttl": 60}}, "message.android.ttl"),
        ({"token": "t", "android": {"ttl": "2419201s"}}, "message.android.ttl"),
        ({"token": "t", "android": {"data": {"k": 1}}}, "message.android.data[0].value"),
        ({"token": "t", "apns": {"headers": {"apns-priority": 5}}}, "message.apns.headers.apns-priority"),
        ({"token": "t", "apns": {"payload": {"aps": "x" * 5000}}}, "message.apns.payload"),
        ({"token": "t", "webpush": {"data": {"k": 1}}}, "message.webpush.data.k"),
        ({"token": "t", "data": {"k": "x" * 4096}}, "message"),
        ({"topic": "t", "data": {"k": "x" * 2048}}, "message"),
        ([], "message"),
    ],
)
def test_this_message_is_refused_and_the_field_named(
    sandbox: SandboxHandle, google_token: str, message: Any, field: str
) -> None:
    answer = send(sandbox, fcm(sandbox, google_token, message))
    error = answer.json()["error"]
    assert (answer.status, error["code"], error["status"]) == (400, 400, "INVALID_ARGUMENT")
    code, violations = error["details"]
    assert code == {"@type": FCM_ERROR, "errorCode": "INVALID_ARGUMENT"}
    assert violations["fieldViolations"] == [{"field": field, "description": error["message"]}]
    assert sandbox.received() == []


@pytest.mark.parametrize("body", ["", "{", "[]", "[" * 100_000, '{"message": {"token": "\\ud800"}}'])
def test_a_body_that_is_no_json_object_is_an_invalid_argument(
    sandbox: SandboxHandle, google_token: str, body: str
) -> None:
    answer = send(sandbox, fcm(sandbox, google_token, None, body=body or " "))
    assert (answer.status, answer.json()["error"]["status"]) == (400, "INVALID_ARGUMENT")


def test_an_unknown_field_beside_the_message_is_refused(sandbox: SandboxHandle, google_token: str) -> None:
    answer = send(sandbox, fcm(sandbox, google_token, NOTE, request={"dry_run": True}))
    assert answer.status == 400
    assert "dry_run" in answer.json()["error"]["message"]


@pytest.mark.parametrize("name", ["validate_only", "validateOnly"])
def test_a_message_only_to_be_validated_reaches_no_device(sandbox: SandboxHandle, google_token: str, name: str) -> None:
    answer = send(sandbox, fcm(sandbox, google_token, NOTE, request={name: True}))
    assert answer.json() == {"name": "projects/demo/messages/fake_message_id"}
    assert sandbox.received() == []
    assert sandbox.stats()["total"] == 1


@pytest.mark.parametrize(
    ("changes", "status", "canonical"),
    [
        ({"headers": {"authorization": None}}, 401, "UNAUTHENTICATED"),
        ({"headers": {"authorization": "Bearer ya29.unknown"}}, 401, "UNAUTHENTICATED"),
        ({"headers": {"authorization": "key=legacy"}}, 401, "UNAUTHENTICATED"),
        ({"project": "another"}, 403, "PERMISSION_DENIED"),
        ({"method": "PUT"}, 405, "UNIMPLEMENTED"),
        ({"project": "demo/other"}, 404, "NOT_FOUND"),
    ],
)
def test_googles_front_end_refuses_this_request(
    sandbox: SandboxHandle, google_token: str, changes: dict[str, Any], status: int, canonical: str
) -> None:
    answer = send(sandbox, fcm(sandbox, google_token, NOTE, **changes))
    error = answer.json()["error"]
    assert (answer.status, error["code"], error["status"]) == (status, status, canonical)
    assert error["message"]
    assert "details" not in error


@pytest.mark.parametrize(
    ("prefix", "status", "canonical", "code"),
    [
        ("bad0", 400, "INVALID_ARGUMENT", "INVALID_ARGUMENT"),
        ("unre", 404, "NOT_FOUND", "UNREGISTERED"),
        ("send", 403, "PERMISSION_DENIED", "SENDER_ID_MISMATCH"),
        ("quot", 429, "RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED"),
        ("unav", 503, "UNAVAILABLE", "UNAVAILABLE"),
        ("intr", 500, "INTERNAL", "INTERNAL"),
        ("3rdp", 401, "UNAUTHENTICATED", "THIRD_PARTY_AUTH_ERROR"),
    ],
)
def test_a_token_that_starts_like_this_is_refused_with_fcms_error_code(
    sandbox: SandboxHandle, google_token: str, prefix: str, status: int, canonical: str, code: str
) -> None:
    answer = send(sandbox, fcm(sandbox, google_token, {"token": prefix + "-phone"}))
    error = answer.json()["error"]
    assert (answer.status, error["code"], error["status"]) == (status, status, canonical)
    assert error["details"] == [{"@type": FCM_ERROR, "errorCode": code}]
    assert answer.headers.get("retry-after") == ("1" if status in (429, 503) else None)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"key": OTHER_KEY}, "invalid_grant"),
        ({"iss": "somebody@else.example"}, "invalid_grant"),
        ({"aud": "https://example.com/token"}, "invalid_grant"),
        ({"exp": "soon"}, "invalid_grant"),
        ({"scope": "https://www.googleapis.com/auth/drive"}, "invalid_scope"),
    ],
)
def test_this_assertion_gets_no_access_token(sandbox: SandboxHandle, changes: dict[str, Any], error: str) -> None:
    answer = send(sandbox, fcm_assertion(sandbox, **changes))
    assert (answer.status, answer.json()["error"]) == (400, error)
    assert sandbox.stats()["token_requests"] == {"fcm": 1}
    assert sandbox.stats()["total"] == 0


@pytest.mark.parametrize("seconds", [{"iat": -7200, "exp": -3600}, {"iat": 600, "exp": 1200}, {"exp": 7200}])
def test_an_assertion_of_another_time_gets_no_access_token(sandbox: SandboxHandle, seconds: dict[str, int]) -> None:
    times = {claim: int(time.time()) + from_now for claim, from_now in seconds.items()}
    answer = send(sandbox, fcm_assertion(sandbox, **times))
    assert (answer.status, answer.json()["error"]) == (400, "invalid_grant")


def test_googles_own_audience_is_right_too(sandbox: SandboxHandle) -> None:
    answer = send(sandbox, fcm_assertion(sandbox, aud="https://oauth2.googleapis.com/token"))
    assert (answer.status, answer.json()["token_type"], answer.json()["expires_in"]) == (200, "Bearer", 3600)


def test_another_grant_and_another_method_get_no_token(sandbox: SandboxHandle) -> None:
    url = sandbox.providers["fcm"]["token_url"]
    grant = send(sandbox, form(url, grant_type="password"))
    assert (grant.status, grant.json()["error"]) == (400, "unsupported_grant_type")
    exchange = form(url)
    exchange.method = "GET"
    assert send(sandbox, exchange).status == 405


def test_an_expired_access_token_is_unauthenticated(sandbox: SandboxHandle) -> None:
    sandbox.set(access_token_seconds=0)
    answer = send(sandbox, fcm(sandbox, fcm_access_token(sandbox), NOTE))
    assert (answer.status, answer.json()["error"]["status"]) == (401, "UNAUTHENTICATED")


def test_a_wns_token_does_not_open_fcm(sandbox: SandboxHandle, microsoft_token: str) -> None:
    assert send(sandbox, fcm(sandbox, microsoft_token, NOTE)).status == 401


@pytest.fixture
def firebase_app(sandbox: SandboxHandle, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(sandbox.ca_path))
    url = sandbox.push_url + "/v1/projects/{0}/messages:send"
    monkeypatch.setattr(messaging._MessagingService, "FCM_URL", url)
    app = firebase_admin.initialize_app(credentials.Certificate(sandbox.providers["fcm"]["service_account_path"]))
    yield app
    firebase_admin.delete_app(app)


def test_googles_own_library_sends_through_the_sandbox(sandbox: SandboxHandle, firebase_app: Any) -> None:
    note = messaging.Notification(title="Fire", body="Leave the building")
    name = messaging.send(messaging.Message(fid="phone-2", notification=note, data={"floor": "3"}), app=firebase_app)
    (push,) = sandbox.received(token="phone-2")
    assert push["message_id"] == name
    assert push["payload"]["message"]["data"] == {"floor": "3"}


def test_googles_own_library_understands_the_errors(sandbox: SandboxHandle, firebase_app: Any) -> None:
    with pytest.raises(messaging.UnregisteredError):
        messaging.send(messaging.Message(fid="unregistered"), app=firebase_app)
    with pytest.raises(messaging.SenderIdMismatchError):
        messaging.send(messaging.Message(fid="sender"), app=firebase_app)


def test_the_service_account_file_is_what_googles_console_hands_out(sandbox: SandboxHandle) -> None:
    account = json.loads(Path(sandbox.providers["fcm"]["service_account_path"]).read_text())
    assert account == sandbox.providers["fcm"]["service_account"]
    assert (account["type"], account["project_id"]) == ("service_account", "demo")
    assert account["token_uri"] == f"{sandbox.push_url}/token"
