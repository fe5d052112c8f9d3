"""The provider table, row by row, against what the providers' manuals say, written down a second time."""

from __future__ import annotations

import json
import time
from uuid import UUID

import pytest

from tocsin.domain.message import Message
from tocsin.workers.providers import table
from tocsin.workers.providers.apns import Apns
from tocsin.workers.providers.credentials import ApnsCredential
from tocsin.workers.providers.exchange import HttpResult
from tocsin.workers.providers.port import Answer, Push, Verdict
from tocsin.workers.providers.reading import retry_after
from tocsin.workers.providers.table import INVALID_DEVICE, ROWS, rule

DEAD = "failed, the token is retired"
FAILED = "failed"
AGAIN = "tried again"
SLOWER = "tried again, slower"
PAUSED = "tried again, the credential is paused"
DELIVERED = "delivered"

MANUALS: dict[str, dict[str, list[tuple[int, str]]]] = {
    "apns": {
        DELIVERED: [(200, "")],
        DEAD: [
            (400, "BadDeviceToken"),
            (400, "DeviceTokenNotForTopic"),
            (400, "MissingDeviceToken"),
            (410, ""),
            (410, "ExpiredToken"),
            (410, "Unregistered"),
        ],
        FAILED: [
            (400, "BadCollapseId"),
            (400, "BadExpirationDate"),
            (400, "BadMessageId"),
            (400, "BadPriority"),
            (400, "DuplicateHeaders"),
            (400, "InvalidPushType"),
            (400, "PayloadEmpty"),
            (404, "BadPath"),
            (405, "MethodNotAllowed"),
            (413, "PayloadTooLarge"),
        ],
        "failed, the credential is paused": [(403, "Forbidden")],
        AGAIN: [
            (400, "IdleTimeout"),
            (429, "TooManyRequests"),
            (500, "InternalServerError"),
            (503, "Shutdown"),
        ],
        SLOWER: [(429, "TooManyProviderTokenUpdates"), (503, "ServiceUnavailable")],
        PAUSED: [
            (400, "BadTopic"),
            (400, "MissingTopic"),
            (400, "TopicDisallowed"),
            (403, ""),
            (403, "BadCertificate"),
            (403, "BadCertificateEnvironment"),
            (403, "BadEnvironmentKeyIdInToken"),
            (403, "ExpiredProviderToken"),
            (403, "InvalidProviderToken"),
            (403, "MissingProviderToken"),
            (403, "UnrelatedKeyIdInToken"),
        ],
    },
    "fcm": {
        DELIVERED: [(200, "")],
        DEAD: [(400, INVALID_DEVICE), (404, "NOT_FOUND"), (404, "UNREGISTERED")],
        FAILED: [(400, "INVALID_ARGUMENT"), (403, "SENDER_ID_MISMATCH")],
        AGAIN: [(500, "INTERNAL"), (500, "UNSPECIFIED_ERROR")],
        SLOWER: [(429, "QUOTA_EXCEEDED"), (429, "RESOURCE_EXHAUSTED"), (503, "UNAVAILABLE")],
        PAUSED: [(401, ""), (401, "THIRD_PARTY_AUTH_ERROR"), (401, "UNAUTHENTICATED"), (403, "PERMISSION_DENIED")],
    },
    "wns": {
        DELIVERED: [(200, ""), (200, "received")],
        DEAD: [(404, ""), (410, "")],
        FAILED: [(200, "dropped"), (400, ""), (403, ""), (405, ""), (413, "")],
        AGAIN: [(200, "channelthrottled"), (500, "")],
        SLOWER: [(406, ""), (503, "")],
        PAUSED: [(401, "")],
    },
}

LISTED = [
    (provider, status, code, meaning)
    for provider, meanings in MANUALS.items()
    for meaning, answers in meanings.items()
    for status, code in answers
]


