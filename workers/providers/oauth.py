"""Access tokens by OAuth 2.0, fetched over the transport: RFC 6749 (client credentials), RFC 7523 (Google's JWT)."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from google.auth.exceptions import GoogleAuthError, RefreshError, TransportError

from tocsin.workers.providers.exchange import HttpRequest, HttpResult, Pool
from tocsin.workers.providers.reading import json_body, retry_after
from tocsin.workers.providers.tokens import Bearer, TokenFailure, TokenUnavailable
from tocsin.workers.providers.transport import Transport

TOKEN_TIMEOUT = 10.0
"""Seconds for one request to a token endpoint."""

DEFAULT_LIFETIME = 3600.0
"""Seconds a token is taken to live where its issuer does not say (RFC 6749, 5.1, leaves it out at will)."""

WRONG_CREDENTIAL = frozenset(
    {"invalid_client", "invalid_grant", "invalid_scope", "unauthorized_client", "unsupported_grant_type"}
)
"""Errors of RFC 6749, 5.2, that the same credential will meet again."""

FORM = "content-type: application/x-www-form-urlencoded"


def client_credentials(transport: Transport, pool: Pool, url: str, fields: Mapping[str, str]) -> Bearer:
    """A token for a client id and secret. Blocks. Errors: TokenUnavailable."""
    form = urlencode({"grant_type": "client_credentials", **fields}).encode()
    asked_at = time.time()
    result = transport.call(HttpRequest(url=url, headers=[FORM], body=form, pool=pool, timeout=TOKEN_TIMEOUT))
    if result.failure is not None:
        raise TokenUnavailable(TokenFailure("token-unreachable", result.error, permanent=False))
    body = json_body(result)
    value = body.get("access_token")
    if result.status != 200 or not isinstance(value, str) or not value:
        raise TokenUnavailable(_refusal(result, body))
    return Bearer(value, asked_at, asked_at + _lifetime(body))


def google_token(transport: Transport, pool: Pool, credentials: Any) -> Bearer:
    """A token for google-auth ``credentials``. Blocks. Errors: TokenUnavailable."""
    asked_at = time.time()
    request = GoogleRequest(transport, pool)
    try:
        credentials.refresh(request)
    except TransportError as unreachable:
        raise TokenUnavailable(TokenFailure("token-unreachable", str(unreachable), permanent=False)) from unreachable
    except RefreshError as refused:
        result = request.last
        assert result is not None, "Google refused without being asked"
        raise TokenUnavailable(_refusal(result, json_body(result))) from refused
    except GoogleAuthError as unusable:
        failure = TokenFailure("token-unusable", type(unusable).__name__, permanent=False)
        raise TokenUnavailable(failure) from unusable
    lifetime = _lifetime(json_body(request.last) if request.last else {})
    return Bearer(credentials.token, asked_at, asked_at + lifetime)


def _refusal(result: HttpResult, body: Mapping[str, Any]) -> TokenFailure:
    error, description = str(body.get("error", "")), str(body.get("error_description", ""))
    pause = retry_after(result)
    return TokenFailure(
        code=f"token-{error or result.status}",
        reason=f"the token endpoint answered {result.status} {error} {description}".rstrip(),
        permanent=error in WRONG_CREDENTIAL,
        retry_after=5.0 if pause is None else pause,
    )


def _lifetime(body: Mapping[str, Any]) -> float:
    try:
        return float(body["expires_in"])
    except (KeyError, TypeError, ValueError):
        return DEFAULT_LIFETIME


@dataclass(frozen=True)
class GoogleResponse:
    """What google-auth reads of an answer."""

    status: int
    headers: Mapping[str, str]
    data: bytes


class GoogleRequest:
    """google-auth's way onto the network: its `google.auth.transport.Request`, over ours."""

    def __init__(self, transport: Transport, pool: Pool) -> None:
        self._transport = transport
        self._pool = pool
        self.last: HttpResult | None = None

    def __call__(
        self,
        url: str,
        method: str = "GET",
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **_options: Any,
    ) -> GoogleResponse:
        """POST ``body`` to ``url``. Errors: google.auth.exceptions.TransportError."""
        if method != "POST":
            raise TransportError(f"a token is asked for by POST, not {method}")  # type: ignore[no-untyped-call]
        lines = [f"{name}: {value}" for name, value in (headers or {}).items()]
        request = HttpRequest(
            url=url, headers=lines, body=body or b"", pool=self._pool, timeout=timeout or TOKEN_TIMEOUT
        )
        self.last = self._transport.call(request)
        if self.last.failure is not None:
            raise TransportError(self.last.error)  # type: ignore[no-untyped-call]
        return GoogleResponse(self.last.status, {}, self.last.body)
