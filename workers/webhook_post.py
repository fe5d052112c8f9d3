"""One call to a webhook: signed, to no address that is not public unless the instance allows it, with no redirects."""

from __future__ import annotations

import base64
import binascii
import hmac
import socket
import time
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Any
from urllib.parse import urlsplit

import certifi
import pycurl

from tocsin.commands.webhooks import SECRET_PREFIX

CONNECT_WITHIN = 5
ANSWER_WITHIN = 15
"""Seconds."""

LARGEST_ANSWER = 64 * 1024
"""Bytes of an answer's body that are waited for; what it says is of no interest."""


@dataclass(frozen=True, slots=True)
class Policy:
    """``networks``: private ones whose addresses may be called, also by http. ``ca_path``: authorities to trust instead
    of the public ones."""

    networks: tuple[IPv4Network | IPv6Network, ...] = ()
    ca_path: str | None = None

    def allows(self, address: str, scheme: str) -> bool:
        """Whether a server at this IP address may be called."""
        try:
            found = _plain(ip_address(address.partition("%")[0]))
        except ValueError:
            return False
        if any(found in network for network in self.networks):
            return scheme in ("http", "https")
        return scheme == "https" and found.is_global and not found.is_multicast


def _plain(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """The IPv4 address that an IPv6 address stands for, where it does: what is private stays so in any dress."""
    if isinstance(address, IPv6Address):
        return address.ipv4_mapped or address.sixtofour or address
    return address


@dataclass(frozen=True, slots=True)
class Answer:
    """``status``: of HTTP, None where there was no answer, for the reason ``error``."""

    status: int | None
    error: str | None
    milliseconds: int

    @property
    def is_taken(self) -> bool:
        """Whether the receiver has it."""
        return self.status is not None and 200 <= self.status < 300


def signature(secret: bytes, message_id: str, timestamp: int, body: bytes) -> str:
    """The ``webhook-signature`` (Standard Webhooks, "Signature scheme": HMAC-SHA256 in base 64, version v1)."""
    written = secret.decode()
    try:
        key = base64.b64decode(written.removeprefix(SECRET_PREFIX), validate=True)
    except binascii.Error:
        key = secret
    mac = hmac.digest(key, f"{message_id}.{timestamp}.".encode() + body, "sha256")
    return f"v1,{base64.b64encode(mac).decode()}"


def headers(message_id: str, body: bytes, secret: bytes | None) -> list[str]:
    """The headers of a call; ``message_id`` is the same for every try of it."""
    timestamp = int(time.time())
    lines = ["content-type: application/json", f"webhook-id: {message_id}", f"webhook-timestamp: {timestamp}"]
    if secret is not None:
        lines.append(f"webhook-signature: {signature(secret, message_id, timestamp, body)}")
    return lines


def post(url: str, lines: list[str], body: bytes, policy: Policy) -> Answer:
    """Call once. The address is judged as it is connected to, so that no name can mean another one by then."""
    scheme = urlsplit(url).scheme.lower()
    refused: list[str] = []
    handle = pycurl.Curl()
    try:
        _prepare(handle, url, lines, body, policy)
        handle.setopt(pycurl.OPENSOCKETFUNCTION, lambda _, address: _socket(address, scheme, policy, refused))
        began = time.monotonic()
        try:
            handle.perform()
        except pycurl.error as fault:
            if refused:
                return Answer(None, f"{refused[0]} may not be called", _since(began))
            status = handle.getinfo(pycurl.RESPONSE_CODE)
            return Answer(status or None, f"curl {fault.args[0]}: {fault.args[1]}"[:500], _since(began))
        return Answer(handle.getinfo(pycurl.RESPONSE_CODE), None, _since(began))
    finally:
        handle.close()


def _since(began: float) -> int:
    return round((time.monotonic() - began) * 1000)


def _prepare(handle: pycurl.Curl, url: str, lines: list[str], body: bytes, policy: Policy) -> None:
    received = 0

    def discard(part: bytes) -> int | None:
        nonlocal received
        received += len(part)
        return -1 if received > LARGEST_ANSWER else None

    for option, value in (
        (pycurl.URL, url.encode()),
        (pycurl.POST, 1),
        (pycurl.POSTFIELDS, body),
        (pycurl.HTTPHEADER, [*lines, "expect:"]),
        (pycurl.USERAGENT, "Tocsin"),
        (pycurl.PROTOCOLS, pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS),
        (pycurl.FOLLOWLOCATION, 0),
        (pycurl.PROXY, ""),
        (pycurl.CAINFO, policy.ca_path or certifi.where()),
        (pycurl.CONNECTTIMEOUT, CONNECT_WITHIN),
        (pycurl.TIMEOUT, ANSWER_WITHIN),
        (pycurl.NOSIGNAL, 1),
        (pycurl.WRITEFUNCTION, discard),
    ):
        handle.setopt(option, value)


def _socket(address: Any, scheme: str, policy: Policy, refused: list[str]) -> Any:
    family, kind, protocol, where = address
    host = where[0].decode() if isinstance(where[0], bytes) else where[0]
    if not policy.allows(host, scheme):
        refused.append(f"{scheme}://{host}")
        return pycurl.SOCKET_BAD
    return socket.socket(family, kind, protocol)
