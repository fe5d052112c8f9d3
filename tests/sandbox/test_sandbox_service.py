"""The providers without a network: no request is beyond them, and they keep time."""

from __future__ import annotations

import json
from pathlib import Path

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sandbox_clients import ALERT, TOAST, TOKEN

from tocsin.sandbox.exchange import Answer, Request
from tocsin.sandbox.material import ensure_material
from tocsin.sandbox.service import PushService
from tocsin.sandbox.settings import Identity, Settings

IDENTITY = Identity()
NOW = 1_800_000_000.0
PATHS = st.sampled_from(
    [
        f"/3/device/{TOKEN}",
        "/3/device/",
        "",
        "*",
        "/",
        "/3",
        "/v1/projects/demo/messages:send",
        "/v1/%ff",
        "/wns/",
        "/token",
        "/accesstoken.srf",
        "/fcm/notification",
    ]
)
HEADER_NAMES = st.sampled_from(
    [
        "apns-topic",
        "apns-push-type",
        "apns-priority",
        "apns-expiration",
        "apns-collapse-id",
        "apns-id",
        "x-wns-type",
        "content-type",
        "x-wns-tag",
        "x-wns-ttl",
        "access_token_auth",
        "project_id",
        "host",
    ]
)
LATIN = st.text(st.characters(max_codepoint=255), max_size=20)
VALUES = LATIN | st.sampled_from(["com.example.app", "alert", "wns/toast", "wns/raw", "text/xml", "true"])
FIELDS = st.sampled_from(
    [
        "message",
        "token",
        "topic",
        "data",
        "notification",
        "android",
        "apns",
        "webpush",
        "payload",
        "headers",
        "ttl",
        "validate_only",
        "priority",
        "title",
        "operation",
        "registration_ids",
        "notification_key_name",
        "aps",
    ]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text() | st.integers(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(FIELDS | st.text(), inner, max_size=4),
    max_leaves=12,
)
BODIES = st.binary(max_size=60) | JSON.map(lambda value: json.dumps(value).encode())


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


class Desk:
    """A push service with a clock of its own, and good credentials for it."""

    def __init__(self, directory: Path) -> None:
        ensure_material(directory, IDENTITY, "127.0.0.1")
        self.clock = Clock()
        self.service = PushService(directory, IDENTITY, Settings(keep=50), self.clock)
        self.key = (directory / "apns.p8").read_text()
        self.fcm = self.access_token(self.google_form(directory), "/token")
        self.wns = self.access_token(
            f"grant_type=client_credentials&client_id={IDENTITY.wns_client_id}"
            f"&client_secret={IDENTITY.wns_client_secret}&scope=notify.windows.com",
            "/accesstoken.srf",
        )

    def google_form(self, directory: Path) -> str:
        claims = {
            "iss": IDENTITY.fcm_client_email,
            "aud": "https://oauth2.googleapis.com/token",
            "scope": "https://www.googleapis.com/auth/firebase.messaging",
            "iat": NOW,
            "exp": NOW + 3600,
        }
        assertion = jwt.encode(claims, (directory / "sa.key").read_text(), "RS256")
        return f"grant_type=urn:ietf:params:oauth:grant-type:jwt-bearer&assertion={assertion}"

    def access_token(self, form: str, path: str) -> str:
        answer = self.service.respond(Request("POST", path, body=form.encode()))
        return str(json.loads(answer.body)["access_token"])

    def provider_token(self) -> str:
        claims = {"iss": IDENTITY.apns_team_id, "iat": self.clock.now}
        return jwt.encode(claims, self.key, "ES256", headers={"kid": IDENTITY.apns_key_id})

    def push(self, path: str, bearer: str, body: str, query: str = "", **headers: str) -> Answer:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        request = Request("POST", path, query, {"authorization": f"Bearer {bearer}"} | named, body.encode())
        return self.service.respond(request)


@pytest.fixture(scope="module")
def shared_desk(material: Path) -> Desk:
    return Desk(material)


@pytest.fixture
def desk(shared_desk: Desk) -> Desk:
    shared_desk.clock.now = NOW
    shared_desk.service.reset()
    return shared_desk


@given(
    method=st.sampled_from(["POST", "GET", "PUT"]),
    path=PATHS | LATIN,
    query=LATIN | st.just("token=window"),
    headers=st.dictionaries(HEADER_NAMES, VALUES, max_size=6),
    body=BODIES,
    credential=st.sampled_from(["fcm", "wns", "apns", ""]),
)
def test_no_request_is_beyond_the_sandbox(
    shared_desk: Desk,
    method: str,
    path: str,
    query: str,
    headers: dict[str, str],
    body: bytes,
    credential: str,
) -> None:
    bearers = {"fcm": shared_desk.fcm, "wns": shared_desk.wns, "apns": shared_desk.provider_token(), "": ""}
    request = Request(method, path, query, headers | {"authorization": f"Bearer {bearers[credential]}"}, body)
    answer = shared_desk.service.respond(request)
    assert 200 <= answer.status < 500
    for entry in shared_desk.service.journal.entries:
        json.dumps(entry.as_json(), allow_nan=False).encode()


def test_a_provider_token_is_good_for_an_hour_however_often_it_was_used(desk: Desk) -> None:
    token = desk.provider_token()
    verdicts = []
    for age in (0, 3600, 3601):
        desk.clock.now = NOW + age
        answer = desk.push(f"/3/device/{TOKEN}", token, json.dumps(ALERT), apns_topic=IDENTITY.apns_topic)
        verdicts.append((answer.status, json.loads(answer.body or b"{}").get("reason")))
    assert verdicts == [(200, None), (200, None), (403, "ExpiredProviderToken")]


def test_access_tokens_expire_after_an_hour(desk: Desk) -> None:
    message = json.dumps({"message": {"token": "phone"}})
    statuses = []
    for age in (0, 3599, 3600):
        desk.clock.now = NOW + age
        google = desk.push("/v1/projects/demo/messages:send", desk.fcm, message)
        headers = {"x_wns_type": "wns/toast", "content_type": "text/xml"}
        microsoft = desk.push("/wns/", desk.wns, TOAST, "token=window", **headers)
        statuses.append((google.status, microsoft.status))
    assert statuses == [(200, 200), (200, 200), (401, 401)]


def test_a_percent_encoded_colon_is_a_colon(desk: Desk) -> None:
    message = json.dumps({"message": {"token": "phone"}})
    assert desk.push("/v1/projects/demo/messages%3Asend", desk.fcm, message).status == 200


def test_what_a_sender_proved_itself_with_is_not_kept(desk: Desk) -> None:
    desk.push("/v1/projects/demo/messages:send", desk.fcm, "{}")
    (entry,) = desk.service.journal.entries
    assert entry.push.request.headers == {}
