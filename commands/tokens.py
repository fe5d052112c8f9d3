"""Access tokens: issued to a client for its secret, signed under a key of the instance, good for a while.

A token carries what it is good for, so that checking one reads nothing but whether its credential still stands. That it
was issued is an event, on a stream of its own: a client that asks for a thousand tokens makes no long stream.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import msgspec

from tocsin.commands.apps import load_app
from tocsin.commands.context import Context
from tocsin.commands.engine import Decision, Done, Engine
from tocsin.commands.ids import new_id
from tocsin.domain import token
from tocsin.domain.described import described
from tocsin.domain.errors import Forbidden, NotFound, Unauthenticated
from tocsin.domain.token import IssueToken, RevokeToken, grantable

LIFETIME = timedelta(hours=1)

_PURPOSE = "access-token"


@described
class AccessToken(msgspec.Struct, frozen=True, kw_only=True):
    """What a token says. ``token_id``: its stream. ``app_id``: of the credential; the instance's is good for all."""

    token_id: UUID
    app_id: UUID
    credential_id: UUID
    scope: tuple[str, ...]
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class TokenResult:
    """A token. ``text`` is what the client sends, and is kept nowhere."""

    token: AccessToken
    text: str


def issue_access_token(
    engine: Engine,
    context: Context,
    app_id: UUID,
    credential_id: UUID,
    scope: Sequence[str],
    lifetime: timedelta = LIFETIME,
) -> Done[TokenResult]:
    """Issue a token for those elements of ``scope`` that the credential's own scope allows.

    The credential's scope is elements with spaces between, ``*`` in one standing for anything. The caller has checked
    its secret. Raises NotFound for a credential that is not the app's or is revoked, Forbidden where it may have none
    of what was asked for, Invalid.
    """
    token_id = new_id()

    def decide() -> Decision[TokenResult]:
        issued = _granted(engine, app_id, credential_id, scope, lifetime, token_id)
        command = IssueToken(
            credential_id=credential_id, scope=issued.scope, now=engine.clock(), expires_at=issued.expires_at
        )
        loaded = engine.load(token_id, token)
        change = loaded.change(app_id, token.decide(loaded.state, command), root_id=credential_id)
        return Decision(TokenResult(issued, _signed(engine, issued)), [change])

    return engine.carry_out(context, decide)


def _granted(
    engine: Engine, app_id: UUID, credential_id: UUID, scope: Sequence[str], lifetime: timedelta, token_id: UUID
) -> AccessToken:
    state = load_app(engine, app_id).state
    assert state is not None
    credential = state.credentials.get(credential_id)
    if credential is None or credential_id in state.revoked:
        raise NotFound("this app has no such credential, or it is revoked")
    granted = grantable((credential.scope or "").split(), scope)
    if scope and not granted:
        raise Forbidden("this client may have none of the scopes it asked for")
    expires_at = engine.clock().replace(microsecond=0) + lifetime
    return AccessToken(
        token_id=token_id, app_id=app_id, credential_id=credential_id, scope=granted, expires_at=expires_at
    )


def read_access_token(engine: Engine, text: str) -> AccessToken:
    """What a token says that a caller sent, if it is one of ours and has not ended.

    Whether its credential was revoked meanwhile is the caller's to look up (``projections.apps.credential``), and so is
    whether the token was (``projections.users.is_revoked``). Raises Unauthenticated.
    """
    body, _, seal = text.partition(".")
    # One that holds other characters than ours is not one of ours, and may be impossible to digest.
    if not (text.isascii() and hmac.compare_digest(seal, _seal(engine, body))):
        raise Unauthenticated("the access token is not one of ours")
    try:
        found = msgspec.json.decode(_decoded(body), type=AccessToken)
    except (msgspec.MsgspecError, binascii.Error) as error:
        raise Unauthenticated("the access token is not one of ours") from error
    if found.expires_at <= engine.clock():
        raise Unauthenticated("the access token has expired: ask for a new one")
    return found


def revoke_access_token(
    engine: Engine, context: Context, app_id: UUID, token_id: UUID, reason: str | None = None
) -> Done[UUID]:
    """Record that a token is not to be taken any more. Raises NotFound."""

    def decide() -> Decision[UUID]:
        loaded = engine.load(token_id, token)
        if loaded.state is None or loaded.entries[0].app_id != app_id:
            raise NotFound("there is no such token")
        root = loaded.state.issued.credential_id
        return Decision(token_id, [loaded.change(app_id, loaded.decide(RevokeToken(reason=reason))[0], root_id=root)])

    return engine.carry_out(context, decide)


def _signed(engine: Engine, issued: AccessToken) -> str:
    body = base64.urlsafe_b64encode(msgspec.json.encode(issued)).rstrip(b"=").decode()
    return f"{body}.{_seal(engine, body)}"


def _seal(engine: Engine, body: str) -> str:
    return base64.urlsafe_b64encode(engine.digest(_PURPOSE, body)).rstrip(b"=").decode()


def _decoded(body: str) -> bytes:
    return base64.b64decode(body + "=" * (-len(body) % 4), altchars=b"-_", validate=True)
