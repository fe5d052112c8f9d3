"""Errors as ``application/problem+json`` (RFC 9457): one place where a refusal becomes a status and a body."""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import Any, NamedTuple

import msgspec
import psycopg
from eventsourcing.persistence import OperationalError
from flask import Response, g
from psycopg_pool import PoolTimeout
from werkzeug.exceptions import HTTPException

from tocsin.domain.errors import TocsinError, Unavailable

logger = logging.getLogger(__name__)

CONTENT_TYPE = "application/problem+json"

AWAY = (psycopg.OperationalError, psycopg.errors.UndefinedTable, PoolTimeout, OperationalError)
"""The database does not answer, or its read models were never built."""


class Malformed(TocsinError):
    """The body cannot be read as what it says it is; ``facts`` may give the ``line`` or the ``position``."""

    code = "malformed"


class Kind(NamedTuple):
    """What a code means: its status, a title, and what to do about it."""

    status: int
    title: str
    explanation: str


KINDS = {
    "malformed": Kind(
        400, "The request cannot be read", "Send valid JSON in UTF-8; `detail` says where reading failed."
    ),
    "unauthenticated": Kind(
        401,
        "The caller is not known",
        "Send `Authorization: Bearer tcn_…` with a token that was issued here and is not revoked.",
    ),
    "forbidden": Kind(
        403,
        "This credential may not do this",
        "Use a credential that has the role named in `role`; an admin of the app issues one.",
    ),
    "not-found": Kind(
        404,
        "There is no such thing",
        "Check the id. What belongs to another app is answered like what does not exist.",
    ),
    "method-not-allowed": Kind(
        405, "This method does not go with this address", "Use one of the methods in the `Allow` header."
    ),
    "not-acceptable": Kind(
        406,
        "The answer cannot be had in the form asked for",
        "Ask for application/json in `Accept`, or leave `Accept` out.",
    ),
    "conflict": Kind(
        409,
        "The thing is in a state that forbids this",
        "Read it again and decide anew; `detail` says what stands in the way.",
    ),
    "gone": Kind(
        410,
        "This cursor is of a record that was restored since",
        "Begin the feed again: without a cursor, or after the last position you are sure of.",
    ),
    "request-entity-too-large": Kind(
        413, "The body is too large", "Send at most 1 MiB; many devices go through the import, which has no limit."
    ),
    "unsupported-media-type": Kind(
        415,
        "The body is of a kind that is not read here",
        "Send `Content-Type: application/json`, and no `Content-Encoding`.",
    ),
    "invalid": Kind(
        422,
        "The request breaks a rule",
        "Change what `field` names; `detail` says what it must be, `position` where an expression fails.",
    ),
    "payload-too-large": Kind(
        422,
        "The message does not fit a provider",
        "Shorten what `field` names by `size` - `limit` bytes, or narrow the audience to platforms of other providers.",
    ),
    "audience-empty": Kind(
        422,
        "The audience is nobody",
        "No device matches. Preview the audience, or schedule the send for when there will be devices.",
    ),
    "idempotency-key-reused": Kind(
        422,
        "The idempotency key was used for another request",
        "Use a new key for a new request; a key belongs to one method, address and body for 30 days.",
    ),
    "internal": Kind(500, "Something went wrong here", "Try again; if it stays, look for `request` in the logs."),
    "unavailable": Kind(
        503,
        "A part the answer needs is away",
        "Try again after `Retry-After` seconds, with the same Idempotency-Key; /readyz says which part it is.",
    ),
    "behind": Kind(
        503,
        "The read models have not caught up",
        "The write you ask about is recorded. Read again after `Retry-After` seconds.",
    ),
}


def problem(status: int, code: str, detail: str, *, headers: dict[str, str] | None = None, **members: Any) -> Response:
    """A problem document. ``code`` is stable, ``detail`` is for people; ``members`` are the facts of this case.

    ``request`` is the correlation id under which the logs and, if anything was recorded, the events stand.
    """
    kind = KINDS.get(code)
    body = {
        "type": f"/problems/{code}" if kind else "about:blank",
        "title": kind.title if kind else HTTPStatus(status).phrase,
        "status": int(status),
        "detail": detail,
        "code": code,
        "request": str(g.correlation_id) if "correlation_id" in g else None,
    }
    body.update({name: value for name, value in members.items() if value is not None and name not in body})
    return Response(msgspec.json.encode(body), status=int(status), content_type=CONTENT_TYPE, headers=headers)


def refused(error: TocsinError) -> Response:
    """The problem of a refusal."""
    headers: dict[str, str] = {}
    if error.code == "unauthenticated":
        headers["WWW-Authenticate"] = 'Bearer realm="tocsin"'
    if "retry_after" in error.facts:
        headers["Retry-After"] = str(error.facts["retry_after"])
    kind = KINDS.get(error.code)
    return problem(kind.status if kind else 400, error.code, error.message, headers=headers, **error.facts)


def http_error(error: HTTPException) -> Response:
    """The problem of an error the framework raised: an unknown route, a wrong method, a body that cannot be read."""
    if error.response is not None:
        return error.get_response()  # type: ignore[return-value]
    status = error.code or 500
    headers = {name: value for name, value in error.get_headers() if name in ("Allow", "Retry-After", "Location")}
    code = {400: "malformed", 404: "not-found", 413: "request-entity-too-large", 500: "internal"}.get(status)
    detail = error.description or HTTPStatus(status).description
    return problem(status, code or _slug(status), detail, headers=headers)


def unreachable(error: Exception) -> Response:
    """The problem of a database that is away, or whose read models were never built."""
    reason = type(error).__name__
    logger.warning("the database cannot answer: %s", reason, extra={"correlation_id": str(g.correlation_id)})
    return refused(Unavailable("the database cannot answer now: try again", retry_after=1))


def unexpected(error: Exception) -> Response:
    """The problem of a fault of ours: the log has the rest, under the same correlation id."""
    logger.error("a request failed", exc_info=error, extra={"correlation_id": str(g.correlation_id)})
    return problem(500, "internal", "the request could not be carried out; the logs say why, under its request id")


def _slug(status: int) -> str:
    return HTTPStatus(status).phrase.lower().replace(" ", "-")
