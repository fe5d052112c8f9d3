"""BaasBox: accounts, devices of accounts, and pushes from one account to another."""

from __future__ import annotations

from collections.abc import Sequence

from flask import Flask, Response, g, request

from tocsin.api.dialects.baasbox import routes, settings_routes
from tocsin.api.dialects.baasbox.access import NAME
from tocsin.api.dialects.baasbox.errors import http_error, refused, unexpected

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
    """Let a page of any origin read the answer, and say who asked: nothing of this API goes by cookies."""
    response.headers["Access-Control-Allow-Origin"] = "*"
    response.headers["Access-Control-Expose-Headers"] = EXPOSED_HEADERS
    username = g.get("baasbox_username")
    if username is not None and username.isascii() and username.isprintable():
        response.headers["BB-USERNAME"] = username
    if request.method == "OPTIONS" and "Allow" in response.headers:
        response.headers["Access-Control-Allow-Methods"] = response.headers["Allow"]
        response.headers["Access-Control-Allow-Headers"] = ALLOWED_HEADERS
    return response
