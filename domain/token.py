"""Access tokens: what a client gets for its secret, good for a while (OAuth 2.0 client credentials, RFC 6749)."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime
from fnmatch import fnmatchcase
from typing import assert_never
from uuid import UUID

import msgspec
from msgspec.structs import replace

from tocsin.domain.entry import Fact
from tocsin.domain.errors import Invalid, NotFound
from tocsin.domain.events.token import TokenIssued, TokenRevoked
from tocsin.domain.rules import Command, OutOfPlace, moment, optional_text, text

MAX_SCOPES = 100


class Token(msgspec.Struct, frozen=True, kw_only=True):
    """A token as it stands."""

    issued: TokenIssued
    revoked: bool = False


class IssueToken(Command, frozen=True, kw_only=True):
    credential_id: UUID
    scope: tuple[str, ...]
    now: datetime
    expires_at: datetime


class RevokeToken(Command, frozen=True, kw_only=True):
    reason: str | None = None


def decide(state: Token | None, command: IssueToken | RevokeToken) -> list[Fact]:
    """The facts ``command`` brings about. Errors: Invalid, NotFound."""
    match command:
        case IssueToken():
            return _issue(command) if state is None else []
        case RevokeToken(reason=reason):
            optional_text(reason, "reason", 1000)
            if state is None:
                raise NotFound("there is no such token")
            return [] if state.revoked else [TokenRevoked(reason=reason)]
        case _:
            assert_never(command)


def _issue(command: IssueToken) -> list[Fact]:
    if len(command.scope) > MAX_SCOPES:
        raise Invalid(f"scope names {len(command.scope)}, at most {MAX_SCOPES} are allowed", field="scope")
    for element in command.scope:
        text(element, "scope", 255)
    expires_at = moment(command.expires_at, "expires_at")
    if expires_at <= moment(command.now, "now"):
        raise Invalid("expires_at must lie in the future", field="expires_at")
    scope = tuple(dict.fromkeys(command.scope))
    return [TokenIssued(credential_id=command.credential_id, scope=scope, expires_at=expires_at)]


def allows(granted: Iterable[str], wanted: str) -> bool:
    """Whether one of ``granted`` is the scope ``wanted``, or a pattern of it: ``*`` stands for anything, or nothing."""
    return any(fnmatchcase(wanted, _pattern(element)) for element in granted)


def grantable(allowed: Collection[str], wanted: Iterable[str]) -> tuple[str, ...]:
    """Those of ``wanted`` a client may have that is allowed ``allowed``, which may be patterns."""
    return tuple(dict.fromkeys(element for element in wanted if allows(allowed, element)))


def _pattern(element: str) -> str:
    """Only ``*`` means more than itself."""
    return element.replace("[", "[[]").replace("?", "[?]")


def fold(facts: Iterable[Fact], state: Token | None = None) -> Token | None:
    """The state after ``facts``, from ``state`` or from nothing."""
    for fact in facts:
        state = evolve(state, fact)
    return state


def evolve(state: Token | None, fact: Fact) -> Token:
    """The state after ``fact``. Errors: OutOfPlace for a fact that cannot stand there."""
    if state is None:
        if isinstance(fact, TokenIssued):
            return Token(issued=fact)
        raise OutOfPlace("token", fact)
    if isinstance(fact, TokenRevoked):
        return replace(state, revoked=True)
    raise OutOfPlace("token", fact)