def in_words(found: table.Rule) -> str:
    words = {Verdict.DELIVERED: "delivered", Verdict.FAILED: "failed", Verdict.RETRY: "tried again"}
    said = words.get(found.verdict, "unknown")
    said += ", the token is retired" if found.retire else ""
    said += ", the credential is paused" if found.pause else ""
    return said + (", slower" if found.throttle else "")


@pytest.mark.parametrize(("provider", "status", "code", "meaning"), LISTED)
def test_a_row_means_what_the_manual_says(provider: str, status: int, code: str, meaning: str) -> None:
    assert in_words(rule(provider, status, code)) == meaning


def test_every_row_is_listed_here_and_names_its_manual() -> None:
    rows = {(provider, status, code) for provider, rows in ROWS.items() for status, code in rows}
    assert rows == {(provider, status, code) for provider, status, code, _ in LISTED}
    assert {found.source for rows in ROWS.values() for found in rows.values()} == {
        table.APNS_MANUAL,
        table.FCM_MANUAL,
        table.WNS_MANUAL,
    }


@pytest.mark.parametrize("provider", ["apns", "fcm", "wns"])
@pytest.mark.parametrize(
    ("status", "meaning"),
    [
        (201, "delivered"),
        (301, "failed"),
        (418, "failed"),
        (429, "tried again, slower"),
        (502, "unknown"),
        (504, "unknown"),
        (507, "tried again"),
        (599, "tried again"),
        (0, "unknown"),
        (700, "unknown"),
    ],
)
def test_what_no_manual_lists_follows_its_status(provider: str, status: int, meaning: str) -> None:
    assert in_words(rule(provider, status, "SomethingNew")) == meaning


def test_a_new_word_at_a_known_status_means_what_the_status_means() -> None:
    assert rule("apns", 410, "GoneForSomeNewReason").retire
    assert rule("wns", 406, "anything").throttle


def result(status: int, body: object = None, headers: tuple[bytes, ...] = ()) -> HttpResult:
    return HttpResult(
        tag=None,
        status=status,
        header_lines=list(headers),
        body=b"" if body is None else json.dumps(body).encode(),
        failure=None,
        cause="",
        error="",
        sent_at=1.0,
        answered_at=2.0,
    )


def apple(message: Message, answer: HttpResult) -> Answer:
    credential = ApnsCredential(topic="com.example.app", base_url="https://x", certificate=b"", certificate_key=b"")
    provider = Apns(credential)
    read = provider.answer(Push(index=0, push_id=UUID(int=0), token="t", message=message), answer)
    assert isinstance(read, Answer)
    return read


def test_a_topic_the_senders_push_type_made_pauses_nobody() -> None:
    refused = result(400, {"reason": "TopicDisallowed"})
    assert apple(Message(title="x"), refused).pause_credential
    voip = apple(Message(title="x", apns_push_type="voip"), refused)
    assert (voip.verdict, voip.pause_credential) == (Verdict.FAILED, False)


@pytest.mark.parametrize("body", ["", [], 7, None, {"reason": 7}, {"reason": None}])
def test_a_body_of_the_wrong_shape_is_read_by_its_status(body: object) -> None:
    assert apple(Message(title="x"), result(500, body)).verdict is Verdict.RETRY


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (b"Retry-After: 30\r\n", 30.0),
        (b"retry-after: Tue, 14 Nov 2023 22:14:20 GMT\r\n", 60.0),
        (b"retry-after: Tue, 14 Nov 2000 22:14:20 GMT\r\n", 0.0),
        (b"retry-after: soon\r\n", None),
        (b"retry-after: -5\r\n", None),
        (b"retry-after: \xb2\r\n", None),
        (b"x: y\r\n", None),
    ],
)
def test_retry_after_is_read_as_seconds_or_as_a_date(
    header: bytes, seconds: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "time", lambda: 1_700_000_000.0)
    assert retry_after(result(503, None, (header,))) == seconds
