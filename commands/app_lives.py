"""The two ends of an app that is reached by one public id: it begins with its credential, and ends with all it has."""

from __future__ import annotations

from functools import partial
from typing import Any
from uuid import UUID

from tocsin.commands.apps import AppResult, decision, load_app
from tocsin.commands.context import Context
from tocsin.commands.credentials import CredentialResult, issued, released_claims
from tocsin.commands.engine import Decision, Done, Engine
from tocsin.commands.ids import new_id
from tocsin.commands.secrets import random_secret
from tocsin.domain import app
from tocsin.domain.app import (
    App,
    CreateApp,
    DeleteTag,
    DeleteWebhook,
    DisableApp,
    DropProviderParts,
    IssueCredential,
    RemoveProvider,
    RevokeCredential,
)


def open_app(
    engine: Engine,
    context: Context,
    name: str,
    *,
    kind: str,
    dialect: str,
    public_id: str,
    disabled: bool = False,
) -> Done[CredentialResult]:
    """Create an app with a credential under whose ``public_id`` it is known, both or neither.

    Raises Invalid, Conflict where another credential of this dialect and kind has the public id.
    """
    app_id, secret = new_id(), random_secret()
    issue = IssueCredential(
        credential_id=new_id(), kind=kind, dialect=dialect, name=name, public_id=public_id, secret_id=new_id()
    )
    commands: list[Any] = [CreateApp(name=name), issue, *([DisableApp()] if disabled else [])]
    return engine.carry_out(context, lambda: issued(engine, engine.load(app_id, app), commands, issue, secret))


def close_app(engine: Engine, context: Context, app_id: UUID, dialect: str) -> Done[AppResult]:
    """Disable an app for good: its tags, webhooks and providers are let go, its credentials of ``dialect`` revoked.

    Their public ids are free again. Its devices are the caller's to retire. Raises NotFound.
    """

    def decide() -> Decision[AppResult]:
        loaded = load_app(engine, app_id)
        assert loaded.state is not None
        revoked = _revocations(loaded.state, dialect)
        return decision(
            engine,
            loaded,
            [*_removals(loaded.state), *revoked, DisableApp()],
            partial(AppResult, app_id),
            lambda state: [
                claim
                for command in revoked
                for claim in released_claims(engine, state.credentials[command.credential_id])
            ],
        )

    return engine.carry_out(context, decide)


def _removals(state: App) -> list[Any]:
    return [
        *(DeleteTag(tag=tag) for tag in state.tags),
        *(DeleteWebhook(webhook_id=webhook_id) for webhook_id in state.webhooks),
        *(RemoveProvider(provider=provider, profile=profile) for provider, profile in state.providers),
        *(DropProviderParts(provider=provider, profile=profile) for provider, profile in state.parts),
    ]


def _revocations(state: App, dialect: str) -> list[RevokeCredential]:
    return [
        RevokeCredential(credential_id=credential_id)
        for credential_id, credential in state.credentials.items()
        if credential.dialect == dialect and credential_id not in state.revoked
    ]
