"""ThinkBIT's routes: the cron call, and a user's registration tokens."""

from __future__ import annotations

from flask import Blueprint, Response, request

from tocsin.api.dialects.routing import serving
from tocsin.api.dialects.thinkbit import errors, schemas, throttle, translation
from tocsin.api.dialects.thinkbit.openapi import document
from tocsin.api.dialects.thinkbit.translation import NAME
from tocsin.api.requests import actor, context
from tocsin.api.writes import readable

SERVES = ("devices", "audience")

blueprint = Blueprint(NAME, __name__, url_prefix="/api")
serves = serving(blueprint)


@blueprint.before_request
def count() -> None:
    """Count the call, before anything else is looked at."""
    if request.method != "OPTIONS":
        limit = translation.setting("requests_per_minute", translation.REQUESTS_PER_MINUTE, 10**9)
        app = translation.app_or_none()
        throttle.count(app.app_id if app else None, actor("anonymous", NAME).address or "", limit)


@serves("GET", "/cron")
def cron() -> Response:
    """What is due is done all the time: this returns once it is."""
    translation.check_cron()
    translation.await_due_work()
    return _nothing()


@serves("POST", "/users/<user>/fcm_registration_tokens")
def add(user: str) -> Response:
    """Add a device to the user's group."""
    owner = translation.user_addressed(user)
    who = translation.authorized(owner)
    registration_id = schemas.registration_id()
    done = translation.add(context(who, owner.app_id), owner, registration_id)
    body = translation.shown(owner, done.result.device_id, registration_id)
    return readable(errors.answer(201, body), done.position, SERVES)


@serves("DELETE", "/users/<user>/fcm_registration_tokens")
def remove(user: str) -> Response:
    """Remove a device from it."""
    owner = translation.user_addressed(user)
    who = translation.authorized(owner)
    done = translation.remove(context(who, owner.app_id), owner, schemas.registration_id())
    return readable(_nothing(), done.position, SERVES)


@serves("GET", "/openapi.json")
def openapi() -> Response:
    """This API in OpenAPI 3.1."""
    return errors.answer(200, document())


def _nothing() -> Response:
    response = Response(status=204)
    del response.headers["Content-Type"]
    return response
