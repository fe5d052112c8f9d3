"""A Message as each provider wants it: APNs payloads, FCM v1 messages, WNS notifications, and their size limits.

Pure: the same message, push id and time give the same bytes. What depends on the message alone is rendered once
(`apns_body`, `fcm_body`) and completed for each device, because a send renders it a million times.

Every push has an id that stays the same however often it is transferred: UUIDv5 of the send and the device. It is the
``apns-id`` and, where the sender names none, the collapse id or tag by which the device replaces what it already
shows; it also travels inside, as ``tocsin_push_id``, so that the app can report a receipt for it.
"""

from __future__ import annotations

from uuid import UUID

from tocsin.domain.errors import Invalid
from tocsin.domain.identity import HANDLE_LENGTH, named
from tocsin.domain.message import OF_DEVICES, Message, made_out
from tocsin.domain.payloads import apns, fcm, wns
from tocsin.domain.payloads.apns import apns_body, apns_collapse_id, apns_headers, apns_payload, apns_topic
from tocsin.domain.payloads.fcm import fcm_body, fcm_complete, fcm_message, fcm_target
from tocsin.domain.payloads.parts import ANY_ID, PUSH_ID, merged
from tocsin.domain.payloads.wns import WnsNotification, wns_notification, wns_tag

__all__ = [
    "LIMITS",
    "PUSH_ID",
    "PayloadTooLarge",
    "WnsNotification",
    "apns_body",
    "apns_collapse_id",
    "apns_headers",
    "apns_payload",
    "apns_topic",
    "check_payload",
    "fcm_body",
    "fcm_complete",
    "fcm_message",
    "fcm_target",
    "merged",
    "payload_limit",
    "payload_size",
    "push_id",
    "shared_push_id",
    "wns_notification",
    "wns_tag",
]

LIMITS = {"apns": apns.LIMIT, "fcm": fcm.LIMIT, "wns": wns.LIMIT}
"""Bytes, by provider."""

_CHECKS = {"apns": apns.check, "fcm": fcm.check, "wns": wns.check}
_SIZES = {"apns": apns.size, "fcm": fcm.size, "wns": wns.size}


class PayloadTooLarge(Invalid):
    """The message does not fit a provider. ``facts``: ``field``, ``provider``, ``size`` and ``limit`` in bytes."""

    code = "payload-too-large"


def push_id(send_id: UUID, device_id: UUID) -> UUID:
    """The id of one send's push to one device: UUIDv5 (RFC 9562, 5.5), with the send as the namespace."""
    return named(send_id, str(device_id))


def shared_push_id(send_id: UUID, token: str) -> UUID:
    """The id of one send's pushes to a token that several devices have: the phone shows it once."""
    return named(send_id, f"token:{token}")


def check_payload(provider: str, message: Message, field: str = "message") -> None:
    """Refuse what ``provider`` would refuse for every device. ``field``: where the message stands in what was asked.

    Errors: Invalid with ``field``, PayloadTooLarge.
    """
    widest = _widest(message)
    try:
        _CHECKS[provider](widest)
        size = payload_size(provider, widest)
    except (TypeError, ValueError, RecursionError) as fault:
        raise Invalid("the message holds something JSON cannot express", field=field) from fault
    limit = payload_limit(provider, message)
    if size > limit:
        raise PayloadTooLarge(
            f"the message takes {size} bytes as a payload for {provider}, at most {limit} are allowed: shorten it by "
            f"{size - limit} bytes",
            field=field,
            provider=provider,
            size=size,
            limit=limit,
        )


def payload_limit(provider: str, message: Message) -> int:
    """How many bytes ``provider`` takes for this message."""
    return apns.VOIP_LIMIT if provider == "apns" and message.apns_push_type == "voip" else LIMITS[provider]


def payload_size(provider: str, message: Message) -> int:
    """The size in bytes of what travels to any one device: the same for all, as ids and tags have a fixed length.

    APNs: the request's body. FCM: the JSON of ``notification``, ``data`` and ``android.notification``, which is never
    less than the keys and values Google counts. WNS: the notification's body.
    """
    return _SIZES[provider](_widest(message))


_LARGEST = 2**53 - 1
_WIDEST: dict[str, int | str] = {
    "id": str(ANY_ID),
    "handle": "a" * HANDLE_LENGTH,
    "number": _LARGEST,
}


def _widest(message: Message) -> Message:
    """The message as the device gets it for which it is longest."""
    if not message.differs:
        return message
    return made_out(message, 2**31 - 1, {place: _WIDEST[place.rpartition(".")[2]] for place in OF_DEVICES})
