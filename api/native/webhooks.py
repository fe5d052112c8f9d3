"""Webhooks: receivers that are told of an app's events as they happen, and what became of each call to them."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import Response

from tocsin.api.bodies import Resources
from tocsin.api.native.access import AUDITOR, OPERATOR, needs
from tocsin.api.native.document import AS_OF, lists, one_of, reads, writes
from tocsin.api.native.history import as_of, history_of_part, stood, tells_history
from tocsin.api.native.webhooks_json import (
    STATUSES,
    CallAnswer,
    WebhookAnswer,
    WebhookChanges,
    WebhookForm,
    call_answer,
    webhook_of_row,
    webhook_of_state,
    webhook_with_secret,
)
from tocsin.api.native.writing import write
from tocsin.api.reads import after, as_json, chosen, limit, paged, reading
from tocsin.api.requests import address_of
from tocsin.api.services import services
from tocsin.api.writes import Answer
from tocsin.commands.webhooks import WebhookResult, create_webhook, delete_webhook, update_webhook
from tocsin.domain import app as app_rules
from tocsin.domain.errors import NotFound
from tocsin.domain.events.app import WebhookCreated, WebhookDeleted, WebhookUpdated
from tocsin.eventlog import webhook_calls
from tocsin.eventlog.webhook_calls import Place, place_of
from tocsin.projections import apps
from tocsin.projections.pages import page

SERVES = ("apps",)

blueprint = Resources(
    "webhooks",
    __name__,
    url_prefix="/v1/apps/<uuid:app_id>",
    description="Webhooks: receivers that are told of events, signed as the Standard Webhooks specification says.",
)


@blueprint.route("/webhooks", methods=["POST"])
@needs()
@blueprint.arguments(WebhookForm)
@writes(201, kind=WebhookAnswer, description="The webhook; its secret is shown this once.")
def create(form: dict[str, Any], app_id: UUID) -> Response:
    """Create a webhook. It is told what happens from now on, personal data in clear; the answer holds its secret."""

    def answer(result: WebhookResult, shown: bool) -> Answer:
        location = address_of("webhooks.get", app_id=app_id, webhook_id=result.webhook.webhook_id)
        headers = {"Location": location, "Cache-Control": "no-store"}
        return Answer(201, webhook_with_secret(result, shown=shown), headers)

    return write(
        lambda context: create_webhook(services().engine, context, app_id, **form),
        lambda result: answer(result, True),
        SERVES,
        kept=lambda result: answer(result, False),
    )


@blueprint.route("/webhooks", methods=["GET"])
@needs(AUDITOR, OPERATOR)
@lists(WebhookAnswer)
def list_all(app_id: UUID) -> Response:
    """The app's webhooks."""
    with reading("apps") as connection:
        found = apps.list_webhooks(connection, app_id, after=after(int) or 0, limit=limit())
    return paged(found, webhook_of_row)


@blueprint.route("/webhooks/<uuid:webhook_id>", methods=["GET"])
@needs(AUDITOR, OPERATOR)
@reads(WebhookAnswer, parameters=[AS_OF])
def get(app_id: UUID, webhook_id: UUID) -> Response:
    """One webhook, as it is or as it was."""
    position = as_of()
    if position is not None:
        return as_json(_stood(app_id, webhook_id, position))
    with reading("apps") as connection:
        found = apps.webhook(connection, app_id, webhook_id)
    if found is None:
        raise _unknown(webhook_id)
    return as_json(webhook_of_row(found))


@blueprint.route("/webhooks/<uuid:webhook_id>", methods=["PATCH"])
@needs()
@blueprint.arguments(WebhookChanges)
@writes(200, kind=WebhookAnswer, description="The webhook.")
def change(form: dict[str, Any], app_id: UUID, webhook_id: UUID) -> Response:
    """Change where a webhook is or what it is told. Calls that are under way go to its new address."""
    return write(
        lambda context: update_webhook(services().engine, context, app_id, webhook_id, **form),
        lambda result: Answer(200, webhook_of_state(app_id, result.webhook)),
        SERVES,
    )


