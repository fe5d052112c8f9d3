"""APNs: "Sending notification requests to APNs" and "Establishing a token-based connection to APNs" (Apple)."""

from __future__ import annotations

import hashlib
import threading
from typing import Any
from urllib.parse import quote
from weakref import WeakValueDictionary

import jwt
import msgspec

from tocsin.domain.message import Message
from tocsin.domain.payloads import PUSH_ID, apns_body, apns_headers
from tocsin.workers.providers import table
from tocsin.workers.providers.credentials import ApnsCredential
from tocsin.workers.providers.exchange import HttpRequest, HttpResult, Pool
from tocsin.workers.providers.lifetimes import seconds_left
from tocsin.workers.providers.pools import Pools
from tocsin.workers.providers.port import Answer, Push, TokenRefused
from tocsin.workers.providers.reading import json_body, judged, no_answer
from tocsin.workers.providers.tokens import Bearer, NoTokens, SignedTokens, TokenSource

TOKEN_LIFETIME = 2400.0
"""Seconds: Apple wants a provider token renewed no more often than every 20 minutes and at least every 60."""

# Whoever holds a provider holds its tokens: a key that nobody uses any more does not stay in memory.
_signed: WeakValueDictionary[str, SignedTokens] = WeakValueDictionary()
_signed_lock = threading.Lock()


class Apns:
    """One app's way to its Apple devices."""

    name = "apns"

    def __init__(self, credential: ApnsCredential) -> None:
        self._credential = credential
        self._base_url = credential.base_url.rstrip("/")
        self._pools = Pools(lambda lane: _pool(credential, lane))
        self._rendered: tuple[Message | None, dict[str, Any]] = (None, {})
        self.tokens: TokenSource = NoTokens() if credential.certificate else provider_tokens(credential)

    def request(self, push: Push, bearer: Bearer, now: float) -> HttpRequest | Answer:
        """The request to ``/3/device/<token>``."""
        left = seconds_left(push, now)
        expires_at = None if left is None else now + left
        headers = apns_headers(push.message, push.push_id, self._credential.topic, expires_at)
        lines = [f"{name}: {value}" for name, value in headers.items()]
        lines.append("content-type: application/json")
        if bearer.value:
            lines.append(f"authorization: bearer {bearer.value}")
        return HttpRequest(
            url=f"{self._base_url}/3/device/{quote(push.token, safe='')}",
            headers=lines,
            body=msgspec.json.encode({**self._body(push.message), PUSH_ID: push.push_id}),
            pool=self._pools.of(push.lane),
        )

    def answer(self, push: Push, result: HttpResult) -> Answer | TokenRefused:
        """By the ``reason`` of the JSON body; ``timestamp`` says since when a token is dead."""
        if result.failure is not None:
            return no_answer(push, result)
        body = json_body(result) if result.body else {}
        reason = str(body.get("reason", ""))
        rule = table.rule(self.name, result.status, reason)
        answer = judged(
            push, result, rule, code=reason or str(result.status), reason=reason, message_id=result.header("apns-id")
        )
        if rule.retire and (since := _unregistered_at(body)) is not None:
            answer = msgspec.structs.replace(answer, unregistered_at=since)
        if push.message.apns_push_type is not None and reason == "TopicDisallowed":
            # The sender's push type made this topic; that says nothing against the app's credential.
            return msgspec.structs.replace(answer, verdict=table.FAILED, pause_credential=False)
        return TokenRefused(answer) if reason == "ExpiredProviderToken" else answer

    def _body(self, message: Message) -> dict[str, Any]:
        """The pushes of a send mostly share one Message object: what it renders to is kept for the next."""
        last, rendered = self._rendered
        if last is not message:
            rendered = apns_body(message)
            self._rendered = (message, rendered)
        return rendered


def provider_tokens(credential: ApnsCredential) -> SignedTokens:
    """This process's tokens for the key: one set however many apps and environments use it, as Apple counts by key."""
    key = (credential.signing_key or "").encode()
    identity = hashlib.sha256(b"\0".join([credential.team_id.encode(), credential.key_id.encode(), key])).hexdigest()
    with _signed_lock:
        tokens = _signed.get(identity)
        if tokens is None:
            tokens = _signed[identity] = SignedTokens(lambda now: _sign(credential, now), TOKEN_LIFETIME)
        return tokens


def _sign(credential: ApnsCredential, now: float) -> str:
    claims = {"iss": credential.team_id, "iat": int(now)}
    return jwt.encode(claims, credential.signing_key or "", algorithm="ES256", headers={"kid": credential.key_id})


def _pool(credential: ApnsCredential, lane: str) -> Pool:
    return Pool(
        owner=f"apns {credential.topic} {lane}".rstrip(),
        ca_path=credential.ca_path,
        client_certificate=credential.certificate,
        client_key=credential.certificate_key,
    )


def _unregistered_at(body: dict[str, Any]) -> float | None:
    timestamp = body.get("timestamp")
    return timestamp / 1000 if isinstance(timestamp, int) else None
