"""TwinPush: devices that register themselves, notifications to any choice of them, inboxes, receipts and reports."""

from __future__ import annotations

from collections.abc import Sequence

from flask import Flask, Response

from tocsin.api.dialects.browsers import let_pages_read
from tocsin.api.dialects.twinpush import device_routes, inbox_routes, notification_routes
from tocsin.api.dialects.twinpush.access import API_HEADER, CREATOR_HEADERS, NAME
from tocsin.api.dialects.twinpush.errors import http_error, refused, unexpected
from tocsin.api.dialects.twinpush.serving import ROOT

__all__ = ["NAME", "PREFIXES", "REFERENCE", "TITLE", "finish", "http_error", "refused", "register", "unexpected"]

TITLE = "TwinPush"
PREFIXES: Sequence[str] = (ROOT,)
REFERENCE = f"{ROOT}/openapi.json"

ALLOWED_HEADERS = ", ".join(("Accept", "Content-Type", "Idempotency-Key", API_HEADER, *CREATOR_HEADERS))
EXPOSED_HEADERS = "Idempotency-Replayed, Retry-After, Tocsin-Position, X-Request-ID"


def register(app: Flask) -> None:
    """Add the routes."""
    for routes in (device_routes, inbox_routes, notification_routes):
        app.register_blueprint(routes.blueprint)


def finish(response: Response) -> Response:
    """Let pages of any origin call, and read the answer."""
    return let_pages_read(response, allowed=ALLOWED_HEADERS, exposed=EXPOSED_HEADERS)
