"""What may be done with a user: created, given a password, signed in and out, disabled, erased."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import assert_never
from uuid import UUID

import msgspec
from msgspec.structs import replace

from tocsin.domain.entry import Fact
from tocsin.domain.errors import Conflict, Invalid, NotFound, Unauthenticated
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
from tocsin.domain.rules import (
    Command,
    OutOfPlace,
    json_object,
    moment,
    optional_moment,
    optional_text,
    personal_text,
    text,
)

MAX_NAME = 255
MAX_PROFILE = 4096
"""Bytes of JSON."""
MAX_REASON = 1000


class User(msgspec.Struct, frozen=True, kw_only=True):
    """``secret_id``: the password in the vault, None where nobody can sign in. ``sessions``: those that are open."""

    name: Personal | None
    profile: Personal | None = None
    secret_id: UUID | None = None
    roles: tuple[str, ...] = ()
    sessions: dict[UUID, SessionOpened] = {}
    disabled: bool = False
    erased: bool = False

    @property
    def secrets(self) -> frozenset[UUID]:
        """The ids of the secrets it needs: that of the password, if there is one."""
        return frozenset() if self.secret_id is None else frozenset({self.secret_id})


class CreateUser(Command, frozen=True, kw_only=True):
    name: Personal
    profile: Personal | None = None
    roles: tuple[str, ...] = ()


class ChangeCredential(Command, frozen=True, kw_only=True):
    """``secret_id`` None: nobody can sign in any more. Open sessions end with it."""

    secret_id: UUID | None


class OpenSession(Command, frozen=True, kw_only=True):
    """``password``: the one by which the user has proven who they are, None where it was created just now."""

    session_id: UUID
    secret_id: UUID
    now: datetime
    expires_at: datetime | None = None
    password: UUID | None = None


class ExtendSession(Command, frozen=True, kw_only=True):
    """Lets an open session last until ``expires_at``, unless it lasts longer anyway."""

    session_id: UUID
    now: datetime
    expires_at: datetime


class CloseSession(Command, frozen=True, kw_only=True):
    session_id: UUID
    reason: str = "signed out"


class DisableUser(Command, frozen=True, kw_only=True):
    reason: str | None = None


class EnableUser(Command, frozen=True, kw_only=True):
    pass


class EraseUser(Command, frozen=True, kw_only=True):
    """``devices``: those whose keys are destroyed with the user's own."""

    devices: tuple[UUID, ...] = ()
    reason: str | None = None


UserCommand = (
    CreateUser | ChangeCredential | OpenSession | ExtendSession | CloseSession | DisableUser | EnableUser | EraseUser
)


def decide(state: User | None, command: UserCommand) -> list[Fact]:
    """The facts ``command`` brings about, none where everything is so already.

    Errors: Invalid, Conflict, NotFound, Unauthenticated for a password that is none any more.
    """
    if isinstance(command, CreateUser):
        return _create(state, command)
    if state is None or state.erased:
        raise NotFound("there is no such user")
    match command:
        case ChangeCredential(secret_id=secret_id):
            closed = [SessionClosed(session_id=session, reason="password changed") for session in state.sessions]
            return [*closed, UserCredentialChanged(secret_id=secret_id)]
        case OpenSession():
            return _open_session(state, command)
        case ExtendSession():
            return _extend_session(state, command)
        case CloseSession(session_id=session_id, reason=reason):
            text(reason, "reason", MAX_REASON)
            return [SessionClosed(session_id=session_id, reason=reason)] if session_id in state.sessions else []
        case DisableUser(reason=reason):
            optional_text(reason, "reason", MAX_REASON)
            closed = [SessionClosed(session_id=session, reason="disabled") for session in state.sessions]
            return [] if state.disabled else [*closed, UserDisabled(reason=reason)]
        case EnableUser():
            return [UserEnabled()] if state.disabled else []
        case EraseUser(devices=devices, reason=reason):
            optional_text(reason, "reason", MAX_REASON)
            return [UserErased(devices=devices, reason=reason)]
        case _:
            assert_never(command)


def _create(state: User | None, command: CreateUser) -> list[Fact]:
    """A name may be taken again after its user was erased: the stream goes on with a new person."""
    if state is not None and not state.erased:
        raise Conflict("there is a user of that name", field="name")
    personal_text(command.name, "name", MAX_NAME)
    if command.profile is not None:
        json_object(command.profile.value, "profile", MAX_PROFILE)
    for role in command.roles:
        text(role, "roles", MAX_NAME)
    return [UserCreated(name=command.name, profile=command.profile, roles=tuple(dict.fromkeys(command.roles)))]


def _open_session(state: User, command: OpenSession) -> list[Fact]:
    if state.disabled:
        raise Conflict("this user is disabled")
    if command.password is not None and command.password != state.secret_id:
        raise Unauthenticated("the password was changed a moment ago: sign in with the new one")
    expires_at = optional_moment(command.expires_at, "expires_at")
    if expires_at is not None and expires_at <= moment(command.now, "now"):
        raise Invalid("expires_at must lie in the future", field="expires_at")
    if command.session_id in state.sessions:
        raise Conflict("this session is open already")
    expired = [
        SessionClosed(session_id=session_id, reason="expired")
        for session_id, session in state.sessions.items()
        if session.expires_at is not None and session.expires_at <= command.now
    ]
    opened = SessionOpened(session_id=command.session_id, secret_id=command.secret_id, expires_at=expires_at)
    return [*expired, opened]


def _extend_session(state: User, command: ExtendSession) -> list[Fact]:
    session = state.sessions.get(command.session_id)
    if session is None or (session.expires_at is not None and session.expires_at <= moment(command.now, "now")):
        raise NotFound("there is no such session, or it has ended")
    expires_at = moment(command.expires_at, "expires_at")
    if session.expires_at is None or session.expires_at >= expires_at:
        return []
    return [SessionExtended(session_id=command.session_id, expires_at=expires_at)]


def fold(facts: Iterable[Fact], state: User | None = None) -> User | None:
    """The state after ``facts``, from ``state`` or from nothing."""
    for fact in facts:
        state = evolve(state, fact)
    return state


def evolve(state: User | None, fact: Fact) -> User:
    """The state after ``fact``. Errors: OutOfPlace for a fact that cannot stand there."""
    if state is None or state.erased:
        if isinstance(fact, UserCreated):
            return User(name=fact.name, profile=fact.profile, roles=fact.roles)
        raise OutOfPlace("user", fact)
    match fact:
        case UserCredentialChanged(secret_id=secret_id):
            return replace(state, secret_id=secret_id)
        case SessionOpened(session_id=session_id):
            return replace(state, sessions={**state.sessions, session_id: fact})
        case SessionExtended(session_id=session_id, expires_at=expires_at):
            longer = replace(state.sessions[session_id], expires_at=expires_at)
            return replace(state, sessions={**state.sessions, session_id: longer})
        case SessionClosed(session_id=session_id):
            return replace(state, sessions={key: value for key, value in state.sessions.items() if key != session_id})
        case UserDisabled():
            return replace(state, disabled=True)
        case UserEnabled():
            return replace(state, disabled=False)
        case UserErased():
            return User(name=None, erased=True)
    raise OutOfPlace("user", fact)
