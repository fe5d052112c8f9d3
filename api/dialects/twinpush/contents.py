"""What a notification says: as it is asked for, as the devices get it, and as it is shown again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from tocsin.api.dialects.twinpush.errors import invalid
from tocsin.api.dialects.twinpush.schemas import flag, signed, text
from tocsin.domain.message import Message
from tocsin.domain.rules import json_object

LONGEST_ALERT = 500
LONGEST_PROPERTIES = 255
"""Characters of the custom properties as JSON."""

BADGE = "+1"
"""What a notification does to the number on the icon that does not say it."""

RICH = "tp_rich"
"""The tag of a notification with a page of its own, which its ``url`` names."""

PER_DEVICE = {"tp_id": "send.number", "tp_device_id": "device.number"}
"""What the SDKs report receipts by: numbers, as they read them as such."""


@dataclass(frozen=True, slots=True)
class Content:
    """``custom``: the app's own keys, whose values are text. ``badge``: a number, or a change to one such as ``+1``."""

    alert: str
    title: str | None = None
    subtitle: str | None = None
    url: str | None = None
    custom: Mapping[str, str] | None = None
    badge: str = BADGE
    sound: str | None = None
    category: str | None = None
    mutable: bool = False
    tags: tuple[str, ...] = ()


def content(body: Mapping[str, Any], tags: tuple[str, ...]) -> Content:
    """What a new notification says. Raises Refusal."""
    return Content(
        alert=_alert(body),
        title=text(body, "title"),
        subtitle=text(body, "subtitle"),
        url=text(body, "url"),
        custom=_custom(body.get("custom_properties")),
        badge=_badge(body.get("badge")) or BADGE,
        sound=text(body, "sound"),
        category=text(body, "category"),
        mutable=flag(body.get("mutable_content"), "mutable_content", False),
        tags=tags,
    )


def changed(common: Content, body: Mapping[str, Any]) -> Content:
    """What one recipient is told: custom properties are merged, everything else is replaced. Raises Refusal."""
    custom = {**(common.custom or {}), **_custom(body.get("custom_properties"))}
    _check_length(custom)
    return replace(
        common,
        alert=_alert(body) if body.get("alert") is not None else common.alert,
        title=text(body, "title") or common.title,
        url=text(body, "url") or common.url,
        badge=_badge(body.get("badge")) or common.badge,
        custom=custom,
    )


def message(told: Content) -> Message:
    """The push of a content, in the form that TwinPush's SDKs read.

    Android's reads a map of strings and shows it itself; Apple's reads numbers and the app's keys beside ``aps``.
    """
    custom = dict(told.custom or {})
    change = told.badge[0] in "+-"
    apns: dict[str, Any] = {"url": custom.get("url"), "tp_rich_url": told.url}
    if told.title is None and told.subtitle is None:
        apns["aps"] = {"alert": told.alert}
    return Message(
        title=told.title,
        subtitle=told.subtitle,
        body=told.alert,
        data=custom,
        badge=None if change else int(told.badge),
        badge_change=int(told.badge) if change else None,
        sound=told.sound,
        category=told.category,
        url=told.url,
        mutable=told.mutable,
        per_device=PER_DEVICE,
        apns=apns,
        fcm={"notification": None, "android": {"notification": None}, "data": _android(told, custom)},
    )


def _android(told: Content, custom: Mapping[str, str]) -> dict[str, Any]:
    """Text alone; what is null is not sent, as the app's keys travel together under ``custom``."""
    return {
        **{name: None for name in (*custom, "url", "subtitle") if name not in PER_DEVICE},
        "title": told.title,
        "message": told.alert,
        "tp_rich_url": told.url,
        "custom": _json(custom),
        "tags": _json(told.tags),
    }


def personal_changes(common: Content, own: Content) -> dict[str, Any]:
    """What the message of one recipient replaces in everybody's, as the engine takes it."""
    shared, mine = msgspec.to_builtins(message(common)), msgspec.to_builtins(message(own))
    return {name: value for name, value in mine.items() if shared.get(name) != value}


def shown(sent: Message) -> dict[str, Any]:
    """The members of a notification that its message makes, whichever API it was raised through."""
    badge = sent.badge_change if sent.badge_change is not None else sent.badge
    return {
        "sound": sent.sound,
        "alert": sent.body,
        "title": sent.title,
        "badge": f"{badge:+d}" if sent.badge_change is not None else None if badge is None else str(badge),
        "custom_properties": {name: as_text(value) for name, value in sent.data.items()},
        "tp_rich_url": sent.url,
        "subtitle": sent.subtitle,
        "category": sent.category,
        "mutable_content": sent.mutable,
    }


def as_text(value: object) -> str:
    """A custom property's value, as the SDKs read it."""
    return value if isinstance(value, str) else "" if value is None else _json(value)


def _alert(body: Mapping[str, Any]) -> str:
    alert = text(body, "alert")
    if alert is None or not alert.strip():
        raise invalid("alert is missing")
    if len(alert) > LONGEST_ALERT:
        raise invalid(f"alert has {len(alert)} characters, at most {LONGEST_ALERT} are allowed")
    return alert


def _custom(value: object) -> dict[str, str]:
    if value in (None, "", []):
        return {}
    json_object(value, "custom_properties", LONGEST_PROPERTIES * 4)
    assert isinstance(value, dict)
    custom = {name: as_text(one) for name, one in value.items()}
    _check_length(custom)
    return custom


def _check_length(custom: Mapping[str, str]) -> None:
    if len(_json(custom)) > LONGEST_PROPERTIES:
        raise invalid(f"custom_properties take more than {LONGEST_PROPERTIES} characters as JSON")


def _badge(value: object) -> str | None:
    if value is None or value == "":
        return None
    number, change = signed(value, "badge")
    return f"{number:+d}" if change else str(number)


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
