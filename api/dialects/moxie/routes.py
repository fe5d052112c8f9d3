"""Moxie's routes: notifications, their follow-ups, pushes, and the devices that register."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from flask import Blueprint, Response, request

from tocsin.api.dialects.apps import app_of_call
from tocsin.api.dialects.moxie import errors, schemas, translation
from tocsin.api.dialects.moxie.openapi import document
from tocsin.api.dialects.moxie.representations import (
    ROOTS,
    followup,
    followup_path,
    notification,
    notification_path,
    notifications,
    of_result,
)
from tocsin.api.dialects.moxie.signatures import NAME, Caller, app_named, authenticated
from tocsin.api.dialects.routing import View, serving
from tocsin.api.reads import as_json
from tocsin.api.requests import accepts, actor
from tocsin.api.services import services
from tocsin.api.writes import Answer, write
from tocsin.commands.devices import register_device
from tocsin.commands.notifications import NotificationResult, change_notification, create_notification
from tocsin.commands.sends import request_send
from tocsin.domain.errors import Invalid, NotFound
from tocsin.domain.notification import WithdrawFollowup, WithdrawNotification

PRODUCED = ("application/json", "application/hal+json")
"""What may be asked for; all of it is answered as the first."""

SERVES = ("notifications",)

blueprint = Blueprint(NAME, __name__)


def serves(method: str, rule: str, *further: str) -> Callable[[View], View]:
    """Serves a view under both of the module's roots, and under ``further`` addresses as they are."""
    return serving(blueprint)(method, *(root + rule for root in ROOTS), *further)


@blueprint.before_request
def negotiate() -> None:
    """Refuse, before anything is done, what could not be answered in a form the client reads."""
    if request.method != "OPTIONS":
        accepts(*PRODUCED)


@serves("GET", "")
def list_notifications() -> Response:
    """The notifications in force, or all."""
    return as_json(
        notifications(translation.alerts(app_of_call(NAME).app_id, schemas.wants_history())), produced=PRODUCED
    )


@serves("POST", "")
def create() -> Response:
    """Publish a notification. Nothing is pushed."""
    caller, engine = authenticated(), services().engine
    command = schemas.new_notification(translation.now())

    def answer(result: NotificationResult) -> Answer:
        ident = result.notification_id
        return Answer(201, {"ident": str(ident), "status": "created"}, {"Location": notification_path(ident)})

    return write(
        caller.actor,
        caller.credential_id,
        lambda context: create_notification(engine, context, caller.app_id, command),
        answer,
        SERVES,
        produced=PRODUCED,
    )


@serves("GET", "/<ident>")
def get(ident: str) -> Response:
    """One notification."""
    return as_json(notification(translation.alert(app_of_call(NAME).app_id, ident)), produced=PRODUCED)


@serves("POST", "/<ident>")
def update(ident: str) -> Response:
    """Change some of a notification."""
    caller, notification_id = _known_before_signed(ident)

    def answer(result: NotificationResult) -> Answer:
        return Answer(200, notification(of_result(result)), {"Location": notification_path(notification_id)})

    return _change(caller, notification_id, schemas.notification_changes(), answer)


@serves("DELETE", "/<ident>")
def delete(ident: str) -> Response:
    """Delete a notification: it is withdrawn, its history stays."""
    caller, notification_id = _known_before_signed(ident)
    return _change(caller, notification_id, WithdrawNotification(), _deleted)


@serves("POST", "/<ident>/followup")
def add_followup(ident: str) -> Response:
    """Add a follow-up. They are numbered from 1 in each notification, and no number is used twice."""
    caller = authenticated()
    notification_id = translation.standing(caller.app_id, ident)

    def answer(result: NotificationResult) -> Answer:
        number = result.notification.last_followup
        location = followup_path(notification_id, number)
        return Answer(201, {"id": number, "status": "created"}, {"Location": location})

    return _change(caller, notification_id, schemas.new_followup(translation.now()), answer)


@serves("GET", "/<ident>/followup/<number>")
def get_followup(ident: str, number: str) -> Response:
    """One follow-up."""
    found = translation.alert(app_of_call(NAME).app_id, ident)
    followup_id = translation.followup_number(number)
    for one in found.followups:
        if one.id == followup_id:
            return as_json(followup(found.ident, one), produced=PRODUCED)
    raise NotFound(errors.NO_FOLLOWUP)


@serves("POST", "/<ident>/followup/<number>")
def update_followup(ident: str, number: str) -> Response:
    """Change the message of a follow-up, its date, or both."""
    caller = authenticated()
    notification_id, followup_id = translation.standing_followup(caller.app_id, ident, number)

    def answer(result: NotificationResult) -> Answer:
        changed = next(one for one in of_result(result).followups if one.id == followup_id)
        location = followup_path(notification_id, followup_id)
        return Answer(200, followup(notification_id, changed), {"Location": location})

    return _change(caller, notification_id, schemas.followup_changes(followup_id), answer)


@serves("DELETE", "/<ident>/followup/<number>")
def delete_followup(ident: str, number: str) -> Response:
    """Delete a follow-up."""
    caller = authenticated()
    notification_id, followup_id = translation.standing_followup(caller.app_id, ident, number)
    return _change(caller, notification_id, WithdrawFollowup(followup_id=followup_id), _deleted)


@serves("POST", "/push", "/push")
def push() -> Response:
    """Push a notification to the registered devices. Recorded, it is accepted; what becomes of it is recorded too."""
    caller, engine = authenticated(), services().engine
    ident, message = schemas.push()
    try:
        notification_id = translation.standing(caller.app_id, ident)
    except NotFound as error:
        raise Invalid(errors.no_such_notification(ident)) from error
    command = translation.push(caller.app_id, notification_id, message)
    return write(
        caller.actor,
        caller.credential_id,
        lambda context: request_send(engine, context, caller.app_id, command),
        lambda _: Answer(202, {"status": "success"}),
        ("sends",),
        produced=PRODUCED,
    )


@serves("POST", "/register/gcm")
def register_gcm() -> Response:
    """An Android device reports itself."""
    return _register("registration_id")


@serves("POST", "/register/apns")
def register_apns() -> Response:
    """An Apple device reports itself."""
    return _register("device_token")


@serves("GET", "/openapi.json")
def openapi() -> Response:
    """This API in OpenAPI 3.1."""
    return as_json(document(), produced=PRODUCED)


def _register(key: str) -> Response:
    app_id, engine = app_of_call(NAME).app_id, services().engine
    registration = translation.registration(key, schemas.registration(key))
    return write(
        actor("anonymous", NAME),
        app_id,
        lambda context: register_device(engine, context, app_id, registration),
        lambda _: Answer(202, {"success": 1}),
        ("devices", "audience"),
        produced=PRODUCED,
    )


def _known_before_signed(ident: str) -> tuple[Caller, UUID]:
    """Who changes which notification. One that is not there is told to anybody, signed or not, as by the original."""
    app_id = app_named()
    notification_id = translation.standing(app_id, ident) if app_id is not None else None
    caller = authenticated()
    return caller, notification_id or translation.standing(caller.app_id, ident)


def _change(
    caller: Caller, notification_id: UUID, command: Any, answer: Callable[[NotificationResult], Answer]
) -> Response:
    engine = services().engine
    return write(
        caller.actor,
        caller.credential_id,
        lambda context: change_notification(engine, context, caller.app_id, notification_id, command),
        answer,
        SERVES,
        produced=PRODUCED,
    )


def _deleted(_: NotificationResult) -> Answer:
    return Answer(200, {"status": "deleted"})
