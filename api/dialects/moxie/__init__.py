"""Moxie notifications: the module of the University of Oxford's mobile platform for alerts and their follow-ups."""

from __future__ import annotations

from collections.abc import Sequence

from flask import Flask, Response

from tocsin.api.dialects.browsers import let_pages_read
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


def register(app: Flask) -> None:
    """Add the module, under both of its roots."""
    app.register_blueprint(blueprint)


def finish(response: Response) -> Response:
    """Let pages of any origin call, and read the answer."""
    return let_pages_read(response, allowed=ALLOWED_HEADERS, exposed=EXPOSED_HEADERS)
