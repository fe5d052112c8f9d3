"""A secret that was replaced, or that nothing is opened by any more, is destroyed with the event that says so."""

from __future__ import annotations

from uuid import UUID

import pytest

from tocsin.commands.app_lives import close_app
from tocsin.commands.apps import change_app, configure_provider, issue_credential, load_app, revoke_credential
from tocsin.commands.context import Context
from tocsin.commands.engine import Engine
from tocsin.commands.webhooks import create_webhook, delete_webhook, update_webhook
from tocsin.domain.app import DisableApp, RemoveProvider
from tocsin.domain.errors import Invalid

WNS = {"client_id": "ms-app://x"}


def is_kept(engine: Engine, secret_id: UUID | None) -> bool:
    """Whether the vault has a secret still."""
    assert secret_id is not None
    try:
        engine.record.vault.open(secret_id)
    except KeyError:
        return False
    return True


def configured(engine: Engine, context: Context, app_id: UUID, secret: bytes, profile: str = "default") -> UUID:
    """The id of the secret by which a provider is reached after it was configured with this one."""
    done = configure_provider(engine, Context(context.actor), app_id, "wns", WNS, secret, profile=profile)
    return done.result.configured.secret_id


def test_a_replaced_provider_secret_is_destroyed_and_no_other(engine: Engine, context: Context, app_id: UUID) -> None:
    first = configured(engine, context, app_id, b"first")
    other = configured(engine, context, app_id, b"first", profile="second")
    assert configured(engine, context, app_id, b"first") == first
    assert is_kept(engine, first)
    second = configured(engine, context, app_id, b"second")
    assert not is_kept(engine, first)
    assert engine.record.vault.open(second) == b"second"
    assert is_kept(engine, other)
    assert load_app(engine, app_id).state is not None


def test_a_secret_that_cannot_take_the_place_of_another_leaves_it(
    engine: Engine, context: Context, app_id: UUID
) -> None:
    first = configured(engine, context, app_id, b"first")
    with pytest.raises(Invalid):
        configured(engine, context, app_id, b"")
    assert is_kept(engine, first)


def test_a_provider_that_is_removed_leaves_no_secret(engine: Engine, context: Context, app_id: UUID) -> None:
    first = configured(engine, context, app_id, b"first")
    change_app(engine, Context(context.actor), app_id, DisableApp())
    assert is_kept(engine, first), "an app can be enabled again"
    change_app(engine, Context(context.actor), app_id, RemoveProvider(provider="wns"))
    assert not is_kept(engine, first)


def test_a_webhooks_secret_goes_when_it_has_another_and_with_the_webhook(
    engine: Engine, context: Context, app_id: UUID
) -> None:
    made = create_webhook(engine, Context(context.actor), app_id, "desk", "https://desk.example.org/", ["send.*"])
    first, webhook_id = made.result.webhook.secret_id, made.result.webhook.webhook_id
    changed = update_webhook(engine, Context(context.actor), app_id, webhook_id, new_secret=True)
    second = changed.result.webhook.secret_id
    assert (is_kept(engine, first), is_kept(engine, second)) == (False, True)
    update_webhook(engine, Context(context.actor), app_id, webhook_id, url="https://desk.example.org/other")
    assert is_kept(engine, second)
    delete_webhook(engine, Context(context.actor), app_id, webhook_id)
    assert not is_kept(engine, second)


def test_a_revoked_credential_leaves_no_secret(engine: Engine, context: Context, app_id: UUID) -> None:
    issued = [
        issue_credential(
            engine, Context(context.actor), app_id, kind="hmac", dialect="native", name=name
        ).result.credential
        for name in ("one", "other")
    ]
    revoke_credential(engine, Context(context.actor), app_id, issued[0].credential_id)
    assert [is_kept(engine, one.secret_id) for one in issued] == [False, True]
    assert not revoke_credential(engine, Context(context.actor), app_id, issued[0].credential_id).changed


def test_an_app_that_is_closed_leaves_none(engine: Engine, context: Context, app_id: UUID) -> None:
    secret_id = configured(engine, context, app_id, b"first")
    close_app(engine, Context(context.actor), app_id, "other")
    assert not is_kept(engine, secret_id)
