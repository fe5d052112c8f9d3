"""Errors as Laravel says them: ``{"message": …}``, with ``errors`` by field where what was sent breaks a rule."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import msgspec
from flask import Response, request
from werkzeug.exceptions import HTTPException

from tocsin.domain.errors import Forbidden, TocsinError, Unauthenticated

FIELD = "registration_id"

REQUIRED = "The registration id field is required."
NOT_A_STRING = "The registration id must be a string."
TOO_LONG = "The registration id may not be greater than 4096 characters."
FORMAT = "The registration id format is invalid."
TAKEN = "The registration id has already been taken."
SELECTED = "The selected registration id is invalid."

INVALID = "The given data was invalid."
UNREADABLE = "The request body is not valid JSON."
NO_TOKEN = "You did not provide a token."  # noqa: S105 - a message
WRONG_CREDENTIALS = "Invalid credentials."
NOT_YOURS = "This action is unauthorized."
NO_CRON_HEADER = "Request did not contain a valid HTTP header."
NO_CRON_ADDRESS = "Cron request did not come from a valid IP address."
TOO_MANY = "Too Many Attempts."

STATUSES = {
    "malformed": 400,
    "unauthenticated": 401,
    "forbidden": 403,
    "not-found": 404,
    "conflict": 409,
    "invalid": 422,
    "throttled": 429,
    "unsupported-prefix": 501,
    "unavailable": 503,
    "behind": 503,
}
"""Of refusals; every other code means that the request is wrong: 400."""

SCHEMES = ("bearer", "digest", "facebook", "google", "hoba", "mutual", "negotiate", "oauth", "token", "twitter")
"""Prefixes that are named when they are refused. Anything else may be part of somebody's secret."""


class Breach(TocsinError):
    """The registration id breaks a rule; the message says which."""

    code = "invalid"


class UnsupportedPrefix(TocsinError):
    """The credentials are of a scheme that is not served."""

    code = "unsupported-prefix"


class Throttled(TocsinError):
    """The caller's calls of this minute are used up."""

    code = "throttled"


def wrong_credentials() -> Unauthenticated:
    """Email and password are not those of a user who may sign in."""
    return Unauthenticated(WRONG_CREDENTIALS, challenge="Basic")


def not_yours() -> Forbidden:
    """The user in the address is somebody else."""
    return Forbidden(NOT_YOURS)


def unsupported(prefix: str) -> UnsupportedPrefix:
    """What is said of another scheme than Basic."""
    shown = f'"{prefix.lower()}"' if prefix.lower() in SCHEMES else "given"
    return UnsupportedPrefix(f"The {shown} prefix is not supported.")


def no_user(shown: str) -> str:
    """What is said of a user that is not there."""
    return f"No query results for model [App\\User] {shown[:100]}"


def answer(status: int, body: Mapping[str, Any]) -> Response:
    """A JSON answer, whatever the client asks for."""
    return Response(msgspec.json.encode(body), status=status, content_type="application/json")


def refused(error: TocsinError) -> Response:
    """A refusal, the engine's or one of ours."""
    status = STATUSES.get(error.code, 400)
    body: dict[str, Any] = {"message": error.message}
    if isinstance(error, Breach):
        body = {"message": INVALID, "errors": {FIELD: [error.message]}}
    elif status == HTTPStatus.UNPROCESSABLE_ENTITY:
        body = {"message": INVALID, "errors": {str(error.facts.get("field", "request")): [error.message]}}
    response = answer(status, body)
    if "challenge" in error.facts:
        response.headers["WWW-Authenticate"] = str(error.facts["challenge"])
    if "retry_after" in error.facts:
        response.headers["Retry-After"] = str(error.facts["retry_after"])
    return response


def http_error(error: HTTPException) -> Response:
    """An error of the framework: an unknown route, a wrong method, a body that is too large."""
    status = error.code or 500
    kept = [(name, value) for name, value in error.get_headers() if name in ("Allow", "Retry-After")]
    message = HTTPStatus(status).phrase
    if status == HTTPStatus.METHOD_NOT_ALLOWED:
        supported = dict(kept).get("Allow", "")
        message = f"The {request.method} method is not supported for this route. Supported methods: {supported}."
    response = answer(status, {"message": message})
    response.headers.extend(kept)
    return response


def unexpected(_: Exception) -> Response:
    """A fault of ours."""
    return answer(500, {"message": "Server Error"})
