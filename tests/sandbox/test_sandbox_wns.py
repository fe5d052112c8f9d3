"""What the stand-in for WNS accepts, and with which status and headers it refuses the rest."""

from __future__ import annotations

from typing import Any

import pytest
from sandbox_clients import TOAST, form, send, wns, wns_access_token, wns_credentials

from tocsin.sandbox.server import SandboxHandle

RAW = {"x-wns-type": "wns/raw", "content-type": "application/octet-stream"}
ENTITIES = '<!DOCTYPE t [<!ENTITY a "xxxxxxxxxx"><!ENTITY b "&a;&a;&a;&a;&a;&a;">]><toast>&b;&b;</toast>'


def test_a_good_notification_is_received_and_shown_on_the_device(sandbox: SandboxHandle, microsoft_token: str) -> None:
    answer = send(sandbox, wns(sandbox, microsoft_token, headers={"x-wns-requestforstatus": "true"}))
    assert (answer.status, answer.body) == (200, b"")
    assert answer.headers["x-wns-status"] == answer.headers["x-wns-notificationstatus"] == "received"
    assert answer.headers["x-wns-deviceconnectionstatus"] == "connected"
    (push,) = sandbox.received(provider="wns", token="window")
    assert (push["message_id"], push["payload"], push["topic"]) == (
        answer.headers["x-wns-msg-id"],
        TOAST,
        "wns/toast",
    )


def test_the_connection_status_is_told_only_when_asked_for(sandbox: SandboxHandle, microsoft_token: str) -> None:
    assert "x-wns-deviceconnectionstatus" not in send(sandbox, wns(sandbox, microsoft_token)).headers


@pytest.mark.parametrize(
    "changes",
    [
        {"headers": RAW, "body": b"\x00\xff raw"},
        {"headers": {"x-wns-type": "wns/badge"}, "body": '<badge value="3"/>'},
        {"headers": {"x-wns-type": "wns/tile"}, "body": "<tile/>"},
        {"headers": {"content-type": "text/xml; charset=utf-8"}},
        {"headers": {"x-wns-cache-policy": "no-cache", "x-wns-ttl": "60", "x-wns-tag": "Fire3"}},
        {"headers": {"x-wns-priority": "High"}},
        {"body": f"<toast>{'x' * (5000 - 15)}</toast>"},
    ],
)
def test_this_notification_is_accepted(sandbox: SandboxHandle, microsoft_token: str, changes: dict[str, Any]) -> None:
    assert send(sandbox, wns(sandbox, microsoft_token, **changes)).status == 200


@pytest.mark.parametrize(
    ("changes", "status", "description"),
    [
        ({"headers": {"x-wns-type": None}}, 400, "X-WNS-Type"),
        ({"headers": {"x-wns-type": "wns/smoke"}}, 400, "X-WNS-Type"),
        ({"headers": {"content-type": "application/json"}}, 400, "Content-Type must be text/xml"),
        ({"headers": {"x-wns-type": "wns/raw"}}, 400, "Content-Type must be application/octet-stream"),
        ({"headers": {"x-wns-tag": "t" * 17}}, 400, "x-wns-tag"),
        ({"headers": {"x-wns-tag": "fire-3"}}, 400, "x-wns-tag"),
        ({"headers": {"x-wns-ttl": "soon"}}, 400, "x-wns-ttl"),
        ({"headers": {"x-wns-cache-policy": "always"}}, 400, "x-wns-cache-policy"),
        ({"headers": {"x-wns-requestforstatus": "yes"}}, 400, "x-wns-requestforstatus"),
        ({"headers": {"x-wns-priority": "9"}}, 400, "x-wns-priority"),
        ({"body": "<toast>"}, 400, "well-formed"),
        ({"body": ENTITIES}, 400, "well-formed"),
        ({"body": "<toast/>" + " " * 5000}, 413, "5000 bytes"),
        ({"headers": RAW, "body": b"x" * 5001}, 413, "5000 bytes"),
        ({"method": "GET"}, 405, "POST"),
        ({"token": ""}, 404, "channel"),
    ],
)
def test_this_notification_is_refused_with_a_description(
    sandbox: SandboxHandle, microsoft_token: str, changes: dict[str, Any], status: int, description: str
) -> None:
    answer = send(sandbox, wns(sandbox, microsoft_token, **changes))
    assert (answer.status, answer.headers["x-wns-status"]) == (status, "dropped")
    assert description in answer.headers["x-wns-error-description"]
    assert sandbox.received() == []


@pytest.mark.parametrize("authorization", [None, "Bearer unknown", "Basic x"])
def test_a_missing_or_unknown_access_token_is_refused(sandbox: SandboxHandle, authorization: str | None) -> None:
    answer = send(sandbox, wns(sandbox, "", headers={"authorization": authorization}))
    assert (answer.status, answer.headers["www-authenticate"]) == (401, 'Bearer error="invalid_token"')


def test_an_expired_access_token_is_refused(sandbox: SandboxHandle) -> None:
    sandbox.set(access_token_seconds=0)
    assert send(sandbox, wns(sandbox, wns_access_token(sandbox))).status == 401


@pytest.mark.parametrize("status", [403, 404, 406, 410, 500, 503])
def test_a_channel_that_starts_with_a_status_answers_it(
    sandbox: SandboxHandle, microsoft_token: str, status: int
) -> None:
    answer = send(sandbox, wns(sandbox, microsoft_token, f"{status}-window"))
    assert answer.status == status
    assert answer.headers["x-wns-error-description"]
    assert answer.headers.get("retry-after") == ("1" if status in (406, 503) else None)


@pytest.mark.parametrize(("prefix", "verdict"), [("drp", "dropped"), ("thr", "channelthrottled")])
def test_a_channel_can_swallow_what_it_was_sent(
    sandbox: SandboxHandle, microsoft_token: str, prefix: str, verdict: str
) -> None:
    answer = send(sandbox, wns(sandbox, microsoft_token, f"{prefix}-window"))
    assert (answer.status, answer.headers["x-wns-status"]) == (200, verdict)
    assert sandbox.received() == []
    assert sandbox.stats()["by_answer"] == {"wns": {f"200 {verdict}": 1}}


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({"client_id": "ms-app://other"}, "invalid_client"),
        ({"client_secret": "guess"}, "invalid_client"),
        ({"scope": "mail"}, "invalid_scope"),
    ],
)
def test_these_credentials_get_no_access_token(sandbox: SandboxHandle, changes: dict[str, str], error: str) -> None:
    answer = send(sandbox, wns_credentials(sandbox, **changes))
    assert (answer.status, answer.json()["error"]) == (400, error)


def test_an_empty_form_gets_no_access_token(sandbox: SandboxHandle) -> None:
    assert send(sandbox, form(sandbox.providers["wns"]["token_url"])).status == 400
