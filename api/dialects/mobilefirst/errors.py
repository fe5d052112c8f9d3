"""Errors as this API says them: ``{"code": "FPWSE…", "message": …}``, and OAuth's where tokens are issued."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import Any

import msgspec
from flask import Response, request
from werkzeug.exceptions import HTTPException

from tocsin.api.dialects.mobilefirst.languages import ENGLISH, language, said
from tocsin.domain.errors import TocsinError

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

UNAUTHORIZED = "unauthorized"
INVALID_TOKEN = "invalid_token"  # noqa: S105 - a code of OAuth's
INSUFFICIENT_SCOPE = "insufficient_scope"

STATUSES = {
    NOT_FOUND: 404,
    EXISTS: 409,
    NO_CONFIGURATION: 404,
    NOT_JSON: 400,
    INVALID: 400,
    PARAMETER_UNKNOWN: 400,
    PARAMETER_MISSING: 400,
    NO_DEVICES: 404,
    INTERNAL: 500,
    SUBSCRIPTION_EXISTS: 409,
    NO_SUBSCRIPTION: 404,
    BAD_PAYLOAD: 400,
    BUSY: 503,
    DISABLED: 403,
    BAD_OFFSET: 400,
    BAD_SIZE: 400,
    UNAUTHORIZED: 401,
    INVALID_TOKEN: 401,
    INSUFFICIENT_SCOPE: 403,
}
"""By code. FPWSE0006E, of parameters in a body that nobody knows, is never raised: devices of all ages send such."""

CODES = {
    "malformed": NOT_JSON,
    "not-found": NOT_FOUND,
    "conflict": EXISTS,
    "idempotency-key-reused": EXISTS,
    "payload-too-large": BAD_PAYLOAD,
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
    """A request that is refused. ``name``: of the parameter that is wrong; ``resource``: of what is not there.

    ``challenge``: goes into ``WWW-Authenticate`` (RFC 6750, 3).
    """

    def __init__(self, code: str, name: str = "", resource: str = "", challenge: str | None = None) -> None:
        super().__init__(ENGLISH[code].format(name=name, resource=resource))
        self.code = code
        self.name = name
        self.resource = resource
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


def unauthenticated() -> Refusal:
    """The request carries no credential."""
    return Refusal(UNAUTHORIZED, challenge="Bearer")


def invalid_token() -> Refusal:
    """The credential is not one of ours, or not any more."""
    return Refusal(INVALID_TOKEN, challenge='Bearer error="invalid_token"')


def insufficient_scope(required: str) -> Refusal:
    """The credential is good, but not for this."""
    # An application's id is whatever stood in the address; only some characters may be in a scope (RFC 6749, 3.3).
    shown = _NOT_IN_SCOPES.sub("_", required)
    return Refusal(INSUFFICIENT_SCOPE, challenge=f'Bearer error="insufficient_scope", scope="{shown}"')


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
    own = error if isinstance(error, Refusal) else _translated(error)
    response = _said(STATUSES[own.code], own.code, said(own.code, own.name, own.resource))
    if own.challenge is not None:
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
    response = _said(status, code, said(_WORDS[status]) if status in _WORDS else HTTPStatus(status).phrase)
    response.headers.extend([(name, value) for name, value in error.get_headers() if name in ("Allow", "Retry-After")])
    return response


def unexpected(_: Exception) -> Response:
    """A fault of ours."""
    return _said(500, INTERNAL, said(INTERNAL))


_WORDS = {405: "method", 406: "accept", 413: "too-large"}

_NOT_IN_SCOPES = re.compile(r"[^\x20\x21\x23-\x5b\x5d-\x7e]")


def _wrong_content_type() -> Response:
    """The body is of another kind than is read here, which in this API is 405."""
    response = _said(405, INVALID, said("content-type"))
    response.headers["Allow"] = ", ".join(sorted(getattr(request.url_rule, "methods", None) or ()))
    return response


def _translated(error: TocsinError) -> Refusal:
    code = CODES.get(error.code, INVALID)
    field = str(error.facts.get("field") or "")
    name = FIELDS.get(field, field.rpartition(".")[2]) or "request"
    return Refusal(code, name, resource=name)


def _said(status: int, code: str, message: str) -> Response:
    response = answer(status, {"code": code, "message": message})
    response.headers["Content-Language"] = language()
    response.vary.add("Accept-Language")
    return response
