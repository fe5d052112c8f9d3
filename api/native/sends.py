"""Sends: previewed, requested, watched, cancelled."""

from __future__ import annotations

from functools import partial
from typing import Any
from uuid import UUID

from flask import Response, request

from tocsin.api.bodies import Resources
from tocsin.api.certainty import matches_anybody
from tocsin.api.native.access import AUDITOR, OPERATOR, SENDER, needs
from tocsin.api.native.document import AS_OF, lists, one_of, query, reads, writes
from tocsin.api.native.history import as_of, history, stood, tells_history
from tocsin.api.native.sends_forms import CancelForm, PreviewForm, SendForm, audience_of, message_of, request_of
from tocsin.api.native.sends_json import PayloadAnswer, PreviewAnswer, SendAnswer, of_result, of_row, of_state
from tocsin.api.native.writing import write
from tocsin.api.reads import after, as_json, chosen, limit, paged, reading
from tocsin.api.requests import address_of
from tocsin.api.services import services
from tocsin.api.writes import Answer
from tocsin.commands.apps import load_enabled
from tocsin.commands.sends import SendResult, cancel_send, request_send
from tocsin.domain import send as send_rules
from tocsin.domain.audience import Audience
from tocsin.domain.errors import Invalid, NotFound
from tocsin.domain.message import Message, check_message
from tocsin.domain.payloads import check_payload, payload_limit, payload_size
from tocsin.domain.platforms import provider_for
from tocsin.domain.send import Status, check_audience
from tocsin.projections import apps, audience, devices, sends

SERVES = ("sends",)
READERS = (SENDER, OPERATOR, AUDITOR)

STATUSES = tuple(status.value for status in Status)
FILTERS = [
    one_of("status", "Sends in this state.", STATUSES),
    query("notification_id", "Sends of this notification and its follow-ups.", {"type": "string", "format": "uuid"}),
]

blueprint = Resources(
    "sends", __name__, url_prefix="/v1/apps/<uuid:app_id>", description="Sends: one push to one audience each."
)


@blueprint.route("/sends/preview", methods=["POST"])
@needs(SENDER)
@blueprint.arguments(PreviewForm)
@reads(PreviewAnswer, "Who would be reached.")
def preview(form: dict[str, Any], app_id: UUID) -> Response:
    """Who a send would reach now, who it would leave out and why, and how large the message is. Nothing is sent."""
    load_enabled(services().engine, app_id)
    wanted = check_audience(audience_of(form["audience"], services().digest, app_id))
    message = message_of(form["message"]) if "message" in form else None
    if message is not None:
        check_message(message)
    with reading("audience", "apps", "devices") as connection:
        _check_devices(connection, app_id, wanted)
        configured = {row.provider for row in apps.providers(connection, app_id)}
        counts = audience.count(connection, app_id, wanted, services().digest)
    payload = {} if message is None else _payload(configured, wanted, message)
    return as_json(
        PreviewAnswer(
            audience=counts.audience, by_provider=counts.by_provider, excluded=counts.excluded, payload=payload
        )
    )


@blueprint.route("/sends", methods=["POST"])
@needs(SENDER)
@blueprint.arguments(SendForm)
@writes(202, kind=SendAnswer, description="It is recorded and goes on by itself; `Location` tells how.")
def create(form: dict[str, Any], app_id: UUID) -> Response:
    """Push a message, a notification or a follow-up to an audience, at once or at `not_before`."""
    engine = services().engine
    command = request_of(form, services().digest, app_id, engine.clock())
    return write(
        lambda context: request_send(engine, context, app_id, command, matches=partial(matches_anybody, app_id)),
        _accepted,
        SERVES,
    )


@blueprint.route("/sends", methods=["GET"])
@needs(*READERS)
@lists(SendAnswer, parameters=FILTERS)
def list_all(app_id: UUID) -> Response:
    """The app's sends, the newest first."""
    status, notification_id = chosen("status", STATUSES), _notification_id()
    with reading("sends") as connection:
        page = sends.list_sends(
            connection, app_id, status=status, notification_id=notification_id, before=after(int), limit=limit()
        )
    return paged(page, of_row)


@blueprint.route("/sends/<uuid:send_id>", methods=["GET"])
@needs(*READERS)
@reads(SendAnswer, parameters=[AS_OF])
def get(app_id: UUID, send_id: UUID) -> Response:
    """One send: its status, its counts by outcome and provider, and whether they add up."""
    position = as_of()
    if position is not None:
        state, entries = stood(app_id, send_id, send_rules, position)
        return as_json(of_state(app_id, send_id, state, entries))
    return as_json(of_row(known_send(app_id, send_id)))


@blueprint.route("/sends/<uuid:send_id>/cancel", methods=["POST"])
@needs(SENDER, OPERATOR)
@blueprint.arguments(CancelForm)
@writes(200, kind=SendAnswer, description="The send.")
def cancel(form: dict[str, Any], app_id: UUID, send_id: UUID) -> Response:
    """Stop a send: devices that no worker has claimed are not sent to."""
    return write(
        lambda context: cancel_send(services().engine, context, app_id, send_id, form["reason"]),
        lambda result: Answer(200, of_result(result)),
        SERVES,
    )


@blueprint.route("/sends/<uuid:send_id>/history", methods=["GET"])
@needs(AUDITOR)
@tells_history()
def past(app_id: UUID, send_id: UUID) -> Response:
    """The send's own events; those of its deliveries are in the feed of events and under /deliveries."""
    return history(app_id, send_id, "send")


def known_send(app_id: UUID, send_id: UUID) -> sends.Send:
    """A send of this app, from the read model. Raises NotFound."""
    with reading("sends") as connection:
        found = sends.send(connection, app_id, send_id)
    if found is None:
        raise NotFound("there is no such send", send=str(send_id))
    return found


def _accepted(result: SendResult) -> Answer:
    location = address_of("sends.get", app_id=result.app_id, send_id=result.send_id)
    return Answer(202, of_result(result), {"Location": location})


def _check_devices(connection: Any, app_id: UUID, wanted: Audience) -> None:
    found = devices.devices_by_id(connection, wanted.devices)
    unknown = [str(one) for one in wanted.devices if one not in found or found[one].app_id != app_id]
    if unknown:
        raise NotFound(
            f"{len(unknown)} of the devices named are not devices of this app",
            field="audience.devices",
            devices=unknown[:10],
        )


def _payload(configured: set[str], wanted: Audience, message: Message) -> dict[str, PayloadAnswer]:
    """The size at each provider in question. Raises PayloadTooLarge."""
    asked = {provider_for(platform) for platform in wanted.platforms} if wanted.platforms else configured
    sizes = {}
    for provider in sorted(configured & asked):
        check_payload(provider, message)
        sizes[provider] = PayloadAnswer(size=payload_size(provider, message), limit=payload_limit(provider, message))
    return sizes


def _notification_id() -> UUID | None:
    text = request.args.get("notification_id")
    try:
        return None if text is None else UUID(text)
    except ValueError as error:
        raise Invalid("notification_id must be a UUID", field="notification_id") from error
