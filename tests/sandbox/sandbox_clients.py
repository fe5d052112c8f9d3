"""Real clients of the sandbox: libcurl over HTTP/2, and the credentials it takes."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any
from urllib.parse import urlencode

import jwt
import pycurl
from patience import PATIENCE

from tocsin.sandbox.server import SandboxHandle

TOKEN = "a" * 64
ALERT = {"aps": {"alert": {"title": "Fire", "body": "Leave the building"}}}
TOAST = '<toast><visual><binding template="ToastText02"><text>Fire</text></binding></visual></toast>'


@dataclass
class Response:
    """What a client got. ``error`` is libcurl's, ``connections`` how many it opened for this request."""

    status: int
    http_version: int
    headers: dict[str, str]
    body: bytes
    error: int = 0
    connections: int = 0

    def json(self) -> Any:
        return json.loads(self.body)

    def reason(self) -> str:
        return str(self.json()["reason"])


@dataclass
class Exchange:
    """One request to send with libcurl, and where its answer goes."""

    url: str
    method: str = "POST"
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | str = b""
    certificate: tuple[str, str] | None = None
    http1: bool = False
    timeout_ms: int = int(PATIENCE * 1000)

    def prepare(self, handle: SandboxHandle, curl: pycurl.Curl) -> None:
        self.content = BytesIO()
        self.raw_headers: list[bytes] = []
        curl.setopt(pycurl.URL, self.url)
        curl.setopt(pycurl.CUSTOMREQUEST, self.method)
        curl.setopt(pycurl.CAINFO, str(handle.ca_path))
        curl.setopt(pycurl.TIMEOUT_MS, self.timeout_ms)
        version = pycurl.CURL_HTTP_VERSION_1_1 if self.http1 else pycurl.CURL_HTTP_VERSION_2_0
        curl.setopt(pycurl.HTTP_VERSION, version)
        curl.setopt(pycurl.PIPEWAIT, 1)
        curl.setopt(
            pycurl.HTTPHEADER, [*(f"{name}: {value}".encode() for name, value in self.headers.items()), b"Expect:"]
        )
        if self.method != "GET":
            curl.setopt(pycurl.POSTFIELDS, self.body)
        if self.certificate:
            curl.setopt(pycurl.SSLCERT, self.certificate[0])
            curl.setopt(pycurl.KEYPASSWD, self.certificate[1])
            curl.setopt(pycurl.SSLCERTTYPE, "P12")
        curl.setopt(pycurl.WRITEFUNCTION, self.content.write)
        curl.setopt(pycurl.HEADERFUNCTION, self.raw_headers.append)

    def response(self, curl: pycurl.Curl, error: int = 0) -> Response:
        lines = [line.decode("latin-1").strip() for line in self.raw_headers]
        headers = {
            name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if ":" in line)
        }
        status, version = curl.getinfo(pycurl.RESPONSE_CODE), curl.getinfo(pycurl.INFO_HTTP_VERSION)
        connections = curl.getinfo(pycurl.NUM_CONNECTS)
        return Response(status, version, headers, self.content.getvalue(), error, connections)


def send(handle: SandboxHandle, exchange: Exchange) -> Response:
    """One request on a connection of its own."""
    curl = pycurl.Curl()
    exchange.prepare(handle, curl)
    try:
        curl.perform()
    except pycurl.error as failure:
        return exchange.response(curl, failure.args[0])
    else:
        return exchange.response(curl)
    finally:
        curl.close()


def send_together(handle: SandboxHandle, exchanges: list[Exchange]) -> list[Response]:
    """All requests at once, multiplexed on one connection; the answers in the order of the requests."""
    multi = pycurl.CurlMulti()
    multi.setopt(pycurl.M_PIPELINING, pycurl.PIPE_MULTIPLEX)
    multi.setopt(pycurl.M_MAX_HOST_CONNECTIONS, 1)
    multi.setopt(pycurl.M_MAX_CONCURRENT_STREAMS, 1000)
    curls = [pycurl.Curl() for _ in exchanges]
    for curl, exchange in zip(curls, exchanges, strict=True):
        exchange.prepare(handle, curl)
        multi.add_handle(curl)
    errors = _perform(multi)
    responses = [exchange.response(curl, errors.get(curl, 0)) for curl, exchange in zip(curls, exchanges, strict=True)]
    for curl in curls:
        multi.remove_handle(curl)
    multi.close()
    return responses


