"""The read model of users: accounts, where a dialect has them, and their sessions."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from msgspec.structs import replace
from psycopg import Connection

from tocsin.domain.entry import Entry
from tocsin.domain.events.token import TokenRevoked
from tocsin.domain.events.user import (
    SessionClosed,
    SessionExtended,
    SessionOpened,
    UserCreated,
    UserCredentialChanged,
    UserDisabled,
    UserEnabled,
    UserErased,
)
from tocsin.domain.personal import Personal
from tocsin.projections.cursors import settled
from tocsin.projections.pages import Page, page
from tocsin.projections.projection import Digest, Projection, Target, of_streams
from tocsin.projections.tables import Table

SCHEMA = "users_v1"

ACTIVE = "active"
DISABLED = "disabled"
ERASED = "erased"


class User(msgspec.Struct, frozen=True):
    """``name``: what the user signs in with. ``secret_id``: of the password in the vault, if there is one. ``state``:
    ``active``, ``disabled`` or ``erased``, after which name and profile are gone."""

    user_id: UUID
    app_id: UUID
    name: str | None
    name_digest: bytes | None
    profile: Any
    roles: list[str]
    secret_id: UUID | None
    state: str
    created_at: datetime
    created_position: int
    position: int


class Session(msgspec.Struct, frozen=True):
    """``secret_id``: a keyed digest of the token. ``closed_at``: None until it is closed; it may have expired."""

    session_id: UUID
    user_id: UUID
    app_id: UUID
    secret_id: UUID
    opened_at: datetime
    expires_at: datetime | None
    closed_at: datetime | None
    reason: str | None

    def is_open(self, now: datetime) -> bool:
        """Whether it may be used at ``now``."""
        return self.closed_at is None and (self.expires_at is None or now < self.expires_at)


_USERS = Table(SCHEMA, "account", User, "user_id")
_SESSIONS = Table(SCHEMA, "session", Session, "session_id")

_CLOSE = """
    update {schema}.session s set closed_at = e.at, reason = 'erased'
    from unnest(%s::uuid[], %s::timestamptz[]) as e (user_id, at)
    where s.user_id = e.user_id and s.closed_at is null and s.opened_at <= e.at"""

_REVOKE = "insert into {schema}.revoked_token (token_id) select unnest(%s::uuid[])"

_OF_SESSIONS = (SessionOpened, SessionExtended, SessionClosed)


class UsersProjection(Projection):
    """Folds the User streams; of the Token streams which were revoked."""

    name = "users"
    wanted = of_streams("user") | {"token.revoked"}

    def fold(self, target: Target, entries: Sequence[Entry]) -> None:
        revoked = [entry.originator_id for entry in entries if isinstance(entry.fact, TokenRevoked)]
        if revoked:
            target.run(_REVOKE, revoked)
        others = (*_OF_SESSIONS, TokenRevoked)
        _fold_users(target, [entry for entry in entries if not isinstance(entry.fact, others)])
        _fold_sessions(target, [entry for entry in entries if isinstance(entry.fact, _OF_SESSIONS)])
        erased = [entry for entry in entries if isinstance(entry.fact, UserErased)]
        if erased:
            target.run(_CLOSE, [entry.originator_id for entry in erased], [entry.recorded_at for entry in erased])


def _fold_users(target: Target, entries: Sequence[Entry]) -> None:
    before = _USERS.load(target, {entry.originator_id for entry in entries})
    rows = dict(before)
    for entry in entries:
        row = rows.get(entry.originator_id)
        if isinstance(entry.fact, UserCreated):
            rows[entry.originator_id] = _created(entry.fact, entry, target.digest)
        elif row is not None:
            rows[entry.originator_id] = replace(row, **_changes(entry), position=entry.position)
        else:
            raise LookupError(f"user {entry.originator_id} was never created")
    _USERS.save(target, before, rows)


def _created(fact: UserCreated, entry: Entry, digest: Digest) -> User:
    assert entry.recorded_at is not None
    name = _clear(fact.name)
    return User(
        user_id=entry.originator_id,
        app_id=entry.app_id,
        name=name,
        name_digest=None if name is None else digest("user", name),
        profile=_clear(fact.profile),
        roles=list(fact.roles),
        secret_id=None,
        state=ACTIVE,
        created_at=entry.recorded_at,
        created_position=entry.position,
        position=entry.position,
    )


def _clear(value: Personal | None) -> Any:
    return None if value is None else value.value


def _changes(entry: Entry) -> dict[str, Any]:
    match entry.fact:
        case UserCredentialChanged(secret_id=secret_id):
            return {"secret_id": secret_id}
        case UserDisabled():
            return {"state": DISABLED}
        case UserEnabled():
            return {"state": ACTIVE}
        case UserErased():
            return {"state": ERASED, "name": None, "name_digest": None, "profile": None, "secret_id": None}
    raise LookupError(f"{type(entry.fact).__name__} is no fact of a user")


def _fold_sessions(target: Target, entries: Sequence[Entry]) -> None:
    changed = (SessionExtended, SessionClosed)
    before = _SESSIONS.load(target, {entry.fact.session_id for entry in entries if isinstance(entry.fact, changed)})
    rows = dict(before)
    for entry in entries:
        fact = entry.fact
        if isinstance(fact, SessionOpened):
            rows[fact.session_id] = _opened(fact, entry)
        elif isinstance(fact, SessionExtended):
            rows[fact.session_id] = replace(rows[fact.session_id], expires_at=fact.expires_at)
        elif isinstance(fact, SessionClosed):
            rows[fact.session_id] = replace(rows[fact.session_id], closed_at=entry.recorded_at, reason=fact.reason)
    _SESSIONS.save(target, before, rows)


def _opened(fact: SessionOpened, entry: Entry) -> Session:
    assert entry.recorded_at is not None
    return Session(
        session_id=fact.session_id,
        user_id=entry.originator_id,
        app_id=entry.app_id,
        secret_id=fact.secret_id,
        opened_at=entry.recorded_at,
        expires_at=fact.expires_at,
        closed_at=None,
        reason=None,
    )


def user(connection: Connection[Any], app_id: UUID, user_id: UUID) -> User | None:
    """One user of an app."""
    return _USERS.first(connection, "where user_id = %s and app_id = %s", user_id, app_id)


def user_by_name(connection: Connection[Any], app_id: UUID, digest: bytes) -> User | None:
    """The user of this name; ``digest``: the key ring's, of purpose ``user``."""
    return _USERS.first(connection, "where name_digest = %s and app_id = %s", digest, app_id)


