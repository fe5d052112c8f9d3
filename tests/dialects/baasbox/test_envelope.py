"""What every answer is wrapped in, and what of a request is never repeated in it."""

from __future__ import annotations

import pytest

from dialects.baasbox.client import Client

ERROR = ["result", "message", "resource", "method", "request_header", "API_version", "http_code"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/me", 200),
        ("GET", "/nothing", 404),
        ("PUT", "/push/enable/symbian/token-c", 200),
        ("POST", "/push/message", 400),
        ("POST", "/user", 400),
        ("POST", "/login", 400),
        ("GET", "/admin/configuration/Push/profile1.push.apple.timeout", 200),
    ],
)
def test_a_call_id_comes_back_in_every_envelope(admin: Client, method: str, path: str, status: int) -> None:
    answer = admin.call(method, path + "?call_id=%C3%A4%2F7")

    assert (answer.status_code, answer.json["http_code"], answer.json["call_id"]) == (status, status, "ä/7")
    assert "call_id" not in admin.call(method, path).json


def test_an_error_says_what_it_is_about(admin: Client) -> None:
    answer = admin.post("/push/message", b"{", Accept="application/json", Origin="https://a.example")

    assert list(answer.json) == ERROR
    assert [answer.json[name] for name in ("result", "resource", "method", "API_version")] == [
        "error",
        "/push/message",
        "POST",
        "0.9.5",
    ]
    assert answer.json["request_header"]["Accept"] == ["application/json"]
    assert answer.json["request_header"]["Origin"] == ["https://a.example"]


def test_an_error_with_a_code_has_it_at_its_end_as_text(admin: Client) -> None:
    answer = admin.post("/push/message", b"")

    assert list(answer.json) == [*ERROR, "bb_code"]
    assert answer.json["bb_code"] == "40011"


def test_no_credential_is_repeated(admin: Client) -> None:
    headers = {"X-BB-SESSION": "my-session", "X-Custom": "my-custom", "Referer": "my-referrer"}
    answer = admin.get("/nothing?X-BB-SESSION=my-query-session", **headers)

    shown = answer.json["request_header"]
    hidden = ("X-Bb-Session", "X-Baasbox-Appcode", "Authorization", "X-Custom", "Referer")
    assert all(shown[name] == ["******"] for name in hidden)
    assert "my-" not in answer.text
    assert str(admin.appcode) not in answer.text


@pytest.mark.parametrize(
    ("method", "path", "resource"),
    [
        ("DELETE", "/push/enable/ios/my-token", "/push/enable/ios/******"),
        ("DELETE", "/push/device/ios/my-token/", "/push/device/ios/******"),
        ("GET", "/push/disable/my-token", "/push/disable/******"),
        ("GET", "/logout/my-token", "/logout/******"),
    ],
)
def test_no_token_is_repeated(admin: Client, method: str, path: str, resource: str) -> None:
    answer = admin.call(method, path)

    assert (answer.status_code, answer.json["resource"]) == (404, resource)
    assert "my-token" not in answer.text