def _perform(multi: pycurl.CurlMulti) -> dict[pycurl.Curl, int]:
    errors: dict[pycurl.Curl, int] = {}
    running = 1
    while running:
        running = multi.perform()[1]
        multi.select(0.2)
        for curl, number, _ in multi.info_read()[2]:
            errors[curl] = number
    return errors


def provider_token(handle: SandboxHandle, *, age: float = 0, **changes: Any) -> str:
    """A provider token of this age in seconds; ``changes`` replace claims, ``kid`` and ``key``."""
    apns = handle.providers["apns"]
    key, kid = changes.pop("key", apns["key"]), changes.pop("kid", apns["key_id"])
    claims = {"iss": apns["team_id"], "iat": int(time.time() - age)} | changes
    return jwt.encode(claims, key, "ES256", headers={"kid": kid})


def apns(handle: SandboxHandle, token: str = TOKEN, **changes: Any) -> Exchange:
    """A good APNs push; ``headers`` changes single headers, and None leaves one out."""
    headers = {
        "authorization": f"bearer {provider_token(handle)}",
        "apns-topic": handle.providers["apns"]["topic"],
        "apns-push-type": "alert",
    }
    body = changes.pop("body", json.dumps(ALERT))
    merged = _merge(headers, changes.pop("headers", {}))
    url = f"{changes.pop('base', handle.push_url)}/3/device/{token}"
    return Exchange(changes.pop("url", url), headers=merged, body=body, **changes)


def fcm_access_token(handle: SandboxHandle) -> str:
    answer = send(handle, fcm_assertion(handle))
    assert answer.status == 200, answer.body
    return str(answer.json()["access_token"])


def fcm_assertion(handle: SandboxHandle, **changes: Any) -> Exchange:
    """The request for an FCM access token; ``changes`` replace claims, and ``key`` signs."""
    fcm = handle.providers["fcm"]
    now = int(time.time())
    key = changes.pop("key", fcm["service_account"]["private_key"])
    claims = {
        "iss": fcm["service_account"]["client_email"],
        "aud": fcm["token_url"],
        "scope": "https://www.googleapis.com/auth/firebase.messaging",
        "iat": now,
        "exp": now + 3600,
    }
    assertion = jwt.encode(claims | changes, key, "RS256")
    return form(fcm["token_url"], grant_type="urn:ietf:params:oauth:grant-type:jwt-bearer", assertion=assertion)


def fcm(handle: SandboxHandle, access_token: str, message: Any, **changes: Any) -> Exchange:
    headers = {"authorization": f"Bearer {access_token}", "content-type": "application/json"}
    url = f"{handle.push_url}/v1/projects/{changes.pop('project', 'demo')}/messages:send"
    body = changes.pop("body", None) or json.dumps({"message": message, **changes.pop("request", {})})
    return Exchange(url, headers=_merge(headers, changes.pop("headers", {})), body=body, **changes)


def wns_access_token(handle: SandboxHandle) -> str:
    answer = send(handle, wns_credentials(handle))
    assert answer.status == 200, answer.body
    return str(answer.json()["access_token"])


def wns_credentials(handle: SandboxHandle, **changes: str) -> Exchange:
    wns = handle.providers["wns"]
    fields = {
        "grant_type": "client_credentials",
        "client_id": wns["client_id"],
        "client_secret": wns["client_secret"],
        "scope": "notify.windows.com",
    }
    return form(wns["token_url"], **(fields | changes))


def wns(handle: SandboxHandle, access_token: str, token: str = "window", **changes: Any) -> Exchange:
    headers = {"authorization": f"Bearer {access_token}", "content-type": "text/xml", "x-wns-type": "wns/toast"}
    merged = _merge(headers, changes.pop("headers", {}))
    return Exchange(
        handle.providers["wns"]["channel_url"] + token, headers=merged, body=changes.pop("body", TOAST), **changes
    )


def form(url: str, **fields: str) -> Exchange:
    return Exchange(url, headers={"content-type": "application/x-www-form-urlencoded"}, body=urlencode(fields))


def _merge(headers: dict[str, str], changes: dict[str, str | None]) -> dict[str, str]:
    return {name: value for name, value in (headers | changes).items() if value is not None}
