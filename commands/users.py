"""Commands on users, where a dialect has accounts: sign-up, password, sessions, erasure of what is known of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from tocsin.commands.apps import load_enabled
from tocsin.commands.context import Context
from tocsin.commands.engine import Decision, Done, Engine, Loaded
from tocsin.commands.ids import new_id
from tocsin.commands.people import Digest, user, user_id
from tocsin.commands.secrets import no_longer_needed, random_secret, sealed
from tocsin.domain import user as users
from tocsin.domain.errors import NotFound
from tocsin.domain.personal import Personal
from tocsin.domain.user import ChangeCredential, CloseSession, CreateUser, ExtendSession, OpenSession, User
from tocsin.eventlog.unit import Secret

SESSION = "session"

SLACK = 0.25
"""How much of its time-out a session is given on top, so that using it is an event only so often."""


@dataclass(frozen=True, slots=True)
class UserResult:
    """A user as it stands after the command."""

    user_id: UUID
    app_id: UUID
    user: User


@dataclass(frozen=True, slots=True)
class SessionResult:
    """A session that was opened. ``token`` is shown this once."""

    user_id: UUID
    session_id: UUID
    token: str


def create_user(
    engine: Engine,
    context: Context,
    app_id: UUID,
    name: str,
    *,
    password: str | None = None,
    profile: dict[str, Any] | None = None,
    roles: Sequence[str] = (),
) -> Done[UserResult]:
    """Create a user; the name is unique in its app, as the stream's id is made from it.

    Raises NotFound, Invalid, Conflict where there is a user of that name.
    """
    stream_id = user_id(engine.digest, app_id, name)
    secret_id = new_id()

    def decide() -> Decision[UserResult]:
        load_enabled(engine, app_id)
        loaded = engine.load(stream_id, users)
        details = None if profile is None else Personal(stream_id, profile)
        command = CreateUser(name=user(engine.digest, app_id, name), profile=details, roles=tuple(roles))
        facts = list(loaded.decide(command)[0])
        state = users.fold(facts, loaded.state)
        secrets: list[Secret] = []
        if password is not None:
            facts += users.decide(state, ChangeCredential(secret_id=secret_id))
            secrets = [sealed(engine, secret_id, app_id, "password", password)]
        return _decision(engine, app_id, loaded, facts, secrets)

    return engine.carry_out(context, decide)


def change_password(
    engine: Engine, context: Context, app_id: UUID, user_stream: UUID, password: str | None
) -> Done[UserResult]:
    """Set a user's password, or None so that nobody can sign in. Raises NotFound, Conflict, Invalid."""
    secret_id = new_id()

    def decide() -> Decision[UserResult]:
        loaded = load_user(engine, app_id, user_stream)
        chosen = None if password is None else secret_id
        facts, _ = loaded.decide(ChangeCredential(secret_id=chosen))
        secrets = [] if password is None else [sealed(engine, secret_id, app_id, "password", password)]
        return _decision(engine, app_id, loaded, facts, secrets)

    return engine.carry_out(context, decide)


def change_user(engine: Engine, context: Context, app_id: UUID, user_stream: UUID, command: Any) -> Done[UserResult]:
    """Carry out a command on a user that brings no secret: disable, enable, erase. Raises NotFound, Conflict."""

    def decide() -> Decision[UserResult]:
        loaded = load_user(engine, app_id, user_stream)
        return _decision(engine, app_id, loaded, loaded.decide(command)[0])

    return engine.carry_out(context, decide)


def open_session(
    engine: Engine,
    context: Context,
    app_id: UUID,
    user_stream: UUID,
    expires_at: datetime | None = None,
    *,
    timeout: timedelta | None = None,
    password: UUID | None = None,
) -> Done[SessionResult]:
    """Open a session for a user who has proven who they are, until ``expires_at``, or until it was not used for
    ``timeout`` (neither: until it is closed).

    ``password``: the id of the one they have proven it by, which must not have been replaced meanwhile. Raises
    NotFound, Conflict where they are disabled, Unauthenticated.
    """
    if timeout is not None:
        expires_at = engine.clock() + timeout * (1 + SLACK)
    session_id, token = new_id(), random_secret()
    secret_id = session_secret_id(engine.digest, token)

    def decide() -> Decision[SessionResult]:
        loaded = load_user(engine, app_id, user_stream)
        command = OpenSession(
            session_id=session_id,
            secret_id=secret_id,
            expires_at=expires_at,
            now=engine.clock(),
            password=password,
        )
        facts, _ = loaded.decide(command)
        return Decision(
            SessionResult(user_stream, session_id, token),
            [loaded.change(app_id, facts)],
        )

    return engine.carry_out(context, decide)


def session_secret_id(digest: Digest, token: str) -> UUID:
    """Under which id the session that ``token`` opens is known: a keyed digest, as the token is kept nowhere."""
    return UUID(bytes=digest(SESSION, token)[:16])


def extend_session(
    engine: Engine, context: Context, app_id: UUID, user_stream: UUID, session_id: UUID, timeout: timedelta
) -> Done[UserResult]:
    """Let a session that was just used last at least ``timeout`` longer.

    For every request that uses one it would be an event: ``session_lasts`` says whether it is time for one. Raises
    NotFound where it has ended.
    """
    expires_at = engine.clock() + timeout * (1 + SLACK)

    def decide() -> Decision[UserResult]:
        loaded = load_user(engine, app_id, user_stream)
        command = ExtendSession(session_id=session_id, now=engine.clock(), expires_at=expires_at)
        return _decision(engine, app_id, loaded, loaded.decide(command)[0])

    return engine.carry_out(context, decide)


def session_lasts(expires_at: datetime | None, now: datetime, timeout: timedelta) -> bool:
    """Whether a session that is used now need not be extended: it lasts ``timeout`` from now anyway."""
    return expires_at is None or expires_at - now >= timeout


def close_session(
    engine: Engine, context: Context, app_id: UUID, user_stream: UUID, session_id: UUID, reason: str
) -> Done[UserResult]:
    """Close a session. Raises NotFound."""

    def decide() -> Decision[UserResult]:
        loaded = load_user(engine, app_id, user_stream)
        return _decision(engine, app_id, loaded, loaded.decide(CloseSession(session_id=session_id, reason=reason))[0])

    return engine.carry_out(context, decide)


def load_user(engine: Engine, app_id: UUID, user_stream: UUID) -> Loaded[User]:
    """A user of this app. Raises NotFound."""
    loaded = engine.load(user_stream, users)
    if loaded.state is None or loaded.entries[0].app_id != app_id:
        raise NotFound("there is no such user", user=str(user_stream))
    return loaded


def _decision(
    engine: Engine, app_id: UUID, loaded: Loaded[User], facts: Sequence[Any], secrets: Sequence[Secret] = ()
) -> Decision[UserResult]:
    state = users.fold(facts, loaded.state)
    assert state is not None
    gone = [] if loaded.state is None else no_longer_needed(engine, app_id, loaded.state, state)
    result = UserResult(loaded.stream_id, app_id, state)
    return Decision(result, [loaded.change(app_id, facts)], secrets=[*secrets, *gone])
