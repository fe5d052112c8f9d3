"""Notifications: created, listed, shown, reported, deleted; and the API's own description."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from flask import Response, request

from tocsin.api.dialects.twinpush import access, errors, lookups
from tocsin.api.dialects.twinpush.openapi import description
from tocsin.api.dialects.twinpush.reports import report
from tocsin.api.dialects.twinpush.representations import (
    created,
    delivery,
    device,
    notification,
    objects,
    page,
    single,
)
from tocsin.api.dialects.twinpush.schemas import day, document, paging
from tocsin.api.dialects.twinpush.serving import Routes, done
from tocsin.api.dialects.twinpush.translation import send_requested
from tocsin.api.reads import as_json, reading
from tocsin.api.services import services
from tocsin.api.writes import Answer, write
from tocsin.commands.sends import request_send, withdraw_send
from tocsin.projections import deliveries, devices, failures, sends, usage
from tocsin.projections.deliveries import Delivery
from tocsin.projections.sends import Send, SendFilter

ONE = "/apps/<app>/notifications/<notification_id>"

blueprint = Routes("notifications", __name__)


@blueprint.serves("POST", "/apps/<app>/notifications", wrong=errors.NOTIFICATION_NOT_CREATED)
def create(app: str) -> Response:
    """Send a notification, now or later. Recorded, it is accepted."""
    caller, engine = access.by_creator_token(app), services().engine
    now = engine.clock()
    command = send_requested(caller.app, document(), now)
    return write(
        caller.actor,
        caller.scope,
        lambda context: request_send(engine, context, caller.app_id, command),
        lambda result: Answer(200, objects(created(result, now))),
        ("sends",),
    )


@blueprint.serves("GET", "/apps/<app>/notifications")
def list_notifications(app: str) -> Response:
    """The app's notifications, the newest first."""
    caller, asked = access.by_api_token(app), paging(document())
    with reading("sends") as connection:
        found = sends.slice_sends(
            connection, caller.app_id, SendFilter(withdrawn=False), offset=asked.offset, limit=asked.per_page
        )
    return as_json(page(found, asked, lambda items: (notification(one.row) for one in items)))


@blueprint.serves("GET", "/apps/<app>/notifications/reports")
def list_reports(app: str) -> Response:
    """What became of the app's notifications so far, the newest first."""
    caller, asked, date = access.by_api_token(app), paging(document()), request.args.get("date")
    wanted = SendFilter(withdrawn=False, since=day(date) if date else None)
    with reading("sends") as connection:
        found = sends.slice_sends(connection, caller.app_id, wanted, offset=asked.offset, limit=asked.per_page)
    return as_json(page(found, asked, lambda items: map(_reported, items)))


@blueprint.serves("GET", ONE)
def show(app: str, notification_id: str) -> Response:
    """One notification; of protected content, nothing that is for its recipients' eyes."""
    found = lookups.notification(access.app_addressed(app).app_id, notification_id)
    return as_json(single(notification(found.row)))


@blueprint.serves("DELETE", ONE)
def delete(app: str, notification_id: str) -> Response:
    """Take a notification out of every inbox and list, and stop what has not gone out."""
    caller, engine = access.by_creator_token(app), services().engine
    send_id = lookups.notification(caller.app_id, notification_id).row.send_id
    return done(caller, lambda context: withdraw_send(engine, context, caller.app_id, send_id, "deleted"), ("sends",))


@blueprint.serves("GET", ONE + "/report")
def show_report(app: str, notification_id: str) -> Response:
    """What became of a notification so far."""
    caller = access.by_api_token(app)
    return as_json(_reported(lookups.notification(caller.app_id, notification_id)))


@blueprint.serves("GET", ONE + "/deliveries")
def list_deliveries(app: str, notification_id: str) -> Response:
    """What became of a notification at each device."""
    return _deliveries(app, notification_id)


@blueprint.serves("POST", ONE + "/deliveries")
def post_deliveries(app: str, notification_id: str) -> Response:
    """The same: the manual says both."""
    return _deliveries(app, notification_id)


@blueprint.serves("GET", "/openapi.json")
def openapi() -> Response:
    """This API in OpenAPI 3.1."""
    return as_json(description())


def _deliveries(app: str, notification_id: str) -> Response:
    caller, asked = access.by_api_token(app), paging(document())
    send_id = lookups.notification(caller.app_id, notification_id).row.send_id
    with reading("deliveries") as connection:
        found = deliveries.slice_deliveries(connection, send_id, offset=asked.offset, limit=asked.per_page)
    return as_json(page(found, asked, _presented))


def _reported(found: Send) -> dict[str, Any]:
    with reading(*failures.READ_MODELS) as connection:
        received, opened = deliveries.receipt_counts(connection, found.row.send_id)
        failed = failures.failures(connection, found.row.send_id)
    return report(found, received, opened, failed)


def _presented(items: Sequence[Delivery]) -> Iterator[dict[str, Any]]:
    ids = [one.device_id for one in items]
    with reading("devices", "usage") as connection:
        known, used = devices.devices_by_id(connection, ids), usage.usage(connection, ids)
    for one in items:
        row = known.get(one.device_id)
        yield delivery(one, None if row is None else device(row, used.get(one.device_id)))
