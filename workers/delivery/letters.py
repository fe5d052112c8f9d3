"""One device's own message, and the id its push travels under."""

from __future__ import annotations

from uuid import UUID

from tocsin.domain.device import LARGEST_BADGE
from tocsin.domain.message import Message, made_out
from tocsin.domain.payloads import push_id, shared_push_id
from tocsin.workers.delivery.briefs import Brief
from tocsin.workers.delivery.recipients import Recipient


def letter(brief: Brief, device_id: UUID, recipient: Recipient, badge: int | None) -> tuple[UUID, Message]:
    """The push id and the message for one device. ``badge``: what it is to show, where the message changes that."""
    message = brief.messages.message(device_id, recipient.user, recipient.alias)
    identifier = push_id(brief.send_id, device_id)
    if recipient.token_scope is not None and recipient.token is not None and message is brief.messages.common:
        # The phone has the same token for another user: what both are told alike, it shows once.
        identifier = shared_push_id(brief.send_id, recipient.token)
    if message.differs:
        values = _values(brief, device_id, recipient, identifier)
        message = made_out(message, badge, {**values, **_handles(brief, device_id, message)})
    return identifier, message


def _values(brief: Brief, device_id: UUID, recipient: Recipient, identifier: UUID) -> dict[str, int | str]:
    return {
        "device.id": str(device_id),
        "device.number": recipient.number,
        "send.id": str(brief.send_id),
        "send.number": brief.number,
        "push.id": str(identifier),
    }


def _handles(brief: Brief, device_id: UUID, message: Message) -> dict[str, str]:
    """Those that the message asks for: they cost more than the rest of it."""
    asked = message.per_device.values()
    found = {"send.handle": brief.handle} if "send.handle" in asked else {}
    return {**found, "device.handle": brief.handles.of(device_id)} if "device.handle" in asked else found


def badge_told(brief: Brief, device_id: UUID, recipient: Recipient, shown: int) -> int:
    """What this device shows after its message. ``shown``: what it shows before."""
    message = brief.messages.message(device_id, recipient.user, recipient.alias)
    if message.badge_change is not None:
        return min(max(shown + message.badge_change, 0), LARGEST_BADGE)
    return shown if message.badge is None else message.badge
