"""What a device was sent: found by tags, in the inbox it shares with its alias, shown, reported, removed."""

from __future__ import annotations

from typing import Any

from flask import Response

from tocsin.api.dialects.twinpush import access, lookups
from tocsin.api.dialects.twinpush.access import Caller
from tocsin.api.dialects.twinpush.representations import inbox_item, notification, page, single
from tocsin.api.dialects.twinpush.schemas import document, paging, tags
from tocsin.api.dialects.twinpush.serving import Routes, called_by_anybody, called_by_device, done
from tocsin.api.reads import as_json, reading
from tocsin.api.services import services
from tocsin.commands.receipts import record_receipt
from tocsin.domain.receipt import RemoveFromInbox, ReportOpened, ReportReceived
from tocsin.projections import inbox
from tocsin.projections.devices import Device

OF_DEVICE = "/apps/<app>/devices/<device_id>"
ALONE = "/devices/<device_id>"
"""Of a device that does not say its app: Apple's notification extension knows nothing but numbers."""

ONE = "/notifications/<notification_id>"
OF_APP = OF_DEVICE + ONE
WITHOUT_APP = ALONE + ONE

blueprint = Routes("inbox", __name__)


@blueprint.serves("POST", OF_DEVICE + "/search_notifications")
def search_notifications(app: str, device_id: str) -> Response:
    """What this device was sent, in an inbox or not, the newest first."""
    access.app_addressed(app)
    body = document()
    asked, wanted = paging(body), tags(body)
    _, known = called_by_device(app, device_id)
    with reading(*inbox.READ_MODELS) as connection:
        found = inbox.slice_sent(connection, known, **wanted, offset=asked.offset, limit=asked.per_page)
    return as_json(page(found, asked, lambda items: (notification(item.send, known) for item in items)))


@blueprint.serves("GET", OF_DEVICE + "/inbox")
def list_inbox(app: str, device_id: str) -> Response:
    """The inbox that all devices of the alias share, the newest first."""
    access.app_addressed(app)
    body = document()
    asked, wanted = paging(body), tags(body)
    _, known = called_by_device(app, device_id)
    with reading(*inbox.READ_MODELS) as connection:
        found = inbox.slice_inbox(connection, known, **wanted, offset=asked.offset, limit=asked.per_page)
    return as_json(page(found, asked, lambda items: (inbox_item(item, known) for item in items)))


@blueprint.serves("GET", OF_DEVICE + "/inbox_summary")
def inbox_summary(app: str, device_id: str) -> Response:
    """How much is in it."""
    _, known = called_by_device(app, device_id)
    with reading(*inbox.READ_MODELS) as connection:
        counts = inbox.inbox_counts(connection, known)
    return as_json({"total_count": counts.total, "unopened_count": counts.unopened})


@blueprint.serves("GET", OF_APP, WITHOUT_APP)
def show_to_device(device_id: str, notification_id: str, app: str | None = None) -> Response:
    """One notification, as this device was told it; to whoever shows a mere number, what is for everybody's eyes."""
    caller, known = called_by_anybody(app, device_id)
    found = lookups.notification(caller.app_id, notification_id).row
    addressed = False
    if lookups.number(device_id) is None or caller.actor.credential is not None:
        with reading(*inbox.READ_MODELS) as connection:
            addressed = inbox.sent(connection, known, found.send_id) is not None
    return as_json(single(notification(found, known if addressed else None)))


@blueprint.serves("POST", OF_APP + "/received_notification", WITHOUT_APP + "/received_notification")
def received_notification(device_id: str, notification_id: str, app: str | None = None) -> Response:
    """It arrived. Only the first report counts, and not the time it gives."""
    return _report(app, device_id, notification_id, ReportReceived)


@blueprint.serves("POST", OF_APP + "/open_notification", WITHOUT_APP + "/open_notification")
def open_notification(device_id: str, notification_id: str, app: str | None = None) -> Response:
    """It was opened. Likewise."""
    return _report(app, device_id, notification_id, ReportOpened)


@blueprint.serves("DELETE", OF_APP)
def remove(app: str, device_id: str, notification_id: str) -> Response:
    """Take it out of the inbox, for all devices of the alias."""
    caller, known = called_by_device(app, device_id)
    return _record(caller, known, notification_id, RemoveFromInbox, in_inbox=True)


def _report(app: str | None, device_id: str, notification_id: str, kind: Any) -> Response:
    if app is not None:
        access.app_addressed(app)
    document()
    return _record(*called_by_anybody(app, device_id), notification_id, kind)


def _record(caller: Caller, known: Device, notification_id: str, kind: Any, *, in_inbox: bool = False) -> Response:
    """Record a receipt of the device that was sent the notification: this one, or another of its alias."""
    engine = services().engine
    send_id = lookups.notification(caller.app_id, notification_id).row.send_id
    device_id = lookups.delivery(known, send_id, in_inbox=in_inbox).device_id
    command = kind(send_id=send_id, device_id=device_id)
    return done(
        caller,
        lambda context: record_receipt(
            engine, context, caller.app_id, send_id, device_id, command, lambda _send, _device: True
        ),
        inbox.READ_MODELS,
    )
