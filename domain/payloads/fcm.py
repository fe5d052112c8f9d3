"""FCM: "projects.messages" of the FCM HTTP v1 REST reference (Google)."""

from __future__ import annotations

import re
from typing import Any
from uuid import UUID

import msgspec

from tocsin.domain.errors import Invalid
from tocsin.domain.message import Message
from tocsin.domain.payloads.parts import ANY_ID, PUSH_ID, merged, present

LIMIT = 4096
"""Bytes of keys and values together (ErrorCode INVALID_ARGUMENT)."""

LONGEST_TTL = 2_419_200
"""Seconds: four weeks."""

TARGETS = ("token", "fid", "topic", "condition", "name")

_RESERVED = re.compile(r"from|message_type|google.*|gcm.*", re.DOTALL)
_INSTALLATION_ID = re.compile(r"[cdef][A-Za-z0-9_-]{21}")


def fcm_body(message: Message) -> dict[str, Any]:
    """The FCM v1 ``message`` without its target, time to live and push id."""
    body: dict[str, Any] = {
        "data": {**_extras(message), **message.data},
        "android": {"priority": message.priority.value.upper(), **present(collapse_key=message.collapse_id)},
    }
    notification = present(title=message.title, body=message.body, image=message.image)
    if notification and not message.silent:
        body["notification"] = notification
        body["android"]["notification"] = _android_notification(message)
    body = merged(body, message.fcm)
    body.setdefault("android", {})
    body["data"] = {key: _text(value) for key, value in body.get("data", {}).items()}
    return body


def fcm_message(message: Message, push_id: UUID, token: str, ttl: float | None) -> dict[str, Any]:
    """The ``message`` of an FCM v1 request. ``ttl``: seconds left for Google to keep trying, None for its default."""
    return fcm_complete(fcm_body(message), push_id, token, ttl)


def fcm_complete(body: dict[str, Any], push_id: UUID, token: str, ttl: float | None) -> dict[str, Any]:
    """``body`` (of ``fcm_body``) made out to one device; ``body`` itself stays as it is."""
    android = body["android"]
    if ttl is not None:
        android = {"ttl": f"{min(max(int(ttl), 0), LONGEST_TTL)}s", **android}
    if "notification" in body or "notification" in android:
        # A collapse key does not replace what is already shown; a tag does.
        android = {**android, "notification": {"tag": str(push_id), **android.get("notification", {})}}
    return {**body, "android": android, "data": {**body["data"], PUSH_ID: str(push_id)}, fcm_target(token): token}


def fcm_target(token: str) -> str:
    """``fid`` for a Firebase installation id, the successor of registration tokens, else ``token``."""
    return "fid" if _INSTALLATION_ID.fullmatch(token) else "token"


def _android_notification(message: Message) -> dict[str, Any]:
    return present(
        sound=message.sound,
        click_action=message.category,
        notification_count=message.badge,
        tag=message.collapse_id,
    )


def _extras(message: Message) -> dict[str, Any]:
    """What FCM's notification has no field for, as data."""
    return present(url=message.url, subtitle=message.subtitle, thread_id=message.thread_id)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def size(message: Message) -> int:
    """Bytes of what travels to the device, as JSON: never less than its keys and values."""
    complete = fcm_message(message, ANY_ID, "", None)
    parts = [complete.get("notification"), complete["data"], complete["android"].get("notification")]
    return sum(len(msgspec.json.encode(part)) for part in parts if part)


def check(message: Message) -> None:
    """Errors: Invalid with the ``field`` that Google would not take."""
    override = message.fcm or {}
    for target in TARGETS:
        if target in override:
            raise Invalid(f"fcm may not hold {target}: the audience says who is sent to", field=f"fcm.{target}")
    for name in ("data", "android", "notification"):
        _check_object(override.get(name), f"fcm.{name}")
    _check_object((override.get("android") or {}).get("notification"), "fcm.android.notification")
    for key in fcm_body(message)["data"]:
        if _RESERVED.fullmatch(key):
            raise Invalid(f"data may not hold the key {key}, which Google reserves", field=f"data.{key}")


def _check_object(value: Any, field: str) -> None:
    if value is not None and not isinstance(value, dict):
        raise Invalid(f"{field} must be an object", field=field)
