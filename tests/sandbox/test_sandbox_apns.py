"""What the stand-in for APNs accepts, and with which status and reason it refuses the rest."""

from __future__ import annotations

import json
import time
import uuid
from typing import Any

import pytest
from sandbox_clients import ALERT, TOKEN, apns, provider_token, send, send_together

from tocsin.sandbox.certificates import new_ec_key, private_pem
from tocsin.sandbox.server import SandboxHandle

APNS_ID = "123e4567-e89b-12d3-a456-42661417400a"
OTHER_KEY = private_pem(new_ec_key()).decode()


def padded(size: int) -> str:
    """A payload of exactly this many bytes."""
    empty = json.dumps({"aps": {"alert": ""}})
    return json.dumps({"aps": {"alert": "x" * (size - len(empty))}})


def test_a_good_push_is_answered_with_its_own_id_and_shown_on_the_device(sandbox: SandboxHandle) -> None:
    answer = send(sandbox, apns(sandbox, headers={"apns-id": APNS_ID}))
    assert (answer.status, answer.headers["apns-id"], answer.body) == (200, APNS_ID, b"")
    (push,) = sandbox.received()
    assert (push["provider"], push["token"], push["payload"]) == ("apns", TOKEN, ALERT)
    assert (push["message_id"], push["topic"], push["answer"]) == (APNS_ID, "com.example.app", "200")
    assert push["headers"]["apns-push-type"] == "alert"
    assert "authorization" not in push["headers"]


def test_a_push_without_an_id_gets_one(sandbox: SandboxHandle) -> None:
    answer = send(sandbox, apns(sandbox))
    (push,) = sandbox.received()
    assert str(uuid.UUID(answer.headers["apns-id"])).upper() == push["message_id"]


def test_only_the_development_host_gives_a_unique_id(sandbox: SandboxHandle) -> None:
    production, development = send(sandbox, apns(sandbox)), send(sandbox, apns(sandbox, base=sandbox.development_url))
    assert (production.status, development.status) == (200, 200)
    assert "apns-unique-id" not in production.headers
    assert uuid.UUID(development.headers["apns-unique-id"])


@pytest.mark.parametrize(
    "headers",
    [
        {"apns-priority": "1"},
        {"apns-priority": "5"},
        {"apns-priority": "10"},
        {"apns-expiration": "0"},
        {"apns-expiration": "1893456000"},
        {"apns-collapse-id": "c" * 64},
        {"apns-push-type": None},
        {"apns-push-type": "background", "apns-priority": "5"},
        {"apns-push-type": "voip", "apns-topic": "com.example.app.voip"},
        {"apns-push-type": "liveactivity", "apns-topic": "com.example.app.push-type.liveactivity"},
        {"apns-push-type": None, "apns-topic": "com.example.app.complication"},
    ],
)
def test_these_headers_are_accepted(sandbox: SandboxHandle, headers: dict[str, str | None]) -> None:
    answer = send(sandbox, apns(sandbox, headers=headers))
    assert (answer.status, answer.body) == (200, b"")


REFUSALS: list[tuple[dict[str, Any], int, str]] = [
    ({"token": "a" * 63}, 400, "BadDeviceToken"),
    ({"token": "g" * 64}, 400, "BadDeviceToken"),
    ({"token": ""}, 400, "MissingDeviceToken"),
    ({"method": "GET"}, 405, "MethodNotAllowed"),
    ({"headers": {"authorization": None}}, 403, "MissingProviderToken"),
    ({"headers": {"authorization": "bearer x.y.z"}}, 403, "InvalidProviderToken"),
    ({"headers": {"authorization": "basic abc"}}, 403, "InvalidProviderToken"),
    ({"headers": {"apns-topic": None}}, 400, "MissingTopic"),
    ({"headers": {"apns-topic": "com example"}}, 400, "BadTopic"),
    ({"headers": {"apns-topic": "com.example.other"}}, 400, "TopicDisallowed"),
    ({"headers": {"apns-push-type": "voip"}}, 400, "TopicDisallowed"),
    ({"headers": {"apns-topic": "com.example.app.voip"}}, 400, "TopicDisallowed"),
    ({"headers": {"apns-push-type": "loud"}}, 400, "InvalidPushType"),
    ({"headers": {"apns-priority": "7"}}, 400, "BadPriority"),
    ({"headers": {"apns-priority": "high"}}, 400, "BadPriority"),
    ({"headers": {"apns-push-type": "background", "apns-priority": "10"}}, 400, "BadPriority"),
    ({"headers": {"apns-expiration": "tomorrow"}}, 400, "BadExpirationDate"),
    ({"headers": {"apns-expiration": "1.5"}}, 400, "BadExpirationDate"),
    ({"headers": {"apns-collapse-id": "c" * 65}}, 400, "BadCollapseId"),
    ({"headers": {"apns-collapse-id": "é" * 33}}, 400, "BadCollapseId"),
    ({"headers": {"apns-id": "1"}}, 400, "BadMessageId"),
    ({"headers": {"apns-id": APNS_ID.replace("-", "")}}, 400, "BadMessageId"),
    ({"body": ""}, 400, "PayloadEmpty"),
    ({"body": "{}"}, 400, "PayloadEmpty"),
    ({"body": "[1]"}, 400, "PayloadEmpty"),
    ({"body": "{aps"}, 400, "PayloadEmpty"),
    ({"body": "[" * 4000}, 400, "PayloadEmpty"),
    ({"body": padded(4097)}, 413, "PayloadTooLarge"),
    ({"body": padded(200_000)}, 413, "PayloadTooLarge"),
]


