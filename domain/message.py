"""What a device shows: one provider-neutral message, and the few things only one provider understands."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import msgspec


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
    keep trying. ``apns``, ``fcm``, ``wns``: merged last, key by key, into what is rendered for that provider (the
    APNs payload, the FCM v1 ``message`` object, and for WNS ``{"type", "body", "headers"}``).
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
    fcm: dict[str, Any] | None = None
    wns: dict[str, Any] | None = None
