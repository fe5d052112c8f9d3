"""WNS: "Push notification service request and response headers" (Microsoft)."""

from __future__ import annotations

from urllib.parse import urlsplit

from tocsin.domain.payloads import wns_notification
from tocsin.workers.providers import table
from tocsin.workers.providers.credentials import WnsCredential
from tocsin.workers.providers.exchange import HttpRequest, HttpResult, Pool
from tocsin.workers.providers.lifetimes import seconds_left
from tocsin.workers.providers.oauth import client_credentials
from tocsin.workers.providers.pools import Pools
from tocsin.workers.providers.port import Answer, Push, TokenRefused
from tocsin.workers.providers.reading import judged, no_answer, refused_here
from tocsin.workers.providers.tokens import Bearer, FetchedTokens, TokenSource
from tocsin.workers.providers.transport import Transport

CHANNEL_DOMAIN = ".notify.windows.com"

MAX_CONNECTIONS = 16
"""For each of Microsoft's hosts; where one speaks HTTP/1.1, a connection carries one push at a time."""


class Wns:
    """One app's way to its Windows devices."""

    name = "wns"

    def __init__(self, credential: WnsCredential, transport: Transport) -> None:
        self._allowed = frozenset(host.lower() for host in credential.allowed_hosts)
        self._pools = Pools(lambda lane: _pool(credential, lane))
        fields = {
            "client_id": credential.client_id,
            "client_secret": credential.client_secret,
            "scope": credential.scope,
        }
        token_pool = _pool(credential, "token")
        self.tokens: TokenSource = FetchedTokens(
            f"wns {credential.client_id}",
            lambda: client_credentials(transport, token_pool, credential.token_url, fields),
        )

    def request(self, push: Push, bearer: Bearer, now: float) -> HttpRequest | Answer:
        """The request to the channel, if the channel is Microsoft's: its address came from the device."""
        if not self.may_call(push.token):
            reason = "the channel URI is not one of Microsoft's, and nothing was sent to it"
            return refused_here(push, "channel-not-allowed", reason)
        notification = wns_notification(push.message, push.push_id, seconds_left(push, now))
        lines = [f"{name}: {value}" for name, value in notification.headers.items()]
        return HttpRequest(
            url=push.token,
            headers=[*lines, f"authorization: Bearer {bearer.value}"],
            body=notification.body.encode(),
            pool=self._pools.of(push.lane),
        )

    def answer(self, push: Push, result: HttpResult) -> Answer | TokenRefused:
        """By the status, and on 200 by X-WNS-Status: WNS says 200 to notifications it drops."""
        if result.failure is not None:
            return no_answer(push, result)
        shown = (result.header("x-wns-status") or "") if result.status == 200 else ""
        answer = judged(
            push,
            result,
            table.rule(self.name, result.status, shown),
            code=shown or str(result.status),
            reason=result.header("x-wns-error-description") or shown,
            message_id=result.header("x-wns-msg-id"),
        )
        return TokenRefused(answer) if result.status == 401 else answer

    def may_call(self, channel: str) -> bool:
        """Whether a channel URI may be called: https, on Microsoft's push domain or a host the credential allows."""
        try:
            parts = urlsplit(channel)
            host, port = (parts.hostname or "").lower(), parts.port
        except ValueError:
            return False
        # What Python and libcurl might read differently must not get this far.
        if parts.scheme != "https" or parts.username is not None or not channel.isascii() or not channel.isprintable():
            return False
        if any(character in channel for character in "\\ {}[]<>\"'"):
            return False
        if host in self._allowed or f"{host}:{port}" in self._allowed:
            return True
        return host.endswith(CHANNEL_DOMAIN) and port in (None, 443)


def _pool(credential: WnsCredential, lane: str) -> Pool:
    return Pool(
        owner=f"wns {credential.client_id} {lane}".rstrip(),
        ca_path=credential.ca_path,
        max_connections=MAX_CONNECTIONS,
    )