@pytest.mark.parametrize(("changes", "status", "reason"), REFUSALS)
def test_this_request_is_refused_with_apples_reason(
    sandbox: SandboxHandle, changes: dict[str, Any], status: int, reason: str
) -> None:
    answer = send(sandbox, apns(sandbox, **changes))
    assert (answer.status, answer.json()) == (status, {"reason": reason})
    assert answer.headers["apns-id"]
    assert sandbox.received() == []
    assert sandbox.stats()["by_answer"] == {"apns": {f"{status} {reason}": 1}}


def test_another_path_is_refused(sandbox: SandboxHandle) -> None:
    answer = send(sandbox, apns(sandbox, url=f"{sandbox.push_url}/3/devices/{TOKEN}"))
    assert (answer.status, answer.reason()) == (404, "BadPath")


def test_a_repeated_header_is_refused(sandbox: SandboxHandle) -> None:
    answer = send(sandbox, apns(sandbox, headers={"apns-topic": "com.example.app", "Apns-Topic": "com.example.app"}))
    assert (answer.status, answer.reason()) == (400, "DuplicateHeaders")


def test_a_payload_may_be_as_large_as_apple_says(sandbox: SandboxHandle) -> None:
    voip = {"apns-push-type": "voip", "apns-topic": "com.example.app.voip"}
    pushes = [
        apns(sandbox, body=padded(4096)),
        apns(sandbox, body=padded(5120), headers=voip),
        apns(sandbox, body=padded(5121), headers=voip),
    ]
    assert [answer.status for answer in send_together(sandbox, pushes)] == [200, 200, 413]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"age": 3700}, "ExpiredProviderToken"),
        ({"age": -600}, "ExpiredProviderToken"),
        ({"kid": "ZZZ7654321"}, "InvalidProviderToken"),
        ({"iss": "ANOTHERTEAM"}, "InvalidProviderToken"),
        ({"iat": "now"}, "InvalidProviderToken"),
        ({"iat": None}, "InvalidProviderToken"),
        ({"key": OTHER_KEY}, "InvalidProviderToken"),
    ],
)
def test_this_provider_token_is_refused(sandbox: SandboxHandle, changes: dict[str, Any], reason: str) -> None:
    token = provider_token(sandbox, **changes)
    answer = send(sandbox, apns(sandbox, headers={"authorization": f"bearer {token}"}))
    assert (answer.status, answer.reason()) == (403, reason)


def test_a_token_almost_an_hour_old_is_good(sandbox: SandboxHandle) -> None:
    token = provider_token(sandbox, age=3500)
    assert send(sandbox, apns(sandbox, headers={"authorization": f"Bearer {token}"})).status == 200


def test_a_client_certificate_is_as_good_as_a_token_and_names_the_topic(sandbox: SandboxHandle) -> None:
    apple = sandbox.providers["apns"]
    certificate = (apple["certificate_path"], apple["certificate_password"])
    without_token: dict[str, str | None] = {"authorization": None, "apns-topic": None}
    answer = send(sandbox, apns(sandbox, headers=without_token, certificate=certificate))
    assert (answer.status, answer.body) == (200, b"")
    assert sandbox.received()[0]["topic"] == "com.example.app"


def test_a_dead_token_comes_with_the_time_of_its_death(sandbox: SandboxHandle) -> None:
    before = int(time.time() * 1000)
    answer = send(sandbox, apns(sandbox, "0410" + "a" * 60))
    after = int(time.time() * 1000)
    assert (answer.status, answer.reason()) == (410, "Unregistered")
    assert before <= answer.json()["timestamp"] <= after


@pytest.mark.parametrize(
    ("prefix", "status", "reason"),
    [
        ("0400", 400, "BadDeviceToken"),
        ("0401", 400, "DeviceTokenNotForTopic"),
        ("0403", 403, "ExpiredProviderToken"),
        ("0410", 410, "Unregistered"),
        ("0411", 410, "ExpiredToken"),
        ("0413", 413, "PayloadTooLarge"),
        ("0429", 429, "TooManyRequests"),
        ("0430", 429, "TooManyProviderTokenUpdates"),
        ("0500", 500, "InternalServerError"),
        ("0503", 503, "ServiceUnavailable"),
        ("0504", 503, "Shutdown"),
    ],
)
def test_a_token_that_starts_like_this_is_refused(
    sandbox: SandboxHandle, prefix: str, status: int, reason: str
) -> None:
    answer = send(sandbox, apns(sandbox, prefix + "a" * 60))
    assert (answer.status, answer.reason()) == (status, reason)
    assert answer.headers.get("retry-after") == ("1" if status in (429, 503) else None)
