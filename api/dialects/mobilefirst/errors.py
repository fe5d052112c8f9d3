"""Errors as this API says them: ``{"code": "FPWSE…", "message": …}``, and OAuth's where tokens are issued."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, NamedTuple

import msgspec
from flask import Response, request
from werkzeug.exceptions import HTTPException

from tocsin.domain.errors import TocsinError


class Kind(NamedTuple):
    """What a code means: its status, and what is said of it; ``{name}`` is the resource or the parameter."""

    status: int
    message: str


NOT_FOUND = "FPWSE0001E"
EXISTS = "FPWSE0002E"
NO_CONFIGURATION = "FPWSE0003E"
NOT_JSON = "FPWSE0004E"
INVALID = "FPWSE0005E"
PARAMETER_UNKNOWN = "FPWSE0007E"
PARAMETER_MISSING = "FPWSE0008E"
NO_DEVICES = "FPWSE0009E"
INTERNAL = "FPWSE0010E"
SUBSCRIPTION_EXISTS = "FPWSE0011E"
NO_SUBSCRIPTION = "FPWSE0012E"
BAD_PAYLOAD = "FPWSE0013E"
BUSY = "FPWSE0025E"
DISABLED = "FPWSE1007E"
BAD_OFFSET = "FPWSE1079E"
BAD_SIZE = "FPWSE1080E"

KINDS = {
    NOT_FOUND: Kind(404, "Not Found - Targeted resource '{resource}' does not exist. Check the '{name}' parameter."),
    EXISTS: Kind(409, "The resource already exists. Check the '{name}' parameter value."),
    NO_CONFIGURATION: Kind(404, "Missing {name} credentials. Configure them in the settings of the application."),
    NOT_JSON: Kind(400, "The request body is not valid JSON."),
    INVALID: Kind(400, "Invalid value was provided. Check the '{name}' parameter value."),
    PARAMETER_UNKNOWN: Kind(400, "The query parameter '{name}' holds something unknown."),
    PARAMETER_MISSING: Kind(400, "The query parameter '{name}' is required."),
    NO_DEVICES: Kind(404, "The message could not be sent: no device is registered for its target."),
    INTERNAL: Kind(500, "An internal error occurred."),
    SUBSCRIPTION_EXISTS: Kind(409, "The subscription already exists. Check the '{name}' parameter value."),
    NO_SUBSCRIPTION: Kind(404, "The subscription does not exist. Check the '{name}' parameter value."),
    BAD_PAYLOAD: Kind(400, "The JSON payload is not valid. Check the '{name}' parameter value."),
    BUSY: Kind(503, "The server is busy and cannot answer the request now. Submit it again."),
    DISABLED: Kind(403, "The push service is disabled for this application."),
    BAD_OFFSET: Kind(400, "The 'offset' parameter must not be negative."),
    BAD_SIZE: Kind(400, "The 'size' parameter must be greater than zero."),
}
"""By code. FPWSE0006E, of parameters in a body that nobody knows, is never raised: devices of all ages send such."""

CODES = {
    "malformed": NOT_JSON,
    "not-found": NOT_FOUND,
    "conflict": EXISTS,
    "idempotency-key-reused": EXISTS,
    "payload-too-large": BAD_PAYLOAD,
    "audience-empty": NO_DEVICES,
    "unavailable": BUSY,
    "behind": BUSY,
}
"""Of the engine's refusals; every other means that a value is wrong."""

FIELDS = {
    "external_id": "deviceId",
    "user": "userId",
    "phone": "phoneNumber",
    "tag": "tagName",
    "events": "eventTypes",
    "message.body": "alert",
    "message.url": "url",
}
"""What the engine calls the members of this API's bodies."""


class Refusal(TocsinError):
    """A request that is refused with one of ``KINDS``."""

    def __init__(self, code: str, name: str = "", resource: str = "") -> None:
        super().__init__(KINDS[code].message.format(name=name, resource=resource))
        self.code = code
        self.status = KINDS[code].status


