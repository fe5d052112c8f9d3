"""Messages as they can be read again, and what became of them. All numbers are strings, as in every list here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from psycopg import Connection

from tocsin.api.dialects.mobilefirst.lists import Place
from tocsin.api.dialects.mobilefirst.platforms import shown_platform
from tocsin.api.dialects.mobilefirst.representations import Shown, date, device_id, href
from tocsin.api.services import services
from tocsin.projections import deliveries, devices
from tocsin.projections.deliveries import Delivery, ReceiptCounts
from tocsin.projections.devices import Device
from tocsin.projections.pages import Slice
from tocsin.projections.sends import Send

SENT = "SENT"
STATUSES = {"delivered": SENT, "pending": "PENDING", "unknown": "UNKNOWN"}
"""Of deliveries by outcome; every other has failed."""


def message(found: Send) -> Shown:
    """A message. One for its recipients' eyes alone is not told."""
    alert = "" if found.row.protected else found.row.message.get("body") or ""
    return {"messageId": services().handles.of(found.row.send_id), "alert": alert}


def listed(application_id: str, found: Send) -> Shown:
    """A message in a list."""
    shown = message(found)
    return {
        **shown,
        "createdTime": date(found.row.requested_at),
        "href": href(application_id, "messages", shown["messageId"]),
    }


def report(found: Send, receipts: ReceiptCounts) -> Shown:
    """How many devices it was for, and what became of it there."""
    tally = found.tally
    failed = tally.failed + tally.expired + tally.cancelled + tally.suppressed
    counts = {
        "total": found.row.audience_count or 0,
        "sent": tally.delivered,
        "failed": failed,
        "unknown": tally.unknown,
        "pending": tally.pending,
        "excluded": sum(found.row.excluded.values()),
        "seen": receipts.received,
        "open": receipts.opened,
    }
    return {
        **message(found),
        "createdTime": date(found.row.requested_at),
        "status": found.row.status.upper(),
        **{name: str(count) for name, count in counts.items()},
    }


def deliveries_of(connection: Connection[Any], found: Send, own: UUID | None, where: Place) -> Slice[Delivery]:
    """The deliveries of a message, or that to one device."""
    if own is None:
        return deliveries.slice_deliveries(connection, found.row.send_id, offset=where.offset, limit=where.size)
    one = deliveries.delivery(connection, found.row.send_id, own)
    return Slice(() if one is None else (one,), int(one is not None))


def phones_of(connection: Connection[Any], part: Slice[Delivery]) -> Mapping[UUID, Device]:
    """The devices of these deliveries."""
    return devices.devices_by_id(connection, {one.device_id for one in part.items})


def delivery(phones: Mapping[UUID, Device], one: Delivery) -> Shown:
    """What became of a message on one device."""
    row = phones.get(one.device_id)
    shown = {
        "deviceId": device_id(row.external_id if row else None, one.device_id),
        "platform": shown_platform(row.platform) if row else "",
        "status": _status(one),
    }
    reason = one.reason or one.code
    return {**shown, "failureReason": reason} if reason and shown["status"] == "FAILED" else shown


def _status(one: Delivery) -> str:
    if one.opened_at is not None:
        return "OPEN"
    return "SEEN" if one.received_at is not None else STATUSES.get(one.outcome, "FAILED")
