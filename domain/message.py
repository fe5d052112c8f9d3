"""What a device shows: one provider-neutral message, and the few things only one provider understands."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

import msgspec

from tocsin.domain.described import described
from tocsin.domain.errors import Invalid
from tocsin.domain.rules import between, json_object, one_of, optional_text, web_address

MAX_TTL = 2_419_200
"""Seconds, four weeks: the longest any of the providers keeps a message (FCM, "Message lifespan")."""

MAX_DATA = 4096
MAX_PROVIDER_PART = 5120
"""Bytes of JSON. What is rendered is measured again, against the provider's own limit."""

RESERVED_KEYS = frozenset({"aps", "from", "message_type"})
RESERVED_PREFIXES = ("gcm.", "google.", "tocsin_")
"""Keys of ``data`` that a provider takes for itself (FCM, ``Message.data``; APNs, the ``aps`` dictionary), and ours."""


OF_DEVICES = ("device.id", "device.number", "device.handle", "send.id", "send.number", "send.handle", "push.id")
"""What a key of ``per_device`` can stand for. A number is the position of the creating event, a handle the id in short
form (``eventlog.handles``), and ``push.id`` what the transfer of this send to this device is known by."""


class Priority(StrEnum):
    """How hard a provider tries: ``high`` wakes the device, ``normal`` may wait for it to wake by itself."""

    HIGH = "high"
    NORMAL = "normal"


@described
class Message(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A push message before any provider's rendering.

    ``title``, ``subtitle``, ``body``: text a person reads. ``data``: the app's own keys, JSON values. ``badge``: the
    number on the icon. ``sound``, ``category``, ``thread_id``: names the app knows. ``url``: opened on tap.
    ``image``: an https URL. ``collapse_id``: messages of one collapse id replace each other on the device; by
    default every (send, device) has its own, so a repeated transfer is shown once. ``silent``: nothing is shown, the
    app is woken. ``mutable``: the app may rewrite the message before it is shown. ``ttl``: seconds the provider may
    keep trying. ``apns_push_type``: Apple's name for what this is, where it is neither an alert nor silent (``voip``,
    ``liveactivity``, …). ``apns``, ``fcm``, ``wns``: merged last, key by key, into what is rendered for that provider
    (the APNs payload, the FCM v1 ``message`` object, and for WNS ``{"type", "body", "headers"}``). ``badge_change``:
    instead of ``badge``, what is added to the number each device shows, which does not fall below 0. ``per_device``:
    further keys of ``data`` whose values are each device's own, by what they stand for (``OF_DEVICES``).
    """

    title: str | None = None
    subtitle: str | None = None
    body: str | None = None
    data: dict[str, Any] = {}
    badge: int | None = None
    badge_change: int | None = None
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
    per_device: dict[str, str] = {}

    @property
    def differs(self) -> bool:
        """Whether each device gets its own."""
        return self.badge_change is not None or bool(self.per_device)


def made_out(message: Message, badge: int | None, values: Mapping[str, int | str]) -> Message:
    """``message`` for one device. ``badge``: what it is to show, where the message changes it. ``values``: what each
    of ``OF_DEVICES`` is for it."""
    data = {**message.data, **{key: values[place] for key, place in message.per_device.items()}}
    shown = message.badge if message.badge_change is None else badge
    return msgspec.structs.replace(message, data=data, badge=shown, badge_change=None, per_device={})


def check_message(message: Message, field: str = "message") -> None:
    """Refuses what no provider could show or carry. Errors: Invalid with ``field``, such as ``message.ttl``."""
    for name, longest in _LONGEST.items():
        optional_text(getattr(message, name), f"{field}.{name}", longest)
    if message.badge is not None:
        between(message.badge, f"{field}.badge", 0, 2**31 - 1)
    if message.badge_change is not None:
        between(message.badge_change, f"{field}.badge_change", -(2**31) + 1, 2**31 - 1)
        if message.badge is not None:
            raise Invalid(f"{field} sets the badge or changes it, not both", field=f"{field}.badge_change")
    if message.ttl is not None:
        between(message.ttl, f"{field}.ttl", 0, MAX_TTL)
    if message.image is not None:
        web_address(message.image, f"{field}.image")
    _check_data(message.data, f"{field}.data")
    _check_data(message.per_device, f"{field}.per_device")
    for place in message.per_device.values():
        one_of(place, f"{field}.per_device", OF_DEVICES)
    for name in ("apns", "fcm", "wns"):
        if (part := getattr(message, name)) is not None:
            json_object(part, f"{field}.{name}", MAX_PROVIDER_PART)
    _check_content(message, field)


def personalised(message: Message, changes: dict[str, Any], field: str = "personal") -> Message:
    """``message`` with one recipient's ``changes``: ``data`` and ``per_device`` are merged key by key, everything
    else is replaced; a badge takes the place of a change to it, and the other way round.

    Errors: Invalid where ``changes`` holds an unknown member or a value of the wrong type.
    """
    whole = msgspec.structs.asdict(message) | changes
    for name in ("data", "per_device"):
        if isinstance(changes.get(name), dict):
            whole[name] = getattr(message, name) | changes[name]
    for name, other in (("badge", "badge_change"), ("badge_change", "badge")):
        if changes.get(name) is not None and other not in changes:
            whole[other] = None
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
    badge = message.badge is not None or message.badge_change is not None
    if message.silent and text:
        raise Invalid(f"{field} is silent and has text: a silent message shows nothing", field=f"{field}.silent")
    if message.silent and not (message.data or message.per_device or own):
        raise Invalid(f"{field} is silent and has no data: it would tell the app nothing", field=f"{field}.data")
    if not (message.silent or text or own or message.sound or badge):
        raise Invalid(f"{field} shows nothing: give it a title or a body, or make it silent with data", field=field)