class Denied(TocsinError):
    """The caller is not known, or may not do this: ``challenge`` goes into ``WWW-Authenticate`` (RFC 6750, 3)."""

    def __init__(self, status: int, code: str, message: str, challenge: str) -> None:
        super().__init__(message)
        self.code = code
        self.status = status
        self.challenge = challenge


class TokenRefused(TocsinError):
    """No token is issued; ``code`` is one of OAuth's (RFC 6749, 5.2)."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.status = status


def missing(resource: str, name: str) -> Refusal:
    """What is said of a resource that is not there; ``name``: the parameter that names it."""
    return Refusal(NOT_FOUND, name, resource)


def invalid(name: str) -> Refusal:
    """What is said of a value that cannot be."""
    return Refusal(INVALID, name)


def unauthenticated() -> Denied:
    """The request carries no credential."""
    return Denied(401, "unauthorized", "Unauthorized - The caller is not authenticated.", "Bearer")


def invalid_token(message: str = "The access token is invalid or has expired.") -> Denied:
    """The credential is not one of ours, or not any more."""
    return Denied(401, "invalid_token", f"Unauthorized - {message}", 'Bearer error="invalid_token"')


def insufficient_scope(required: str) -> Denied:
    """The credential is good, but not for this."""
    message = "Forbidden - The caller is not authorized to make this request."
    return Denied(403, "insufficient_scope", message, f'Bearer error="insufficient_scope", scope="{required}"')


def answer(status: int, body: Any) -> Response:
    """A JSON answer."""
    return Response(msgspec.json.encode(body), status=status, content_type="application/json")


def nothing() -> Response:
    """Done, and there is nothing to say."""
    response = Response(status=204)
    del response.headers["Content-Type"]
    return response


def refused(error: TocsinError) -> Response:
    """A refusal, the engine's or one of ours."""
    if isinstance(error, TokenRefused):
        response = answer(error.status, {"error": error.code, "error_description": error.message})
        if error.status == HTTPStatus.UNAUTHORIZED:
            response.headers["WWW-Authenticate"] = 'Basic realm="token"'
        return response
    own = error if isinstance(error, Refusal | Denied) else _translated(error)
    response = _said(own.status, own.code, own.message)
    if isinstance(own, Denied):
        response.headers["WWW-Authenticate"] = own.challenge
    if "retry_after" in error.facts:
        response.headers["Retry-After"] = str(error.facts["retry_after"])
    return response


def http_error(error: HTTPException) -> Response:
    """An error of the framework: an unknown route, a wrong method, a body that is too large."""
    status = error.code or 500
    if status == HTTPStatus.NOT_FOUND:
        return refused(missing("path", "path"))
    if status == HTTPStatus.UNSUPPORTED_MEDIA_TYPE:
        return _wrong_content_type()
    code = INTERNAL if status >= HTTPStatus.INTERNAL_SERVER_ERROR else INVALID
    response = _said(status, code, _WORDS.get(status, HTTPStatus(status).phrase))
    response.headers.extend([(name, value) for name, value in error.get_headers() if name in ("Allow", "Retry-After")])
    return response


def unexpected(_: Exception) -> Response:
    """A fault of ours."""
    return _said(500, INTERNAL, KINDS[INTERNAL].message)


_WORDS = {
    405: "Method Not Allowed - Check the method of the request.",
    406: "Unsupported Accept type - The content type specified in Accept header is not application/json.",
    413: "The request body is too large.",
}


def _wrong_content_type() -> Response:
    """The body is of another kind than is read here, which in this API is 405."""
    response = _said(405, INVALID, "Unsupported Content type - " + KINDS[INVALID].message.format(name="Content-Type"))
    response.headers["Allow"] = ", ".join(sorted(getattr(request.url_rule, "methods", None) or ()))
    return response


def _translated(error: TocsinError) -> Refusal:
    code = CODES.get(error.code, INVALID)
    field = str(error.facts.get("field") or "")
    name = FIELDS.get(field, field.rpartition(".")[2]) or "request"
    return Refusal(code, name, resource=name)


def _said(status: int, code: str, message: str) -> Response:
    response = answer(status, {"code": code, "message": message})
    response.headers["Content-Language"] = "en-US"
    return response