def user_by_number(connection: Connection[Any], app_id: UUID, number: int) -> User | None:
    """One user by the number that is their ``created_position``."""
    return _USERS.first(connection, "where created_position = %s and app_id = %s", number, app_id)


def list_users(connection: Connection[Any], app_id: UUID, *, after: int = 0, limit: int = 100) -> Page[User, int]:
    """An app's users, from those whose ``created_position`` is above ``after``."""
    condition = (
        "where app_id = %s and created_position > %s and created_position <= %s order by created_position limit %s"
    )
    found = _USERS.select(connection, condition, app_id, after, settled(connection, _USERS.schema), limit + 1)
    return page(found, limit, lambda row: row.created_position)


def session(connection: Connection[Any], session_id: UUID) -> Session | None:
    """One session, of whichever app."""
    return _SESSIONS.first(connection, "where session_id = %s", session_id)


def sessions(connection: Connection[Any], user_id: UUID) -> list[Session]:
    """A user's sessions that nobody closed, the newest first."""
    return _SESSIONS.select(connection, "where user_id = %s and closed_at is null order by opened_at desc", user_id)


def session_by_secret(connection: Connection[Any], secret_id: UUID) -> Session | None:
    """The session that a token opens, by ``commands.users.session_secret_id`` of it; of whichever app."""
    return _SESSIONS.first(connection, "where secret_id = %s", secret_id)


def is_revoked(connection: Connection[Any], token_id: UUID) -> bool:
    """Whether an access token was revoked before its time."""
    found = connection.execute("select from users_v1.revoked_token where token_id = %s", (token_id,)).fetchone()
    return found is not None
