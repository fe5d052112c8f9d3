"""Errors as TwinPush says them: ``{"errors": {"type", "message"}}``, both always there, as its SDKs read both."""

from __future__ import annotations

from http import HTTPStatus

import msgspec
from flask import Response, g
from werkzeug.exceptions import HTTPException

from tocsin.domain.errors import TocsinError

INVALID_TOKEN = "InvalidToken"  # noqa: S105 - the name of an error
INVALID_CREATOR_TOKEN = "InvalidCreatorToken"  # noqa: S105
APP_NOT_FOUND = "AppNotFound"
DEVICE_NOT_FOUND = "DeviceNotFound"
NOTIFICATION_NOT_FOUND = "NotificationNotFound"
DELIVERY_NOT_FOUND = "DeliveryNotFound"
NOTIFICATION_NOT_CREATED = "NotificationNotCreated"
DEVICE_NOT_CREATED = "DeviceNotCreated"
DEVICE_NOT_UPDATED = "DeviceNotUpdated"
INVALID_PROPERTY = "InvalidProperty"
NOT_FOUND = "NotFound"
NOT_ACCEPTABLE = "NotAcceptable"
INVALID_PARAMETER = "InvalidParameter"

TABLE = {
    INVALID_TOKEN: (403, "API Key Token is not valid or does not match with App ID"),
    INVALID_CREATOR_TOKEN: (403, "Creator API Key Token is not valid or does not match with App ID"),
    APP_NOT_FOUND: (404, "Application not found for given application_id"),
    DEVICE_NOT_FOUND: (404, "Device not found for given device_id"),
    NOTIFICATION_NOT_FOUND: (404, "Notification not found for given notification_id"),
    DELIVERY_NOT_FOUND: (404, "Delivery not found for given notification and device"),
    NOT_FOUND: (404, "The object you're looking for doesn't exist"),
    NOT_ACCEPTABLE: (406, "The body is not a JSON object, or the headers do not ask for JSON"),
    NOTIFICATION_NOT_CREATED: (
        422,
        "Some of the parameters given when trying to create a notification is not valid",
    ),
    DEVICE_NOT_CREATED: (422, "Some of the parameters given when trying to register a device is not valid"),
    DEVICE_NOT_UPDATED: (422, "Some of the parameters given when trying to update a device info is not valid"),
    INVALID_PROPERTY: (422, "The type or the value given when trying to assign a device property is not valid"),
    INVALID_PARAMETER: (422, "Some of the given parameters is incorrect"),
}
"""Status and description by type. The last is ours, for calls that have no type of their own."""

KINDS = {"not-found": NOT_FOUND, "malformed": NOT_ACCEPTABLE}
"""By the codes of the engine's refusals; any other means that a parameter is wrong."""

OF_FRAMEWORK = {404: NOT_FOUND, 405: "MethodNotAllowed", 406: NOT_ACCEPTABLE, 413: "ContentTooLarge"}
"""By the statuses the framework gives."""

AWAY = ("unavailable", "behind")
"""The codes that say to try again."""


class Refusal(TocsinError):
    """One of TwinPush's own errors. ``detail``: what exactly is wrong, said after the table's description."""

    code = "twinpush"

    def __init__(self, kind: str, detail: str | None = None) -> None:
        super().__init__(TABLE[kind][1] if detail is None else f"{TABLE[kind][1]}: {detail}")
        self.kind = kind


def invalid_here(kind: str) -> None:
    """Which error this request gets for a wrong parameter."""
    g.twinpush_invalid = kind


def invalid(detail: str) -> Refusal:
    """A parameter of this request is wrong."""
    return Refusal(g.get("twinpush_invalid", INVALID_PARAMETER), detail)


def refused(error: TocsinError) -> Response:
    """One of TwinPush's own errors, or the engine's refusal."""
    if error.code in AWAY:
        response = answer(503, "ServiceUnavailable", error.message)
        response.headers["Retry-After"] = str(error.facts.get("retry_after", 1))
        return response
    told = error if isinstance(error, Refusal) else _told(error)
    return answer(TABLE[told.kind][0], told.kind, told.message)


def _told(error: TocsinError) -> Refusal:
    kind = KINDS.get(error.code)
    return invalid(error.message) if kind is None else Refusal(kind)


def http_error(error: HTTPException) -> Response:
    """An error of the framework: an unknown route, a wrong method, an ``Accept`` without JSON, too large a body."""
    status = HTTPStatus(error.code or 500)
    kind = OF_FRAMEWORK.get(status, "BadRequest")
    response = answer(status, kind, TABLE[kind][1] if kind in TABLE else status.phrase)
    response.headers.extend([(name, value) for name, value in error.get_headers() if name in ("Allow", "Retry-After")])
    return response


def unexpected(_: Exception) -> Response:
    """A fault of ours."""
    return answer(500, "InternalServerError", HTTPStatus.INTERNAL_SERVER_ERROR.phrase)


def answer(status: int, kind: str, message: str) -> Response:
    """An error's body."""
    body = {"errors": {"type": kind, "message": message}}
    return Response(msgspec.json.encode(body), status=status, content_type="application/json")
