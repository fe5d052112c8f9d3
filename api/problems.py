"""Errors as ``application/problem+json`` (RFC 9457): one place where a refusal becomes a status and a body."""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import Any

from flask import Response, g, json
from werkzeug.exceptions import HTTPException

from tocsin.domain.errors import TocsinError

logger = logging.getLogger(__name__)

CONTENT_TYPE = "application/problem+json"

STATUS = {
    "invalid": HTTPStatus.UNPROCESSABLE_ENTITY,
    "payload-too-large": HTTPStatus.UNPROCESSABLE_ENTITY,
    "audience-empty": HTTPStatus.UNPROCESSABLE_ENTITY,
    "idempotency-key-reused": HTTPStatus.UNPROCESSABLE_ENTITY,
    "not-found": HTTPStatus.NOT_FOUND,
    "conflict": HTTPStatus.CONFLICT,
    "forbidden": HTTPStatus.FORBIDDEN,
    "unauthenticated": HTTPStatus.UNAUTHORIZED,
    "unavailable": HTTPStatus.SERVICE_UNAVAILABLE,
    "error": HTTPStatus.BAD_REQUEST,
}

TITLES = {
    "invalid": "The request breaks a rule",
    "malformed": "The request cannot be read",
    "payload-too-large": "The message does not fit a provider",
    "audience-empty": "The audience is nobody",
    "idempotency-key-reused": "The idempotency key was used for another request",
    "not-found": "There is no such thing",
    "conflict": "The thing is in a state that forbids this",
    "forbidden": "This credential may not do this",
    "unauthenticated": "The caller is not known",
    "unavailable": "A part the answer needs is away",
    "internal": "Something went wrong here",
}


def problem(status: int, code: str, detail: str, *, headers: dict[str, str] | None = None, **members: Any) -> Response:
    """A problem document. ``code`` is stable, ``detail`` is for people; ``members`` are the facts of this case.

    ``request`` is the correlation id under which the logs and, if anything was recorded, the events stand.
    """
    body = {
        "type": f"/problems/{code}",
        "title": TITLES.get(code) or HTTPStatus(status).phrase,
        "status": int(status),
        "detail": detail,
        "code": code,
        "request": str(g.correlation_id) if "correlation_id" in g else None,
    }
    body.update({name: value for name, value in members.items() if value is not None})
    return Response(json.dumps(body), status=int(status), content_type=CONTENT_TYPE, headers=headers)


def refused(error: TocsinError) -> Response:
    """The problem of a refusal."""
    headers: dict[str, str] = {}
    facts = dict(error.facts)
    if error.code == "unauthenticated":
        headers["WWW-Authenticate"] = 'Bearer realm="tocsin"'
    if "retry_after" in facts:
        headers["Retry-After"] = str(facts["retry_after"])
    return problem(STATUS.get(error.code, 400), error.code, error.message, headers=headers, **facts)


def http_error(error: HTTPException) -> Response:
    """The problem of an error the framework raised: an unknown route, a wrong method, a body that cannot be read."""
    status = error.code or 500
    data = getattr(error, "data", None) or {}
    messages = data.get("errors") or data.get("messages")
    if messages:
        return problem(422, "invalid", _first_message(messages), errors=messages)
    headers = {name: value for name, value in error.get_headers() if name in ("Allow", "Retry-After")}
    code = {404: "not-found", 400: "malformed", 500: "internal"}.get(status, _slug(status))
    return problem(status, code, error.description or HTTPStatus(status).description, headers=headers)


def unexpected(error: Exception) -> Response:
    """The problem of a fault of ours: the log has the rest, under the same correlation id."""
    logger.error("a request failed", exc_info=error)
    return problem(500, "internal", "the request could not be carried out; the logs say why, under its request id")


def _slug(status: int) -> str:
    return HTTPStatus(status).phrase.lower().replace(" ", "-")


def _first_message(messages: Any, path: str = "") -> str:
    """The first of nested validation messages, with the field it belongs to."""
    if isinstance(messages, dict):
        name, inner = next(iter(messages.items()))
        step = "" if name in ("json", "query", "_schema") else str(name)
        return _first_message(inner, ".".join(part for part in (path, step) if part))
    if isinstance(messages, list):
        return _first_message(messages[0], path)
    return f"{path}: {messages}" if path else str(messages)
