"""A secret that was replaced, or that nothing is opened by any more, is destroyed with the event that says so."""

from __future__ import annotations

import hashlib
from uuid import UUID

import pytest
from vault_contents import is_kept, kept

from tocsin.commands.app_lives import close_app
from tocsin.commands.apps import change_app, load_app
from tocsin.commands.context import Context
from tocsin.commands.credentials import issue_credential, revoke_credential
from tocsin.commands.engine import Engine
from tocsin.commands.providers import configure_provider, keep_provider_part
from tocsin.commands.webhooks import create_webhook, delete_webhook, update_webhook
from tocsin.domain.app import DisableApp, RemoveProvider
from tocsin.domain.errors import Invalid
from tocsin.projections import apps
from tocsin.projections.rebuild import rebuild

WNS = {"client_id": "ms-app://x"}


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


def parts(engine: Engine, app_id: UUID, profile: str = "default") -> dict[str, UUID]:
    """The parts that are kept of what Microsoft is reached with, by name."""
    state = load_app(engine, app_id).state
    assert state is not None
    return state.parts.get(("wns", profile), {})


def keep(engine: Engine, context: Context, app_id: UUID, part: str, secret: bytes, profile: str = "default") -> UUID:
    """The id of a part that was kept."""
    keep_provider_part(engine, Context(context.actor), app_id, "wns", part, secret, profile=profile)
    return parts(engine, app_id, profile)[part]


def test_a_part_of_a_secret_is_destroyed_when_it_is_replaced(engine: Engine, context: Context, app_id: UUID) -> None:
    whole = configured(engine, context, app_id, b"whole")
    first, other = keep(engine, context, app_id, "one", b"1"), keep(engine, context, app_id, "other", b"2")
    elsewhere = keep(engine, context, app_id, "one", b"1", profile="second")
    again = keep(engine, context, app_id, "one", b"3")
    assert kept(engine) == {whole, other, elsewhere, again}
    assert not is_kept(engine, first)
    assert engine.record.vault.open(again) == b"3"


def test_parts_stay_beside_the_whole_that_is_made_of_them_and_go_with_any_other(
    engine: Engine, context: Context, app_id: UUID
) -> None:
    half = keep(engine, context, app_id, "one", b"1")
    configure_provider(engine, Context(context.actor), app_id, "wns", WNS, b"made of it", from_parts=True)
    assert is_kept(engine, half)
    other = configured(engine, context, app_id, b"another")
    assert kept(engine) == {other}


@pytest.mark.parametrize("whole", [True, False])
def test_an_app_that_is_closed_leaves_no_part(engine: Engine, context: Context, app_id: UUID, whole: bool) -> None:
    keep(engine, context, app_id, "one", b"1")
    if whole:
        configure_provider(engine, Context(context.actor), app_id, "wns", WNS, b"made of it", from_parts=True)
    close_app(engine, Context(context.actor), app_id, "other")
    assert kept(engine) == set()


def test_a_provider_that_is_removed_leaves_no_part(engine: Engine, context: Context, app_id: UUID) -> None:
    keep(engine, context, app_id, "one", b"1")
    configure_provider(engine, Context(context.actor), app_id, "wns", WNS, b"made of it", from_parts=True)
    elsewhere = keep(engine, context, app_id, "one", b"1", profile="second")
    change_app(engine, Context(context.actor), app_id, RemoveProvider(provider="wns"))
    assert kept(engine) == {elsewhere}


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


def test_a_fingerprint_tells_secrets_apart_and_is_no_help_in_guessing_one(
    engine: Engine, context: Context, app_id: UUID
) -> None:
    def fingerprint(secret: bytes) -> str:
        done = configure_provider(engine, Context(context.actor), app_id, "wns", WNS, secret)
        return done.result.configured.fingerprint

    first = fingerprint(b"first")
    assert first != fingerprint(b"second")
    assert first == fingerprint(b"first")
    assert first not in hashlib.sha256(b"first").hexdigest()


def test_apps_are_read_anew_without_what_was_destroyed(engine: Engine, context: Context, app_id: UUID) -> None:
    configured(engine, context, app_id, b"first")
    keep(engine, context, app_id, "one", b"1")
    second = configured(engine, context, app_id, b"second")
    issued = issue_credential(engine, Context(context.actor), app_id, kind="client", dialect="some", name="x").result
    revoke_credential(engine, Context(context.actor), app_id, issued.credential.credential_id)

    rebuild(engine.record, ["apps"])
    with engine.record.sessions.connection() as connection:
        provider = apps.provider(connection, app_id, "wns")
        credential = apps.credential(connection, issued.credential.credential_id)
    assert provider is not None
    assert credential is not None
    assert credential.revoked
    assert kept(engine) == {second} == {provider.secret_id}
