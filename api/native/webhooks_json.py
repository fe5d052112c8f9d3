"""The JSON of webhooks and of the calls that are made to them."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import marshmallow as ma
import msgspec
from marshmallow import fields, validate
from msgspec import UNSET, UnsetType

from tocsin.commands.webhooks import WebhookResult
from tocsin.domain.app import MAX_NAME
from tocsin.domain.events.app import WebhookCreated
from tocsin.domain.webhooks import MAX_EVENT, MAX_EVENTS
from tocsin.eventlog.webhook_calls import Attempt, CallStatus, KeptCall
from tocsin.projections.apps_rows import Webhook

MAX_URL = 2048

STATUSES = tuple(CallStatus)


def _events(*, required: bool) -> fields.List[str]:
    return fields.List(
        fields.String(validate=validate.Length(1, MAX_EVENT)),
        required=required,
        validate=validate.Length(1, MAX_EVENTS),
        metadata={"description": "Names of events such as `send.completed`; with a `*` at the end, all that begin so."},
    )


class WebhookForm(ma.Schema):
    """A receiver that is to be told of events."""

    name = fields.String(required=True, validate=validate.Length(1, MAX_NAME))
    url = fields.String(required=True, validate=validate.Length(1, MAX_URL))
    events = _events(required=True)


class WebhookChanges(ma.Schema):
    """What is to change of a webhook; what is left out stays."""

    url = fields.String(validate=validate.Length(1, MAX_URL))
    events = _events(required=False)


class WebhookAnswer(msgspec.Struct, kw_only=True):
    """A webhook. ``format``: how it is told, ``native`` or as one of the other APIs does. ``secret``: what calls to it
    are signed with, in the answer to its making alone; null when that is repeated."""

    webhook_id: UUID
    app_id: UUID
    name: str
    url: str
    events: list[str]
    format: str
    signed: bool
    created_at: datetime | UnsetType = UNSET
    position: int | UnsetType = UNSET
    secret: str | None | UnsetType = UNSET
    secret_shown: str | UnsetType = UNSET


class AttemptAnswer(msgspec.Struct, kw_only=True):
    """One try of a call. ``http_status``: what the receiver answered, null where it did not, for the reason in
    ``error``."""

    attempt: int
    at: datetime
    http_status: int | None
    error: str | None
    milliseconds: int


class CallAnswer(msgspec.Struct, kw_only=True):
    """One event that is told to one webhook.

    ``call_id``: the ``webhook-id`` of every try. ``event``, ``position``: what it tells of. ``next_at``: when it is
    tried again, null where nothing more is done. ``tries``: in the answer about one call alone.
    """

    call_id: str
    event: str
    position: int
    status: str
    attempts: int
    created_at: datetime
    next_at: datetime | None
    settled_at: datetime | None
    tries: list[AttemptAnswer] | UnsetType = UNSET


def webhook_of_row(row: Webhook) -> WebhookAnswer:
    """A webhook as the read model has it."""
    return WebhookAnswer(
        webhook_id=row.webhook_id,
        app_id=row.app_id,
        name=row.name,
        url=row.url,
        events=row.events,
        format=row.format,
        signed=row.secret_id is not None,
        created_at=row.created_at,
        position=row.position,
    )


def webhook_of_state(app_id: UUID, webhook: WebhookCreated) -> WebhookAnswer:
    """A webhook as its app's events make it."""
    return WebhookAnswer(
        webhook_id=webhook.webhook_id,
        app_id=app_id,
        name=webhook.name,
        url=webhook.url,
        events=list(webhook.events),
        format=webhook.format,
        signed=webhook.secret_id is not None,
    )


def webhook_with_secret(result: WebhookResult, *, shown: bool) -> WebhookAnswer:
    """The answer to the making of a secret, with it or (``shown`` false) saying that it was shown before."""
    answer = webhook_of_state(result.app_id, result.webhook)
    answer.secret = result.secret if shown else None
    answer.secret_shown = "now" if shown else "once"
    return answer


def call_answer(call: KeptCall, tries: list[Attempt] | None = None) -> CallAnswer:
    """A call as it is kept; with its ``tries`` where they were asked for."""
    return CallAnswer(
        call_id=call.message_id,
        event=call.name,
        position=call.position,
        status=call.status,
        attempts=call.attempts,
        created_at=call.created_at,
        next_at=call.next_at if call.status == CallStatus.PENDING else None,
        settled_at=call.settled_at,
        tries=UNSET if tries is None else [_try(one) for one in tries],
    )


def _try(attempt: Attempt) -> AttemptAnswer:
    return AttemptAnswer(
        attempt=attempt.attempt,
        at=attempt.at,
        http_status=attempt.http_status,
        error=attempt.error,
        milliseconds=attempt.milliseconds,
    )
