"""WNS: "Push notification service request and response headers" and "Toast schema" (Microsoft)."""

from __future__ import annotations

import hashlib
import re
from typing import Any
from uuid import UUID
from xml.sax.saxutils import escape, quoteattr

import msgspec

from tocsin.domain.errors import Invalid
from tocsin.domain.message import Message
from tocsin.domain.payloads.parts import ANY_ID, HEADER_TEXT, PUSH_ID, present

LIMIT = 5000
"""Bytes of a notification's body."""

TYPES = ("wns/toast", "wns/badge", "wns/tile", "wns/raw")

_OWN_TAG = re.compile(r"[A-Za-z0-9]{1,16}")
_HEADER = re.compile(r"X-WNS-[A-Za-z-]{1,40}", re.IGNORECASE)
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class WnsNotification(msgspec.Struct, frozen=True):
    """A WNS request but its authorization: ``type`` is the X-WNS-Type."""

    type: str
    body: str
    headers: dict[str, str]


def wns_notification(message: Message, push_id: UUID, ttl: float | None) -> WnsNotification:
    """The notification for one channel. ``ttl``: seconds left for Microsoft to keep it, None for its default."""
    override = message.wns or {}
    kind = override.get("type") or _type(message)
    body = override["body"] if "body" in override else _BODIES[kind](message, push_id)
    headers = {
        "X-WNS-Type": kind,
        "Content-Type": "application/octet-stream" if kind == "wns/raw" else "text/xml",
        "X-WNS-RequestForStatus": "true",
    }
    if kind == "wns/toast":
        headers["X-WNS-Tag"] = wns_tag(message, push_id)
    if ttl is not None:
        headers["X-WNS-TTL"] = str(max(int(ttl), 0))
    return WnsNotification(kind, body, _with_headers(headers, override.get("headers", {})))


def wns_tag(message: Message, push_id: UUID) -> str:
    """The tag by which a toast replaces another: at most 16 letters and digits, so a hash of what it stands for."""
    own = message.collapse_id
    if own is not None and _OWN_TAG.fullmatch(own):
        return own
    return hashlib.sha256((own or str(push_id)).encode()).hexdigest()[:16]


def _with_headers(headers: dict[str, str], override: dict[str, str]) -> dict[str, str]:
    """Header names are the same in any case (RFC 9110, 5.1), and WNS must not see one twice."""
    named = {name.lower() for name in override}
    return {**{name: value for name, value in headers.items() if name.lower() not in named}, **override}


def _type(message: Message) -> str:
    if message.silent:
        return "wns/raw"
    shown = (message.title, message.subtitle, message.body, message.image)
    return "wns/badge" if message.badge is not None and shown == (None,) * 4 else "wns/toast"


def _toast(message: Message, push_id: UUID) -> str:
    texts = [text for text in (message.title, message.subtitle, message.body) if text is not None]
    lines = "".join(f"<text>{escape(_xml(text))}</text>" for text in texts)
    image = f'<image placement="hero" src={_attribute(message.image)}/>' if message.image is not None else ""
    sound = f"<audio src={_attribute(message.sound)}/>" if message.sound is not None else ""
    binding = f'<binding template="ToastGeneric">{lines}{image}</binding>'
    return f"<toast {_launch(message, push_id)}><visual>{binding}</visual>{sound}</toast>"


def _launch(message: Message, push_id: UUID) -> str:
    """What the app is started with: a link where there is nothing else to say, else the data as JSON."""
    if message.url is not None and not message.data:
        return f'activationType="protocol" launch={_attribute(message.url)}'
    return f"launch={_attribute(_data(message, push_id))}"


def _badge(message: Message, _push_id: UUID) -> str:
    return f'<badge value="{message.badge or 0}"/>'


def _data(message: Message, push_id: UUID) -> str:
    data = {**present(url=message.url), **message.data, PUSH_ID: str(push_id)}
    return msgspec.json.encode(data).decode()


def _xml(text: str) -> str:
    """XML 1.0 cannot hold every character, not even escaped (2.2)."""
    return _NOT_XML.sub("\ufffd", text)


def _attribute(text: str) -> str:
    return quoteattr(_xml(text))


_BODIES = {"wns/toast": _toast, "wns/badge": _badge, "wns/raw": _data}


def size(message: Message) -> int:
    """Bytes of the notification's body."""
    return len(wns_notification(message, ANY_ID, None).body.encode())


def check(message: Message) -> None:
    """Errors: Invalid with the ``field`` that Microsoft would not take."""
    override = message.wns or {}
    if unknown := set(override) - {"type", "body", "headers"}:
        raise Invalid("wns holds type, body and headers, nothing else", field=f"wns.{min(unknown)}")
    if override.get("type", "wns/toast") not in TYPES:
        raise Invalid(f"wns.type must be one of {', '.join(TYPES)}", field="wns.type")
    if override.get("type") == "wns/tile" and "body" not in override:
        raise Invalid("a tile has no rendering of its own: give wns.body", field="wns.body")
    if not isinstance(override.get("body", ""), str):
        raise Invalid("wns.body must be a string", field="wns.body")
    _check_headers(override.get("headers", {}))


def _check_headers(headers: Any) -> None:
    if not isinstance(headers, dict):
        raise Invalid("wns.headers must be an object", field="wns.headers")
    for name, value in headers.items():
        if not _HEADER.fullmatch(name) or name.lower() == "x-wns-type":
            raise Invalid("wns.headers takes X-WNS- headers; the type is wns.type", field=f"wns.headers.{name}")
        if not isinstance(value, str) or not HEADER_TEXT.fullmatch(value):
            raise Invalid("a header's value is 1 to 256 printable ASCII characters", field=f"wns.headers.{name}")
