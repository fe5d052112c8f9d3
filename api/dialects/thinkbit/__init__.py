"""ThinkBIT's API for FCM: the devices of each user, kept as one group of limited size, and the cron call."""

from __future__ import annotations

from collections.abc import Sequence

from flask import Flask, Response

from tocsin.api.dialects.browsers import let_pages_read
from tocsin.api.dialects.thinkbit import throttle
from tocsin.api.dialects.thinkbit.errors import http_error, refused, unexpected
from tocsin.api.dialects.thinkbit.routes import blueprint
from tocsin.api.dialects.thinkbit.translation import NAME

__all__ = ["NAME", "PREFIXES", "REFERENCE", "TITLE", "finish", "http_error", "refused", "register", "unexpected"]

TITLE = "ThinkBIT FCM registration tokens"
PREFIXES: Sequence[str] = ("/api",)
REFERENCE = "/api/openapi.json"

ALLOWED_HEADERS = "Accept, Authorization, Content-Type, X-Appengine-Cron, X-Requested-With"
EXPOSED_HEADERS = (
    "Retry-After, Tocsin-Position, WWW-Authenticate, X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset, "
    "X-Request-ID"
)


def register(app: Flask) -> None:
    """Add the routes."""
    app.register_blueprint(blueprint)


def finish(response: Response) -> Response:
    """How often the caller may still call; and pages of any origin may call, and read it."""
    response = let_pages_read(response, allowed=ALLOWED_HEADERS, exposed=EXPOSED_HEADERS)
    response.headers.update(throttle.headers())
    return response
