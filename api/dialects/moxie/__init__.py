"""Moxie notifications: the module of the University of Oxford's mobile platform for alerts and their follow-ups."""

from __future__ import annotations

from collections.abc import Sequence

from flask import Flask, Response, request

from tocsin.api.dialects.moxie.errors import http_error, refused, unexpected
from tocsin.api.dialects.moxie.representations import ROOTS
from tocsin.api.dialects.moxie.routes import blueprint
from tocsin.api.dialects.moxie.signatures import NAME

__all__ = ["NAME", "PREFIXES", "REFERENCE", "TITLE", "finish", "http_error", "refused", "register", "unexpected"]

TITLE = "Moxie notifications"
PREFIXES: Sequence[str] = ROOTS
REFERENCE = "/notifications/openapi.json"

ALLOWED_HEADERS = "Content-Type, X-Moxie-Key, X-HMAC-Nonce, Authorization, Date"
EXPOSED_HEADERS = "Location, Tocsin-Position, WWW-Authenticate, X-Request-ID"
REMEMBERED_SECONDS = 21600


def register(app: Flask) -> None:
    """Add the module, under both of its roots."""
    app.register_blueprint(blueprint)


def finish(response: Response) -> Response:
    """Let a page of any origin read the answer: nothing of this API goes by cookies."""
    response.headers["Access-Control-Allow-Origin"] = "*"
    response.headers["Access-Control-Expose-Headers"] = EXPOSED_HEADERS
    if request.method == "OPTIONS" and "Allow" in response.headers:
        response.headers["Access-Control-Allow-Methods"] = response.headers["Allow"]
        response.headers["Access-Control-Allow-Headers"] = ALLOWED_HEADERS
        response.headers["Access-Control-Max-Age"] = str(REMEMBERED_SECONDS)
    return response
