"""Errors as Moxie says them: ``{"description": …}``, and ``{"error": …}`` where devices register."""

from __future__ import annotations

from http import HTTPStatus

import msgspec
from flask import Response, request
from werkzeug.exceptions import HTTPException

from tocsin.domain.errors import TocsinError

MESSAGE_MISSING = "You must pass a JSON document with property 'message'"
NOTHING_TO_UPDATE = "You must pass a JSON document with properties to be updated on the notification."
PUSH_INCOMPLETE = "You must pass a JSON document with properties 'notification' and 'message'"
PUSH_LENGTH = "'message' must be between 3 and 250 characters"
JSON_EXPECTED = "Expected JSON in POST data"
NO_NOTIFICATION = "Notification not found"
NO_FOLLOWUP = "FollowUp not found"

DESCRIPTIONS = {404: "Not found"}
"""Of errors that no route raises; every other status is described by its own phrase."""

STATUSES = {
    "unauthenticated": 401,
    "forbidden": 403,
    "not-found": 404,
    "conflict": 409,
    "idempotency-key-reused": 409,
    "unavailable": 503,
    "behind": 503,
}
"""Of the engine's refusals; every other code means that the request is wrong: 400."""

# The comma and the space at its end are the original's.
CHALLENGE = 'HMACDigest realm="HMACDigest Moxie", reason="{reason}", algorithm="HMAC-SHA-1", '


def incorrect_date(value: object) -> str:
    """What is said of a date that is not as Moxie writes them."""
    return f"Incorrect date value: {value!s:.100}"


def key_expected(key: str) -> str:
    """What is said of a registration without its token."""
    return f"Expected key: {key}"


def no_such_notification(ident: str) -> str:
    """What is said of a push of something that is not there."""
    return f"Notification '{ident[:100]}' not found"


def refused(error: TocsinError) -> Response:
    """The engine's refusal, or one of ours."""
    status = STATUSES.get(error.code, 400)
    response = _answer(status, "Unauthorized" if status == HTTPStatus.UNAUTHORIZED else error.message)
    if status == HTTPStatus.UNAUTHORIZED:
        response.headers["WWW-Authenticate"] = CHALLENGE.format(reason=error.facts.get("reason", "unauthorized"))
    if "retry_after" in error.facts:
        response.headers["Retry-After"] = str(error.facts["retry_after"])
    return response


def http_error(error: HTTPException) -> Response:
    """An error of the framework: an unknown route, a wrong method, a body that is too large."""
    status = error.code or 500
    response = _answer(status, DESCRIPTIONS.get(status, HTTPStatus(status).phrase))
    response.headers.extend([(name, value) for name, value in error.get_headers() if name in ("Allow", "Retry-After")])
    return response


def unexpected(_: Exception) -> Response:
    """A fault of ours."""
    return _answer(500, HTTPStatus.INTERNAL_SERVER_ERROR.phrase)


def _answer(status: int, description: str) -> Response:
    member = "error" if "/register/" in request.path else "description"
    return Response(msgspec.json.encode({member: description}), status=status, content_type="application/json")