@blueprint.route("/webhooks/<uuid:webhook_id>/secret", methods=["POST"])
@needs()
@writes(200, kind=WebhookAnswer, description="The webhook; its new secret is shown this once.")
def new_secret(app_id: UUID, webhook_id: UUID) -> Response:
    """Sign with a new secret from now on. The answer holds it, this once."""

    def answer(result: WebhookResult, shown: bool) -> Answer:
        return Answer(200, webhook_with_secret(result, shown=shown), {"Cache-Control": "no-store"})

    return write(
        lambda context: update_webhook(services().engine, context, app_id, webhook_id, new_secret=True),
        lambda result: answer(result, True),
        SERVES,
        kept=lambda result: answer(result, False),
    )


@blueprint.route("/webhooks/<uuid:webhook_id>", methods=["DELETE"])
@needs()
@writes(204, description="Told nothing more.")
def delete(app_id: UUID, webhook_id: UUID) -> Response:
    """Delete a webhook. What it was still to be told is dropped."""
    return write(
        lambda context: delete_webhook(services().engine, context, app_id, webhook_id),
        lambda _: Answer(204),
        SERVES,
    )


@blueprint.route("/webhooks/<uuid:webhook_id>/history", methods=["GET"])
@needs(AUDITOR)
@tells_history()
def past(app_id: UUID, webhook_id: UUID) -> Response:
    """Its creation, its changes, its deletion."""
    kinds = WebhookCreated | WebhookUpdated | WebhookDeleted
    return history_of_part(
        app_id, app_id, lambda fact: isinstance(fact, kinds) and fact.webhook_id == webhook_id, "webhook"
    )


@blueprint.route("/webhooks/<uuid:webhook_id>/calls", methods=["GET"])
@needs(AUDITOR, OPERATOR)
@lists(CallAnswer, parameters=[one_of("status", "Only calls that stand so.", STATUSES)])
def list_calls(app_id: UUID, webhook_id: UUID) -> Response:
    """Calls to it, the newest events first: those that wait, and of 30 days those that were settled."""
    start, status, wanted = after(Place), chosen("status", STATUSES), limit()
    with reading("apps") as connection:
        _check(connection, app_id, webhook_id)
        found = webhook_calls.calls(connection, webhook_id, before=start, status=status, limit=wanted + 1)
    return paged(page(found, wanted, lambda call: (call.position, call.part)), call_answer)


@blueprint.route("/webhooks/<uuid:webhook_id>/calls/<call_id>", methods=["GET"])
@needs(AUDITOR, OPERATOR)
@reads(CallAnswer)
def get_call(app_id: UUID, webhook_id: UUID, call_id: str) -> Response:
    """One call, with every try and what the receiver answered."""
    place = place_of(call_id)
    with reading("apps") as connection:
        _check(connection, app_id, webhook_id)
        found = webhook_calls.call(connection, webhook_id, place) if place else None
        tries = webhook_calls.attempts(connection, webhook_id, *place) if place else []
    if found is None:
        raise NotFound("there is no such call, or it is kept no longer", call=call_id)
    return as_json(call_answer(found, tries))


def _check(connection: Any, app_id: UUID, webhook_id: UUID) -> None:
    if apps.webhook(connection, app_id, webhook_id) is None:
        raise _unknown(webhook_id)


def _stood(app_id: UUID, webhook_id: UUID, position: int) -> WebhookAnswer:
    state, _ = stood(app_id, app_id, app_rules, position)
    if webhook_id not in state.webhooks:
        raise _unknown(webhook_id)
    return webhook_of_state(app_id, state.webhooks[webhook_id])


def _unknown(webhook_id: UUID) -> NotFound:
    return NotFound("there is no such webhook", webhook=str(webhook_id))
