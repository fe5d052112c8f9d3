"""What a device shows: one provider-neutral message, and the few things only one provider understands."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import msgspec

from tocsin.domain.errors import Invalid
from tocsin.domain.rules import between, json_object, optional_text, web_address

MAX_TTL = 2_419_200
"""Seconds, four weeks: the longest any of the providers keeps a message (FCM, "Message lifespan")."""

MAX_DATA = 4096
MAX_PROVIDER_PART = 5120
"""Bytes of JSON. What is rendered is measured again, against the provider's own limit."""

RESERVED_KEYS = frozenset({"aps", "from", "message_type"})
RESERVED_PREFIXES = ("gcm.", "google.", "tocsin_")
"""Keys of ``data`` that a provider takes for itself (FCM, ``Message.data``; APNs, the ``aps`` dictionary), and ours."""


class Priority(StrEnum):
    """How hard a provider tries: ``high`` wakes the device, ``normal`` may wait for it to wake by itself."""

    HIGH = "high"
    NORMAL = "normal"


class Message(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A push message before any provider's rendering.

    ``title``, ``subtitle``, ``body``: text a person reads. ``data``: the app's own keys, JSON values. ``badge``: the
    number on the icon. ``sound``, ``category``, ``thread_id``: names the app knows. ``url``: opened on tap.
    ``image``: an https URL. ``collapse_id``: messages of one collapse id replace each other on the device; by
    default every (send, device) has its own, so a repeated transfer is shown once. ``silent``: nothing is shown, the
    app is woken. ``mutable``: the app may rewrite the message before it is shown. ``ttl``: seconds the provider may
    keep trying. ``apns_push_type``: Apple's name for what this is, where it is neither an alert nor silent (``voip``,
    ``liveactivity``, …). ``apns``, ``fcm``, ``wns``: merged last, key by key, into what is rendered for that provider
    (the APNs payload, the FCM v1 ``message`` object, and for WNS ``{"type", "body", "headers"}``).
    """

    title: str | None = None
    subtitle: str | None = None
    body: str | None = None
    data: dict[str, Any] = {}
    badge: int | None = None
    sound: str | None = None
    category: str | None = None
    thread_id: str | None = None
    url: str | None = None
    image: str | None = None
    collapse_id: str | None = None
    silent: bool = False
    mutable: bool = False
    priority: Priority = Priority.HIGH
    ttl: int | None = None
    apns: dict[str, Any] | None = None
    apns_push_type: str | None = None
    fcm: dict[str, Any] | None = None
    wns: dict[str, Any] | None = None


def check_message(message: Message, field: str = "message") -> None:
    """Refuses what no provider could show or carry. Errors: Invalid with ``field``, such as ``message.ttl``."""
    for name, longest in _LONGEST.items():
        optional_text(getattr(message, name), f"{field}.{name}", longest)
    if message.badge is not None:
        between(message.badge, f"{field}.badge", 0, 2**31 - 1)
    if message.ttl is not None:
        between(message.ttl, f"{field}.ttl", 0, MAX_TTL)
    if message.image is not None:
        web_address(message.image, f"{field}.image")
    _check_data(message.data, f"{field}.data")
    for name in ("apns", "fcm", "wns"):
        if (part := getattr(message, name)) is not None:
            json_object(part, f"{field}.{name}", MAX_PROVIDER_PART)
    _check_content(message, field)


def personalised(message: Message, changes: dict[str, Any], field: str = "personal") -> Message:
    """``message`` with one recipient's ``changes``: ``data`` is merged key by key, everything else replaced.

    Errors: Invalid where ``changes`` holds an unknown member or a value of the wrong type.
    """
    whole = msgspec.structs.asdict(message) | changes
    if isinstance(changes.get("data"), dict):
        whole["data"] = message.data | changes["data"]
    try:
        return msgspec.convert(whole, Message)
    except msgspec.ValidationError as fault:
        raise Invalid(f"{field} does not fit a message: {fault}", field=field) from fault


_LONGEST = {
    "title": 4096,
    "subtitle": 4096,
    "body": 4096,
    "sound": 255,
    "category": 255,
    "thread_id": 255,
    "collapse_id": 255,
    "apns_push_type": 64,
    "url": 2048,
}


def _check_data(data: dict[str, Any], field: str) -> None:
    json_object(data, field, MAX_DATA)
    for key in data:
        if not key.strip() or key in RESERVED_KEYS or key.startswith(RESERVED_PREFIXES):
            raise Invalid(f"{field} may not use the key {key!r}: it is reserved", field=field, key=key)


def _check_content(message: Message, field: str) -> None:
    text = message.title or message.subtitle or message.body
    own = message.apns or message.fcm or message.wns
    if message.silent and text:
        raise Invalid(f"{field} is silent and has text: a silent message shows nothing", field=f"{field}.silent")
    if message.silent and not (message.data or own):
        raise Invalid(f"{field} is silent and has no data: it would tell the app nothing", field=f"{field}.data")
    if not (message.silent or text or own or message.sound or message.badge is not None):
        raise Invalid(f"{field} shows nothing: give it a title or a body, or make it silent with data", field=field)
