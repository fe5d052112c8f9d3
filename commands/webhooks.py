"""Commands on webhooks: where an app wants to be told of which events, signed with a secret of its own."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from msgspec import UNSET, UnsetType

from tocsin.commands.apps import decision, load_app
from tocsin.commands.context import Context
from tocsin.commands.engine import Decision, Done, Engine
from tocsin.commands.ids import new_id
from tocsin.commands.secrets import sealed
from tocsin.domain.app import CreateWebhook, DeleteWebhook, UpdateWebhook
from tocsin.domain.errors import NotFound
from tocsin.domain.events.app import WebhookCreated

SECRET_PREFIX = "whsec_"  # noqa: S105


@dataclass(frozen=True, slots=True)
class WebhookResult:
    """A webhook as it stands. ``secret``: shown where it is new, in the form receivers' libraries take."""

    app_id: UUID
    webhook: WebhookCreated
    secret: str | None = None


def webhook_secret() -> str:
    """192 random bits as the Standard Webhooks specification writes them: ``whsec_`` and base 64."""
    return SECRET_PREFIX + base64.b64encode(secrets.token_bytes(24)).decode()


def create_webhook(
    engine: Engine,
    context: Context,
    app_id: UUID,
    name: str,
    url: str,
    events: Sequence[str],
    *,
    form: str = "native",
    types: Sequence[str] = (),
) -> Done[WebhookResult]:
    """Create a webhook; ``form``: how events are told (its ``format``), ``types``: what that calls them.

    Raises NotFound, Invalid, Conflict where the app has one of that name.
    """
    webhook_id, secret_id, secret = new_id(), new_id(), webhook_secret()
    command = CreateWebhook(
        webhook_id=webhook_id,
        name=name,
        url=url,
        events=tuple(events),
        secret_id=secret_id,
        format=form,
        types=tuple(types),
    )

    def decide() -> Decision[WebhookResult]:
        return decision(
            engine,
            load_app(engine, app_id),
            [command],
            lambda state: WebhookResult(app_id, state.webhooks[webhook_id], secret),
            secrets=[sealed(engine, secret_id, app_id, "webhook", secret)],
        )

    return engine.carry_out(context, decide)


def update_webhook(
    engine: Engine,
    context: Context,
    app_id: UUID,
    webhook_id: UUID,
    *,
    url: str | UnsetType = UNSET,
    events: Sequence[str] | UnsetType = UNSET,
    types: Sequence[str] | UnsetType = UNSET,
    new_secret: bool = False,
) -> Done[WebhookResult]:
    """Change a webhook; with ``new_secret``, what comes after is signed with another. Raises NotFound, Invalid."""
    secret_id, secret = new_id(), webhook_secret()
    command = UpdateWebhook(
        webhook_id=webhook_id,
        url=url,
        events=_tuple(events),
        types=_tuple(types),
        secret_id=secret_id if new_secret else UNSET,
    )

    def decide() -> Decision[WebhookResult]:
        return decision(
            engine,
            load_app(engine, app_id),
            [command],
            lambda state: WebhookResult(app_id, state.webhooks[webhook_id], secret if new_secret else None),
            secrets=[sealed(engine, secret_id, app_id, "webhook", secret)] if new_secret else [],
        )

    return engine.carry_out(context, decide)


def _tuple(given: Sequence[str] | UnsetType) -> tuple[str, ...] | UnsetType:
    return UNSET if isinstance(given, UnsetType) else tuple(given)


def delete_webhook(engine: Engine, context: Context, app_id: UUID, webhook_id: UUID) -> Done[WebhookResult]:
    """Delete a webhook; what it was still to be told is dropped. Raises NotFound."""

    def decide() -> Decision[WebhookResult]:
        loaded = load_app(engine, app_id)
        assert loaded.state is not None
        gone = loaded.state.webhooks.get(webhook_id)
        if gone is None:
            raise NotFound("this app has no such webhook")
        command = DeleteWebhook(webhook_id=webhook_id)
        return decision(engine, loaded, [command], lambda _: WebhookResult(app_id, gone))

    return engine.carry_out(context, decide)
