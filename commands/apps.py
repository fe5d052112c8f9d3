"""Commands on apps: the app, its providers, credentials, tags, webhooks and templates."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

from tocsin.commands.context import Context
from tocsin.commands.engine import Decision, Done, Engine, Loaded
from tocsin.commands.ids import new_id
from tocsin.commands.secrets import bearer_token, no_longer_needed, random_secret, sealed
from tocsin.domain import app
from tocsin.domain.app import (
    App,
    CreateApp,
    IssueCredential,
    RevokeCredential,
    UpdateApp,
)
from tocsin.domain.entry import Entry
from tocsin.domain.errors import Conflict, NotFound
from tocsin.domain.events.app import CredentialIssued
from tocsin.eventlog.unit import Claim

INSTANCE = uuid5(NAMESPACE_URL, "tocsin:instance")
"""The app that stands for the instance itself: its credentials are good for every app, and alone create new ones."""

HOST = "host"
PUBLIC_ID = "public-id"


@dataclass(frozen=True, slots=True)
class AppResult:
    """An app as it stands after the command."""

    app_id: UUID
    app: App


@dataclass(frozen=True, slots=True)
class CredentialResult:
    """A credential. ``secret`` is shown this once: what a caller of its kind sends or signs with."""

    app_id: UUID
    credential: CredentialIssued
    secret: str


def create_app(
    engine: Engine,
    context: Context,
    name: str,
    *,
    hosts: Sequence[str] = (),
    settings: Mapping[str, Any] | None = None,
    app_id: UUID | None = None,
) -> Done[AppResult]:
    """Create an app. Raises Invalid, Conflict where it exists or a host belongs to another app."""
    chosen = app_id or new_id()
    command = CreateApp(name=name, hosts=tuple(hosts), settings=dict(settings or {}))

    def decide() -> Decision[AppResult]:
        loaded = engine.load(chosen, app)
        facts, state = loaded.decide(command)
        assert state is not None
        claims = _host_claims(engine, chosen, (), state.hosts)
        return Decision(AppResult(chosen, state), [loaded.change(chosen, facts)], claims)

    return engine.carry_out(context, decide)


def change_app(engine: Engine, context: Context, app_id: UUID, command: Any) -> Done[AppResult]:
    """Carry out any command on an app that needs no secret: update, disable, enable, tags, templates, removals.

    Raises NotFound, Conflict, Invalid.
    """

    def decide() -> Decision[AppResult]:
        loaded = load_app(engine, app_id)
        before = loaded.state
        facts, state = loaded.decide(command)
        assert before is not None
        assert state is not None
        claims = _host_claims(engine, app_id, before.hosts, state.hosts) if isinstance(command, UpdateApp) else []
        secrets = no_longer_needed(engine, app_id, before, state)
        return Decision(AppResult(app_id, state), [loaded.change(app_id, facts)], claims, secrets)

    return engine.carry_out(context, decide)


def change_settings(
    engine: Engine,
    context: Context,
    app_id: UUID,
    dialect: str,
    change: Callable[[Mapping[str, Any]], Mapping[str, Any]],
) -> Done[AppResult]:
    """Change what an app's settings say of one API: ``change`` makes the new part of the old one, whatever others do.

    Raises NotFound, Conflict where the app is disabled, Invalid.
    """

    def decide() -> Decision[AppResult]:
        loaded = load_app(engine, app_id)
        assert loaded.state is not None
        before = loaded.state.settings.get(dialect)
        own = dict(change(before if isinstance(before, dict) else {}))
        facts, state = loaded.decide(UpdateApp(settings={**loaded.state.settings, dialect: own}))
        assert state is not None
        return Decision(AppResult(app_id, state), [loaded.change(app_id, facts)])

    return engine.carry_out(context, decide)


def issue_credential(
    engine: Engine,
    context: Context,
    app_id: UUID,
    *,
    kind: str,
    dialect: str,
    name: str,
    roles: Sequence[str] = (),
    scope: str | None = None,
    public_id: str | None = None,
    secret: str | None = None,
) -> Done[CredentialResult]:
    """Issue a credential; the answer is the only time its secret is seen, unless the caller chose ``secret``.

    ``kind``: one of those in ``tocsin.commands.secrets``. Raises NotFound, Invalid, Conflict where another
    credential of this dialect has the public id.
    """
    credential_id, secret_id = new_id(), new_id()
    chosen = secret or random_secret()
    shown = bearer_token(credential_id, chosen) if kind == "bearer" else chosen
    command = IssueCredential(
        credential_id=credential_id,
        kind=kind,
        dialect=dialect,
        name=name,
        roles=tuple(roles),
        scope=scope,
        public_id=public_id,
        secret_id=secret_id,
    )

    def decide() -> Decision[CredentialResult]:
        loaded = load_app(engine, app_id)
        facts, state = loaded.decide(command)
        assert state is not None
        return Decision(
            CredentialResult(app_id, state.credentials[credential_id], shown),
            [loaded.change(app_id, facts)],
            public_claims(engine, credential_id, dialect, kind, public_id),
            [sealed(engine, secret_id, app_id, kind, shown)],
        )

    return engine.carry_out(context, decide)


def revoke_credential(
    engine: Engine, context: Context, app_id: UUID, credential_id: UUID, reason: str | None = None
) -> Done[AppResult]:
    """Revoke a credential: it opens nothing from now on. Raises NotFound."""

    def decide() -> Decision[AppResult]:
        loaded = load_app(engine, app_id)
        facts, state = loaded.decide(RevokeCredential(credential_id=credential_id, reason=reason))
        assert loaded.state is not None
        assert state is not None
        issued = state.credentials[credential_id]
        claims = public_claims(engine, credential_id, issued.dialect, issued.kind, issued.public_id, release=True)
        secrets = no_longer_needed(engine, app_id, loaded.state, state)
        return Decision(AppResult(app_id, state), [loaded.change(app_id, facts)], claims if facts else [], secrets)

    return engine.carry_out(context, decide)


def load_app(engine: Engine, app_id: UUID) -> Loaded[App]:
    """An app, disabled or not. Raises NotFound."""
    loaded = engine.load_kept(app_id, app)
    if loaded.state is None:
        raise NotFound("there is no such app", app=str(app_id))
    return loaded


def load_enabled(engine: Engine, app_id: UUID) -> App:
    """An app that may be used. Raises NotFound, Conflict where it is disabled."""
    state = load_app(engine, app_id).state
    assert state is not None
    if state.disabled:
        raise Conflict("this app is disabled", app=str(app_id))
    return state


def ensure_instance(engine: Engine, context: Context) -> None:
    """Create the app that stands for the instance, where it is not there yet."""
    if engine.load(INSTANCE, app).state is None:
        try:
            create_app(engine, context, "instance", app_id=INSTANCE)
        except Conflict:
            # Another process was quicker.
            return


def claims_of(entries: Sequence[Entry], engine: Engine) -> list[Claim]:
    """The claims an app's stream holds, derived from its entries."""
    loaded: Loaded[App] = Loaded(entries[0].originator_id, app, entries)
    state = loaded.state
    assert state is not None
    claims = _host_claims(engine, loaded.stream_id, (), state.hosts, checked=False)
    for credential_id, issued in state.credentials.items():
        if credential_id not in state.revoked:
            claims += public_claims(engine, credential_id, issued.dialect, issued.kind, issued.public_id, checked=False)
    return claims


