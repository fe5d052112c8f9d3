"""Commands on credentials: what callers prove themselves with, issued once and revoked once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import UUID

from tocsin.commands.apps import INSTANCE, AppResult, decision, load_app
from tocsin.commands.context import Context
from tocsin.commands.engine import Decision, Done, Engine, Loaded
from tocsin.commands.ids import new_id
from tocsin.commands.secrets import bearer_token, random_secret, sealed
from tocsin.domain.app import App, IssueCredential, RevokeCredential
from tocsin.domain.errors import Conflict
from tocsin.domain.events.app import CredentialIssued
from tocsin.eventlog.unit import Claim

PUBLIC_ID = "public-id"


@dataclass(frozen=True, slots=True)
class CredentialResult:
    """A credential. ``secret`` is shown this once: what a caller of its kind sends or signs with."""

    app_id: UUID
    credential: CredentialIssued
    secret: str


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
    credential_id, chosen = new_id(), secret or random_secret()
    shown = bearer_token(credential_id, chosen) if kind == "bearer" else chosen
    command = IssueCredential(
        credential_id=credential_id,
        kind=kind,
        dialect=dialect,
        name=name,
        roles=tuple(roles),
        scope=scope,
        public_id=public_id,
        secret_id=new_id(),
    )
    return engine.carry_out(context, lambda: issued(engine, load_app(engine, app_id), [command], command, shown))


def issued(
    engine: Engine, loaded: Loaded[App], commands: Sequence[Any], issue: IssueCredential, secret: str
) -> Decision[CredentialResult]:
    """What ``commands`` on an app come to, one of which, ``issue``, issues a credential with this secret.

    Raises NotFound, Invalid, Conflict where another credential of this dialect and kind has the public id.
    """
    app_id = loaded.stream_id

    def credential(state: App) -> CredentialIssued:
        return state.credentials[issue.credential_id]

    return decision(
        engine,
        loaded,
        commands,
        lambda state: CredentialResult(app_id, credential(state), secret),
        lambda state: public_claims(engine, credential(state)),
        [sealed(engine, issue.secret_id, app_id, issue.kind, secret)],
    )


def revoke_credential(
    engine: Engine, context: Context, app_id: UUID, credential_id: UUID, reason: str | None = None
) -> Done[AppResult]:
    """Revoke a credential: it opens nothing from now on. Raises NotFound."""

    def decide() -> Decision[AppResult]:
        return decision(
            engine,
            load_app(engine, app_id),
            [RevokeCredential(credential_id=credential_id, reason=reason)],
            partial(AppResult, app_id),
            lambda state: released_claims(engine, state.credentials[credential_id]),
        )

    return engine.carry_out(context, decide)


def public_claims(engine: Engine, credential: CredentialIssued, *, checked: bool = True) -> list[Claim]:
    """A public id is one credential's of its dialect and kind, whichever app it belongs to.

    Raises Conflict where it is another's, if that is ``checked``.
    """
    digest = _public_digest(engine, credential)
    if digest is None:
        return []
    owner = engine.record.owner(INSTANCE, PUBLIC_ID, digest) if checked else None
    if owner is not None and owner != credential.credential_id:
        raise Conflict("another credential of this dialect has this public id", field="public_id")
    return [Claim(INSTANCE, PUBLIC_ID, digest, credential.credential_id)]


def released_claims(engine: Engine, credential: CredentialIssued) -> list[Claim]:
    """The public id of a credential that is revoked is free again."""
    digest = _public_digest(engine, credential)
    return [] if digest is None else [Claim(INSTANCE, PUBLIC_ID, digest, None, credential.credential_id)]


def _public_digest(engine: Engine, credential: CredentialIssued) -> bytes | None:
    if credential.public_id is None:
        return None
    return engine.digest(PUBLIC_ID, f"{credential.dialect}:{credential.kind}:{credential.public_id}")
