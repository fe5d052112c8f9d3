"""BaasBox's routes: accounts and their devices, sessions, pushes."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from flask import Blueprint, Response, g, request

from tocsin.api.dialects.baasbox import errors, schemas, translation
from tocsin.api.dialects.baasbox.access import (
    INTERNAL,
    NAME,
    RECEIVE,
    REGISTERED,
    SEND,
    SESSION_HEADER,
    Caller,
    app_of_code,
    app_of_header,
    authenticated,
    session_timeout,
    user_named,
    user_of_password,
)
from tocsin.api.dialects.baasbox.envelope import envelope
from tocsin.api.dialects.baasbox.errors import CODES, Refusal
from tocsin.api.dialects.baasbox.openapi import document
from tocsin.api.dialects.baasbox.schemas import Push
from tocsin.api.dialects.routing import serving
from tocsin.api.reads import as_json
from tocsin.api.requests import actor, context
from tocsin.api.services import services
from tocsin.api.writes import readable
from tocsin.commands.devices import change_device, register_device
from tocsin.commands.sends import request_send
from tocsin.commands.users import close_session, create_user, open_session
from tocsin.domain.device import RetireDevice
from tocsin.domain.entry import Actor
from tocsin.domain.errors import Conflict
from tocsin.domain.events.device import Retirement

SENT = "Push Notification(s) has been sent"
DEVICES = ("devices", "audience")

blueprint = Blueprint(NAME, __name__)
serves = serving(blueprint)


@serves("POST", "/user")
def sign_up() -> Response:
    """Create an account, and sign in."""
    credential = app_of_header()
    account, engine, app_id = schemas.account(), services().engine, credential.app_id
    who = actor("anonymous", NAME, str(credential.credential_id))
    try:
        done = create_user(
            engine,
            context(who, credential.credential_id),
            app_id,
            account.username,
            password=account.password,
            profile=account.profile,
            roles=(REGISTERED,),
        )
    except Conflict as error:
        raise Refusal(400, errors.SIGN_UP_FAILED) from error
    user_id, token = done.result.user_id, _signed_in(who, app_id, done.result.user_id)
    signed_up = engine.record.load(user_id, upto=1)[0].recorded_at
    more = {SESSION_HEADER: token}
    data = translation.user_data(user_id, account.username, (REGISTERED,), account.profile, signed_up, **more)
    g.baasbox_username = account.username
    return _awaited(_with_session(envelope(data, 201), token), ("users",))


@serves("POST", "/login")
def sign_in() -> Response:
    """Open a session, and register the device that is reported with it."""
    login = schemas.login()
    credential = app_of_code(login.appcode)
    if credential is None:
        raise errors.unauthorized(400, login.username)
    app_id = credential.app_id
    user = user_of_password(app_id, login.username, login.password)
    if user is None:
        raise errors.unauthorized(401, login.username)
    if INTERNAL in user.roles:
        raise errors.internal(login.username)
    who = actor(f"user:{user.user_id}", NAME, str(credential.credential_id))
    if login.device is not None:
        _register(who, credential.credential_id, app_id, login.username, *login.device)
    token = _signed_in(who, app_id, user.user_id, user.secret_id)
    data = translation.user_data(
        user.user_id, login.username, user.roles, user.profile, user.created_at, **{SESSION_HEADER: token}
    )
    g.baasbox_username = login.username
    return _awaited(_with_session(envelope(data), token), ("users", *DEVICES))


@serves("POST", "/logout")
def sign_out() -> Response:
    """End the session."""
    return _awaited(_signed_out(authenticated(), "user logged out"), ("users",))


@serves("POST", "/logout/<token>")
def sign_out_device(token: str) -> Response:
    """End the session, and let the device go."""
    caller = authenticated()
    _let_go(caller, token)
    return _awaited(_signed_out(caller, f"pushToken: {token} logged out"), ("users", *DEVICES))


@serves("GET", "/me")
def me() -> Response:
    """The caller's own account."""
    user = authenticated().user
    return envelope(translation.user_data(user.user_id, user.name or "", user.roles, user.profile, user.created_at))


@serves("PUT", "/push/device/<system>/<token>")
@serves("PUT", "/push/enable/<system>/<token>")
def enable(system: str, token: str) -> Response:
    """The device is the caller's from now on."""
    caller = authenticated(RECEIVE)
    _register(caller.actor, caller.credential_id, caller.app_id, caller.name, system, token)
    return _awaited(envelope(), DEVICES)


@serves("PUT", "/push/disable/<token>")
def disable(token: str) -> Response:
    """The device is no longer sent to, if it is the caller's."""
    _let_go(authenticated(RECEIVE), token)
    return _awaited(envelope(), DEVICES)


@serves("POST", "/push/message")
def push() -> Response:
    """Push a message to users."""
    caller = authenticated(SEND)
    verbose = caller.is_admin and request.args.get("verbose", "").lower() == "true"
    return _push(caller, schemas.push(), SENT, verbose=verbose)


@serves("POST", "/push/message/<username>")
def push_to(username: str) -> Response:
    """Push a message to one user."""
    caller = authenticated(SEND)
    return _push(caller, schemas.push(username), "")


@serves("GET", "/push/openapi.json")
def openapi() -> Response:
    """This API in OpenAPI 3.1."""
    return as_json(document())


def _push(caller: Caller, push: Push, said: str, *, verbose: bool = False) -> Response:
    translation.check_profiles(caller.app_id, push.profiles)
    for name in push.users:
        if user_named(caller.app_id, name) is None:
            raise Refusal(404, errors.NO_USER)
    commands, complete = translation.pushes(caller.app_id, push)
    for command in commands:
        request_send(services().engine, context(caller.actor, caller.credential_id), caller.app_id, command)
    if not complete:
        return _awaited(envelope(CODES["20001"], bb_code="20001"), ("sends",))
    return _awaited(envelope(translation.log(caller.app_id, push) if verbose else said), ("sends",))


def _register(who: Actor, scope: UUID, app_id: UUID, name: str, system: str, token: str) -> None:
    register_device(services().engine, context(who, scope), app_id, translation.registration(name, system, token))


def _let_go(caller: Caller, token: str) -> None:
    device_id = translation.own_device(caller, token)
    if device_id is not None:
        command = RetireDevice(reason=Retirement.UNREGISTERED)
        change_device(services().engine, context(caller.actor, caller.credential_id), caller.app_id, device_id, command)


def _signed_in(who: Actor, app_id: UUID, user_id: UUID, password: UUID | None = None) -> str:
    engine, timeout = services().engine, session_timeout(app_id)
    done = open_session(engine, context(who, user_id), app_id, user_id, timeout=timeout, password=password)
    return done.result.token


def _signed_out(caller: Caller, said: str) -> Response:
    if caller.session is not None:
        who, session_id = context(caller.actor, caller.credential_id), caller.session.session_id
        close_session(services().engine, who, caller.app_id, caller.user.user_id, session_id, "signed out")
    return envelope(said)


def _with_session(response: Response, token: str) -> Response:
    response.headers[SESSION_HEADER] = token
    return response


def _awaited(response: Response, serves: Sequence[str]) -> Response:
    return readable(response, services().record.head().position, serves)