def _host_claims(
    engine: Engine, app_id: UUID, before: Sequence[str], after: Sequence[str], *, checked: bool = True
) -> list[Claim]:
    digests = {host: engine.digest(HOST, host) for host in {*before, *after}}
    if checked:
        owners = engine.record.owners(INSTANCE, HOST, list(digests.values()))
        for host in after:
            if owners.get(digests[host], app_id) != app_id:
                raise Conflict(f"another app answers at {host}", field="hosts")
    taken = [Claim(INSTANCE, HOST, digests[host], app_id) for host in after if host not in before]
    left = [Claim(INSTANCE, HOST, digests[host], None, app_id) for host in before if host not in after]
    return taken + left


def public_claims(
    engine: Engine,
    credential_id: UUID,
    dialect: str,
    kind: str,
    public_id: str | None,
    *,
    release: bool = False,
    checked: bool = True,
) -> list[Claim]:
    """A public id is one credential's of its dialect and kind, whichever app it belongs to."""
    if public_id is None:
        return []
    digest = engine.digest(PUBLIC_ID, f"{dialect}:{kind}:{public_id}")
    if release:
        return [Claim(INSTANCE, PUBLIC_ID, digest, None, credential_id)]
    owner = engine.record.owner(INSTANCE, PUBLIC_ID, digest) if checked else None
    if owner is not None and owner != credential_id:
        raise Conflict("another credential of this dialect has this public id", field="public_id")
    return [Claim(INSTANCE, PUBLIC_ID, digest, credential_id)]
