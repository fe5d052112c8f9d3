"""BaasBox: accounts, devices of accounts, and pushes from one account to another."""

from __future__ import annotations

from collections.abc import Sequence

from flask import Flask, Response, g

from tocsin.api.dialects.baasbox import routes, settings_routes
from tocsin.api.dialects.baasbox.access import NAME
from tocsin.api.dialects.baasbox.errors import http_error, refused, unexpected
from tocsin.api.dialects.browsers import METHODS, let_pages_read

__all__ = ["NAME", "PREFIXES", "REFERENCE", "TITLE", "finish", "http_error", "refused", "register", "unexpected"]

TITLE = "BaasBox push notifications"
PREFIXES: Sequence[str] = ("",)
REFERENCE = "/push/openapi.json"

ALLOWED_HEADERS = "Content-Type, Authorization, X-BB-SESSION, X-BAASBOX-APPCODE"
EXPOSED_HEADERS = "X-BB-SESSION, BB-USERNAME, Tocsin-Position, X-Request-ID"


def register(app: Flask) -> None:
    """Add the routes."""
    app.register_blueprint(routes.blueprint)
    app.register_blueprint(settings_routes.blueprint)


def finish(response: Response) -> Response:
    """Say who asked; and let pages of any origin call, and read the answer.

    With any method: one that an address does not have is an API that is not there, which they may read too.
    """
    response = let_pages_read(response, allowed=ALLOWED_HEADERS, exposed=EXPOSED_HEADERS, methods=METHODS)
    username = g.get("baasbox_username")
    if username is not None and username.isascii() and username.isprintable():
        response.headers["BB-USERNAME"] = username
    return response
