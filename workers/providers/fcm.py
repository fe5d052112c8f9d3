"""FCM: the HTTP v1 API, ``POST /v1/projects/<project>/messages:send`` (Google)."""

from __future__ import annotations

from typing import Any

import firebase_admin.credentials
import msgspec

from tocsin.domain.message import Message
from tocsin.domain.payloads import fcm_body, fcm_complete
from tocsin.workers.providers import table
from tocsin.workers.providers.credentials import FcmCredential
from tocsin.workers.providers.exchange import HttpRequest, HttpResult, Pool
from tocsin.workers.providers.lifetimes import seconds_left
from tocsin.workers.providers.oauth import google_token
from tocsin.workers.providers.pools import Pools
from tocsin.workers.providers.port import Answer, Push, TokenRefused
from tocsin.workers.providers.reading import json_body, judged, no_answer
from tocsin.workers.providers.tokens import Bearer, FetchedTokens, TokenSource
from tocsin.workers.providers.transport import Transport

MAX_CONNECTIONS = 10
"""Google allows about 100 streams on a connection, a tenth of Apple's."""

FCM_ERROR = "type.googleapis.com/google.firebase.fcm.v1.FcmError"
BAD_REQUEST = "type.googleapis.com/google.rpc.BadRequest"
NOT_A_REGISTRATION = "The registration token is not a valid FCM registration token"


class Fcm:
    """One Firebase project's way to its devices."""

    name = "fcm"

    def __init__(self, credential: FcmCredential, transport: Transport) -> None:
        account = firebase_admin.credentials.Certificate(dict(credential.service_account)).get_credential()
        self._url = f"{credential.base_url.rstrip('/')}/v1/projects/{credential.project_id}/messages:send"
        self._pools = Pools(lambda lane: _pool(credential, lane))
        self._rendered: tuple[Message | None, dict[str, Any]] = (None, {})
        token_pool = _pool(credential, "token")
        self.tokens: TokenSource = FetchedTokens(
            f"fcm {credential.project_id}", lambda: google_token(transport, token_pool, account)
        )

    def request(self, push: Push, bearer: Bearer, now: float) -> HttpRequest | Answer:
        """The request that sends the push as a ``message``."""
        body = self._body(push.message)
        message = fcm_complete(body, push.push_id, push.token, seconds_left(push, now))
        return HttpRequest(
            url=self._url,
            headers=["content-type: application/json", f"authorization: Bearer {bearer.value}"],
            body=msgspec.json.encode({"message": message}),
            pool=self._pools.of(push.lane),
        )

    def answer(self, push: Push, result: HttpResult) -> Answer | TokenRefused:
        """By the ``errorCode`` of the error's details, else by the error's canonical ``status``."""
        if result.failure is not None:
            return no_answer(push, result)
        body = json_body(result)
        error = body.get("error")
        error = error if isinstance(error, dict) else {}
        code = _code(error)
        row = table.INVALID_DEVICE if code == "INVALID_ARGUMENT" and _blames_token(error) else code
        answer = judged(
            push,
            result,
            table.rule(self.name, result.status, row),
            code=code or str(result.status),
            reason=str(error.get("message", "")),
            message_id=_text(body.get("name")),
        )
        return TokenRefused(answer) if result.status == 401 and code != "THIRD_PARTY_AUTH_ERROR" else answer

    def _body(self, message: Message) -> dict[str, Any]:
        """The pushes of a send mostly share one Message object: what it renders to is kept for the next."""
        last, rendered = self._rendered
        if last is not message:
            rendered = fcm_body(message)
            self._rendered = (message, rendered)
        return rendered


def _pool(credential: FcmCredential, lane: str) -> Pool:
    return Pool(
        owner=f"fcm {credential.project_id} {lane}".rstrip(),
        ca_path=credential.ca_path,
        max_connections=MAX_CONNECTIONS,
    )


def _code(error: dict[str, Any]) -> str:
    for detail in _details(error, FCM_ERROR):
        if isinstance(detail.get("errorCode"), str):
            return str(detail["errorCode"])
    return str(error.get("status", ""))


def _blames_token(error: dict[str, Any]) -> bool:
    """Whether INVALID_ARGUMENT is about the registration token: only then is the token dead, and not the message."""
    violations = [
        violation.get("field")
        for detail in _details(error, BAD_REQUEST)
        for violation in detail.get("fieldViolations") or []
        if isinstance(violation, dict)
    ]
    return "message.token" in violations or str(error.get("message", "")).startswith(NOT_A_REGISTRATION)


def _details(error: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    details = error.get("details")
    listed = details if isinstance(details, list) else []
    return [detail for detail in listed if isinstance(detail, dict) and detail.get("@type") == kind]


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None
