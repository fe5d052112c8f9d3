"""APNs: "Generating a remote notification" and "Sending notification requests to APNs" (Apple)."""

from __future__ import annotations

import hashlib
from typing import Any
from uuid import UUID

import msgspec

from tocsin.domain.errors import Invalid
from tocsin.domain.message import Message, Priority
from tocsin.domain.payloads.parts import ANY_ID, HEADER_TEXT, PUSH_ID, merged, present

LIMIT = 4096
VOIP_LIMIT = 5120
"""Bytes of a payload; pushes of type voip may be larger."""

LONGEST_COLLAPSE_ID = 64
"""Bytes."""

TOPIC_SUFFIXES = {
    "voip": ".voip",
    "complication": ".complication",
    "fileprovider": ".pushkit.fileprovider",
    "liveactivity": ".push-type.liveactivity",
    "location": ".location-query",
    "pushtotalk": ".voip-ptt",
    "widgets": ".push-type.widgets",
    "controls": ".push-type.controls",
}
"""What a push type adds to the app's bundle id to make the topic."""

PUSH_TYPES = ("alert", "background", "mdm", *TOPIC_SUFFIXES)


def apns_body(message: Message) -> dict[str, Any]:
    """The APNs payload without the push id."""
    payload = {**present(url=message.url, image=message.image), **message.data, "aps": _aps(message)}
    return merged(payload, message.apns)


def apns_payload(message: Message, push_id: UUID) -> dict[str, Any]:
    """The JSON body of an APNs request."""
    return {**apns_body(message), PUSH_ID: str(push_id)}


def apns_push_type(message: Message) -> str:
    """``background`` where nothing is shown, unless the sender names a push type."""
    return message.apns_push_type or ("background" if message.silent else "alert")


def apns_topic(message: Message, topic: str) -> str:
    """The topic for the message's push type, of an app whose own topic (bundle id) is ``topic``."""
    suffix = TOPIC_SUFFIXES.get(apns_push_type(message), "")
    return topic if topic.endswith(suffix) else topic + suffix


def apns_headers(message: Message, push_id: UUID, topic: str, expires_at: float | None) -> dict[str, str]:
    """The APNs request headers but the authorization. ``expires_at``: unix seconds, None to leave it to Apple."""
    headers = {
        "apns-id": str(push_id),
        "apns-topic": apns_topic(message, topic),
        "apns-push-type": apns_push_type(message),
        "apns-priority": _priority(message),
        "apns-collapse-id": apns_collapse_id(message, push_id),
    }
    if message.ttl == 0:
        headers["apns-expiration"] = "0"
    elif expires_at is not None:
        headers["apns-expiration"] = str(int(expires_at))
    return headers


def apns_collapse_id(message: Message, push_id: UUID) -> str:
    """The sender's collapse id, or the push id. Of one that no header may carry, its hash."""
    own = message.collapse_id
    if own is None:
        return str(push_id)
    fits = len(own) <= LONGEST_COLLAPSE_ID and HEADER_TEXT.fullmatch(own)
    return own if fits else hashlib.sha256(own.encode()).hexdigest()


def _priority(message: Message) -> str:
    # Apple answers BadPriority to a background push of priority 10.
    urgent = message.priority is Priority.HIGH and apns_push_type(message) != "background"
    return "10" if urgent else "5"


def _aps(message: Message) -> dict[str, Any]:
    if message.silent:
        return {"content-available": 1}
    alert = present(title=message.title, subtitle=message.subtitle, body=message.body)
    aps = present(alert=alert or None, badge=message.badge, sound=message.sound, category=message.category)
    if message.thread_id is not None:
        aps["thread-id"] = message.thread_id
    if message.mutable or message.image is not None:
        # A picture is fetched and attached by the app's notification service extension, which only runs if asked.
        aps["mutable-content"] = 1
    return aps


def size(message: Message) -> int:
    """Bytes of the request's body."""
    return len(msgspec.json.encode(apns_payload(message, ANY_ID)))


def check(message: Message) -> None:
    """Errors: Invalid with the ``field`` that Apple would not take."""
    if "aps" in message.data:
        raise Invalid("data may not hold the key aps, which is Apple's: use the apns override", field="data.aps")
    if not isinstance(apns_body(message).get("aps"), dict):
        raise Invalid("aps must be an object", field="apns.aps")
    if message.apns_push_type is not None and message.apns_push_type not in PUSH_TYPES:
        raise Invalid(f"apns_push_type must be one of {', '.join(PUSH_TYPES)}", field="apns_push_type")
