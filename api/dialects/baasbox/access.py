"""Who calls: a session, or a name and a password with the code of the app. The session wins where both are sent."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from flask import g, request

from tocsin.api.dialects.apps import app_of_credential
from tocsin.api.dialects.baasbox import errors
from tocsin.api.dialects.baasbox.errors import Refusal, coded
from tocsin.api.dialects.settings import settings_of
from tocsin.api.reads import reading
from tocsin.api.requests import actor, context
from tocsin.api.services import services
from tocsin.commands.apps import load_enabled
from tocsin.commands.people import USER
from tocsin.commands.users import extend_session, session_lasts, session_secret_id
from tocsin.domain.entry import Actor
from tocsin.domain.errors import TocsinError
from tocsin.projections import users
from tocsin.projections.apps_rows import Credential
from tocsin.projections.users import ACTIVE, Session, User

NAME = "baasbox"
KIND = "client"
"""Of the credential whose public half is the app's code."""

SESSION_HEADER = "X-BB-SESSION"
APPCODE_HEADER = "X-BAASBOX-APPCODE"

ADMINISTRATOR = "administrator"
REGISTERED = "registered"
INTERNAL = "internal"

SEND, RECEIVE = "baasbox.notifications.send", "baasbox.notifications.receive"
"""Groups of endpoints, which an app's settings may disable: ``{"baasbox": {"disabled_endpoints": […]}}``."""


@dataclass(frozen=True, slots=True)
class Caller:
    """A user of an app, and the session or the app's code they came by."""

    app_id: UUID
    user: User
    credential_id: UUID
    session: Session | None = None

    @property
    def name(self) -> str:
        """What the user signs in with."""
        return self.user.name or ""

    @property
    def is_admin(self) -> bool:
        """Whether the user may administer the app."""
        return ADMINISTRATOR in self.user.roles

    @property
    def actor(self) -> Actor:
        """The caller as the events name it."""
        return actor(f"user:{self.user.user_id}", NAME, str(self.credential_id))


def authenticated(group: str | None = None) -> Caller:
    """Who calls, if they may use endpoints of this ``group``. Raises Refusal."""
    token, appcode = _given(SESSION_HEADER), _given(APPCODE_HEADER)
    if token is None and "Authorization" not in request.headers:
        raise Refusal(400, errors.NOTHING_GIVEN) if appcode is None else Refusal(401, errors.NO_CREDENTIALS)
    caller = _by_session(token) if token is not None else _by_password(appcode)
    if INTERNAL in caller.user.roles:
        raise errors.internal(caller.name)
    g.baasbox_username = caller.name
    disabled = own_settings(caller.app_id).get("disabled_endpoints")
    if group is not None and isinstance(disabled, list) and group in disabled:
        raise Refusal(403, errors.ENDPOINT_DISABLED)
    return caller


def administrator() -> Caller:
    """Who calls, if they administer the app. Raises Refusal."""
    caller = authenticated()
    if not caller.is_admin:
        raise Refusal(403, errors.ADMIN_ONLY)
    return caller


def app_of_code(appcode: str) -> Credential | None:
    """The credential of this code."""
    return app_of_credential(NAME, KIND, appcode)


def app_coded(appcode: str | None) -> Credential:
    """The same for a call that cannot do without. Raises Refusal."""
    if not appcode:
        raise Refusal(400, errors.NO_APPCODE)
    found = app_of_code(appcode)
    if found is None:
        raise Refusal(400, errors.WRONG_APPCODE)
    return found


def app_of_header() -> Credential:
    """The credential of the code that a call carries which needs no user. Raises Refusal."""
    return app_coded(_given(APPCODE_HEADER))


def user_of_password(app_id: UUID, name: str, password: str) -> User | None:
    """The user who has this name and this password, unless they are disabled."""
    found = user_named(app_id, name)
    secret_id = None if found is None or found.state != ACTIVE else found.secret_id
    return found if services().checks.matches_password(secret_id, password) else None


def user_named(app_id: UUID, name: str) -> User | None:
    """The user of this name."""
    with reading("users") as connection:
        return users.user_by_name(connection, app_id, services().digest(USER, name))


def own_settings(app_id: UUID) -> dict[str, Any]:
    """What the app's settings say of this API. Raises Conflict where the app is disabled."""
    return settings_of(load_enabled(services().engine, app_id).settings, NAME)


def session_timeout(app_id: UUID) -> timedelta | None:
    """How long a session lasts that is not used: ``session_timeout`` of the settings, in minutes; None: for ever."""
    minutes = own_settings(app_id).get("session_timeout")
    valid = isinstance(minutes, int) and not isinstance(minutes, bool) and 0 < minutes <= 10**7
    return timedelta(minutes=minutes) if valid else None  # type: ignore[arg-type]


def _given(header: str) -> str | None:
    return request.headers.get(header) or request.args.get(header) or None


def _by_session(token: str) -> Caller:
    session, user = _session(token)
    if session is None or user is None or user.state != ACTIVE or not session.is_open(services().engine.clock()):
        raise coded("40101")
    caller = Caller(session.app_id, user, session.session_id, session)
    _keep_open(caller, session)
    return caller


def _session(token: str) -> tuple[Session | None, User | None]:
    if not token.isascii():
        return None, None
    with reading("users") as connection:
        session = users.session_by_secret(connection, session_secret_id(services().digest, token))
        return session, None if session is None else users.user(connection, session.app_id, session.user_id)


def _keep_open(caller: Caller, session: Session) -> None:
    """A session lasts for as long as it is used."""
    engine, timeout = services().engine, session_timeout(caller.app_id)
    if timeout is None or session_lasts(session.expires_at, engine.clock(), timeout):
        return
    who = context(caller.actor, caller.credential_id)
    try:
        extend_session(engine, who, caller.app_id, caller.user.user_id, session.session_id, timeout)
    except TocsinError as error:
        raise coded("40101") from error


def _by_password(appcode: str | None) -> Caller:
    if appcode is None:
        raise Refusal(400, errors.NO_APPCODE)
    given = request.authorization
    if given is None or given.type != "basic" or not isinstance(given.username, str) or given.password is None:
        raise coded("40101")
    credential = app_coded(appcode)
    user = user_of_password(credential.app_id, given.username, given.password)
    if user is None:
        raise Refusal(401, f"User {given.username:.100} is not authorized to access")
    return Caller(credential.app_id, user, credential.credential_id)
