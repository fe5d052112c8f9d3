"""The control port: what it lists, in which order, and what it says to a call it cannot serve."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
import requests
from sandbox_clients import ALERT, TOKEN, apns, fcm, send, wns

from tocsin.sandbox.handle import SandboxError
from tocsin.sandbox.server import SandboxHandle


def push_numbered(handle: SandboxHandle, count: int) -> None:
    for number in range(count):
        body = json.dumps({"aps": {"alert": str(number)}})
        assert send(handle, apns(handle, f"a{number:063x}", body=body)).status == 200


def alerts(pushes: list[dict[str, Any]]) -> list[str]:
    return [push["payload"]["aps"]["alert"] for push in pushes]


def test_pushes_are_listed_in_order_of_arrival(sandbox: SandboxHandle) -> None:
    push_numbered(sandbox, 3)
    pushes = sandbox.received()
    assert alerts(pushes) == ["0", "1", "2"]
    assert [push["sequence"] for push in pushes] == sorted(push["sequence"] for push in pushes)
    assert [push["time"] for push in pushes] == sorted(push["time"] for push in pushes)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", pushes[0]["time"])


def test_a_limit_gives_the_latest_and_with_since_the_next(sandbox: SandboxHandle) -> None:
    push_numbered(sandbox, 5)
    first = sandbox.received()[0]["sequence"]
    assert alerts(sandbox.received(limit=2)) == ["3", "4"]
    assert alerts(sandbox.received(since=first, limit=2)) == ["1", "2"]
    assert alerts(sandbox.received(since=first + 4)) == []


def test_pushes_are_filtered_by_provider_and_token(
    sandbox: SandboxHandle, google_token: str, microsoft_token: str
) -> None:
    send(sandbox, apns(sandbox))
    send(sandbox, fcm(sandbox, google_token, {"token": "phone-1"}))
    send(sandbox, fcm(sandbox, google_token, {"token": "phone-10"}))
    send(sandbox, wns(sandbox, microsoft_token, "window"))
    assert [push["token"] for push in sandbox.received(provider="fcm")] == ["phone-1", "phone-10"]
    assert [push["token"] for push in sandbox.received(token="phone-1")] == ["phone-1"]
    assert [push["token"] for push in sandbox.received(contains="PHONE")] == ["phone-1", "phone-10"]
    assert sandbox.received(provider="wns", token="phone-1") == []


def test_refused_pushes_are_listed_apart(sandbox: SandboxHandle) -> None:
    dead = "0410" + "a" * 60
    send(sandbox, apns(sandbox))
    send(sandbox, apns(sandbox, dead))
    send(sandbox, apns(sandbox, headers={"apns-topic": "other"}))
    refused = sandbox.received(answer="refused")
    assert [(push["token"], push["answer"]) for push in refused] == [
        (dead, "410 Unregistered"),
        (TOKEN, "400 TopicDisallowed"),
    ]
    assert len(sandbox.received(answer="all")) == 3
    assert len(sandbox.received()) == 1


def test_devices_are_grouped_and_the_last_one_pushed_to_comes_first(sandbox: SandboxHandle) -> None:
    dead = "0410" + "a" * 60
    for token in (TOKEN, dead, TOKEN, "b" * 64):
        send(sandbox, apns(sandbox, token))
    summary = [(device["token"], device["received"], device["refused"]) for device in sandbox.devices()]
    assert summary == [("b" * 64, 1, 0), (TOKEN, 2, 0), (dead, 0, 1)]
    assert [device["token"] for device in sandbox.devices(limit=1)] == ["b" * 64]
    assert [device["last_answer"] for device in sandbox.devices(token=dead)] == ["410 Unregistered"]


def test_the_counters_tell_requests_answers_and_devices_apart(
    sandbox: SandboxHandle, google_token: str, microsoft_token: str
) -> None:
    send(sandbox, apns(sandbox))
    send(sandbox, apns(sandbox))
    send(sandbox, apns(sandbox, "0410" + "a" * 60))
    send(sandbox, fcm(sandbox, google_token, {"token": "unregistered"}))
    send(sandbox, wns(sandbox, microsoft_token, "410"))
    stats = sandbox.stats()
    assert stats["total"] == 5
    assert stats["by_provider"] == {"apns": 3, "fcm": 1, "wns": 1}
    assert stats["by_answer"] == {
        "apns": {"200": 2, "410 Unregistered": 1},
        "fcm": {"404 UNREGISTERED": 1},
        "wns": {"410": 1},
    }
    assert (stats["distinct_tokens"], stats["delivered"]) == (4, 2)
    assert stats["token_requests"] == {"fcm": 1, "wns": 1}


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_reset_forgets_everything_but_the_sequence(sandbox: SandboxHandle, method: str) -> None:
    push_numbered(sandbox, 2)
    before = sandbox.stats()["last_sequence"]
    sandbox.fault(provider="apns", status=503)
    sandbox.set(latency_ms=5)
    assert requests.request(method, f"{sandbox.control_url}/reset", timeout=60).status_code == 204
    assert (sandbox.received(answer="all"), sandbox.devices(), sandbox.faults()) == ([], [], [])
    stats = sandbox.stats()
    assert (stats["total"], stats["by_answer"], stats["last_sequence"]) == (0, {}, before)
    assert sandbox.set()["latency_ms"] == 0
    push_numbered(sandbox, 1)
    assert sandbox.received()[0]["sequence"] == before + 1


def test_faults_are_listed_and_removed_one_by_one_or_together(sandbox: SandboxHandle) -> None:
    first, second, third = (sandbox.fault(provider=name, status=500) for name in ("apns", "fcm", "wns"))
    url = f"{sandbox.control_url}/faults"
    assert requests.delete(f"{url}/{second['id']}", timeout=60).status_code == 204
    assert [fault["id"] for fault in sandbox.faults()] == [first["id"], third["id"]]
    assert requests.delete(f"{url}/{second['id']}", timeout=60).status_code == 404
    sandbox.clear_faults()
    assert sandbox.faults() == []


def test_settings_are_shown_and_only_some_can_be_changed(sandbox: SandboxHandle) -> None:
    assert sandbox.set(latency_ms=2.5)["latency_ms"] == 2.5
    assert requests.get(f"{sandbox.control_url}/settings", timeout=60).json()["max_streams"] == 1000
    for settings in ({"max_streams": 5}, {"latency_ms": "1"}, {"latency_ms": -1}, {"prefix_faults": 0}):
        with pytest.raises(SandboxError):
            sandbox.set(**settings)
    assert sandbox.set()["latency_ms"] == 2.5


@pytest.mark.parametrize(
    ("filters", "complaint"),
    [
        ({"provider": "gcm"}, "provider must be one of"),
        ({"answer": "maybe"}, "answer must be one of"),
        ({"since": "now"}, "since must be a whole number"),
        ({"limit": -1}, "limit must be a whole number"),
        ({"tokne": "x"}, "unknown parameter 'tokne'"),
    ],
)
def test_a_filter_that_makes_no_sense_is_refused(
    sandbox: SandboxHandle, filters: dict[str, str | int], complaint: str
) -> None:
    with pytest.raises(SandboxError, match=complaint):
        sandbox.received(**filters)


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/nowhere", "", 404),
        ("PUT", "/stats", "", 405),
        ("DELETE", "/faults/x", "", 404),
        ("POST", "/faults", "{", 400),
        ("POST", "/settings", "[]", 400),
    ],
)
def test_a_call_that_cannot_be_served_says_why(
    sandbox: SandboxHandle, method: str, path: str, body: str, status: int
) -> None:
    answer = requests.request(method, sandbox.control_url + path, data=body, timeout=60)
    assert answer.status_code == status
    assert answer.json()["error"]
    assert ("allow" in answer.headers) == (status == 405)


def test_the_page_needs_nothing_from_elsewhere(sandbox: SandboxHandle) -> None:
    answer = requests.get(sandbox.control_url, timeout=60)
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert re.findall(r"https?://|\bsrc=|@import|url\(", answer.text) == []


def test_a_payload_that_is_no_json_is_listed_as_text(sandbox: SandboxHandle, microsoft_token: str) -> None:
    raw = {"x-wns-type": "wns/raw", "content-type": "application/octet-stream"}
    send(sandbox, wns(sandbox, microsoft_token, headers=raw, body=b"\xffraw"))
    send(sandbox, apns(sandbox, body="[" * 4000))
    assert [push["payload"] for push in sandbox.received(answer="all")] == ["\\xffraw", "[" * 4000]


def test_credentials_are_never_listed(sandbox: SandboxHandle, google_token: str) -> None:
    send(sandbox, fcm(sandbox, google_token, {"token": "phone"}, headers={"cookie": "c=1"}))
    send(sandbox, apns(sandbox, body=json.dumps(ALERT)))
    listed = json.dumps(sandbox.received())
    assert google_token not in listed
    assert "bearer" not in listed.lower()
    assert "cookie" not in listed
