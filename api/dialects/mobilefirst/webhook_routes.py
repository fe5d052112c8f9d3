"""Webhooks: addresses that are told of what happens to an application's devices, subscriptions and messages."""

from __future__ import annotations

from typing import Any

from flask import Response
from msgspec import UNSET

from tocsin.api.dialects.mobilefirst import lists
from tocsin.api.dialects.mobilefirst.access import Caller, authorized
from tocsin.api.dialects.mobilefirst.applications import NAME
from tocsin.api.dialects.mobilefirst.bodies import body, optional_text, text
from tocsin.api.dialects.mobilefirst.chapters import IN_APPLICATION, chapter
from tocsin.api.dialects.mobilefirst.errors import EXISTS, Refusal, answer, invalid, missing, nothing
from tocsin.api.dialects.mobilefirst.representations import href
from tocsin.api.dialects.mobilefirst.webhooks import events_of, types_of
from tocsin.api.dialects.routing import serving
from tocsin.api.reads import reading
from tocsin.api.requests import context
from tocsin.api.services import services
from tocsin.api.writes import readable
from tocsin.commands.apps import load_enabled
from tocsin.commands.webhooks import create_webhook, delete_webhook, update_webhook
from tocsin.domain.errors import Conflict
from tocsin.domain.events.app import WebhookCreated
from tocsin.projections import apps
from tocsin.projections.apps_rows import Webhook

READ, WRITE = "webhooks.read", "webhooks.write"
SERVES = ("apps",)

blueprint = chapter("webhooks", f"{IN_APPLICATION}/webhooks")
serves = serving(blueprint)


@serves("GET", "")
def list_all(application_id: str) -> Response:
    """The webhooks that were created here."""
    caller = authorized(application_id, READ)
    where = lists.place()
    with reading("apps") as connection:
        found = apps.slice_webhooks(connection, caller.app_id, NAME, offset=where.offset, limit=where.size)
    return lists.listed("webhooks", found, lambda row: _shown(application_id, row), where)


@serves("POST", "")
def create(application_id: str) -> Response:
    """Create a webhook. The answer holds, this once, the secret that calls to it are signed with."""
    caller = authorized(application_id, WRITE)
    given = body()
    name, url, types = text(given, "name"), text(given, "url"), types_of(given)
    if types is None:
        raise invalid("eventTypes")
    who = context(caller.actor, caller.scope)
    try:
        done = create_webhook(
            services().engine, who, caller.app_id, name, url, events_of(types), form=NAME, types=types
        )
    except Conflict:
        raise Refusal(EXISTS, "name") from None
    shown = {**_shown(application_id, done.result.webhook), "secret": done.result.secret}
    return readable(answer(201, shown), done.position, SERVES)


@serves("GET", "/<path:name>")
def get(application_id: str, name: str) -> Response:
    """One webhook."""
    caller = authorized(application_id, READ)
    return answer(200, _shown(application_id, _known(caller, name)))


@serves("PUT", "/<path:name>")
def update(application_id: str, name: str) -> Response:
    """Change where a webhook is, or what it is told; its name never changes."""
    caller = authorized(application_id, WRITE)
    given = body()
    before = _known(caller, name)
    if optional_text(given, "name") not in (None, before.name):
        raise invalid("name")
    types = types_of(given)
    done = update_webhook(
        services().engine,
        context(caller.actor, caller.scope),
        caller.app_id,
        before.webhook_id,
        url=optional_text(given, "url") or UNSET,
        events=UNSET if types is None else events_of(types),
        types=UNSET if types is None else types,
    )
    return readable(answer(200, _shown(application_id, done.result.webhook)), done.position, SERVES)


@serves("DELETE", "/<path:name>")
def delete(application_id: str, name: str) -> Response:
    """Delete a webhook."""
    caller = authorized(application_id, WRITE)
    known = _known(caller, name)
    who = context(caller.actor, caller.scope)
    done = delete_webhook(services().engine, who, caller.app_id, known.webhook_id)
    return readable(nothing(), done.position, SERVES)


def _known(caller: Caller, name: str) -> WebhookCreated:
    """The webhook of a name, as the record has it. Raises Refusal."""
    for webhook in load_enabled(services().engine, caller.app_id).webhooks.values():
        if (webhook.format, webhook.name) == (NAME, name.rstrip("/")):
            return webhook
    raise missing("webhooks", "name")


def _shown(application_id: str, webhook: Webhook | WebhookCreated) -> dict[str, Any]:
    return {
        "name": webhook.name,
        "url": webhook.url,
        "eventTypes": ",".join(webhook.types),
        "href": href(application_id, "webhooks", webhook.name),
    }
