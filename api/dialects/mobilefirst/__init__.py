"""IBM MobileFirst Push: the push service of the MobileFirst Server, and of IBM Cloud after it."""

from __future__ import annotations

from collections.abc import Sequence

from flask import Flask, Response

from tocsin.api.dialects.browsers import let_pages_read
from tocsin.api.dialects.mobilefirst import (
    app_routes,
    device_routes,
    message_routes,
    service_routes,
    settings_routes,
    subscription_routes,
    tag_routes,
    token_routes,
    webhook_routes,
)
from tocsin.api.dialects.mobilefirst.applications import NAME
from tocsin.api.dialects.mobilefirst.errors import http_error, refused, unexpected
from tocsin.api.dialects.mobilefirst.webhooks import told

__all__ = [
    "NAME",
    "PREFIXES",
    "REFERENCE",
    "TITLE",
    "finish",
    "http_error",
    "refused",
    "register",
    "told",
    "unexpected",
]

TITLE = "IBM MobileFirst Push"
PREFIXES: Sequence[str] = ("/imfpush", "/mfp")
REFERENCE = "/imfpush/v1/swagger.json"

ALLOWED_HEADERS = "Accept, Accept-Language, Authorization, Content-Type, appSecret, clientSecret, X-REWRITE-DOMAIN"
EXPOSED_HEADERS = "Retry-After, Tocsin-Position, WWW-Authenticate, X-Request-ID"

BLUEPRINTS = (
    token_routes.blueprint,
    service_routes.blueprint,
    app_routes.blueprint,
    device_routes.blueprint,
    tag_routes.blueprint,
    subscription_routes.blueprint,
    message_routes.blueprint,
    settings_routes.blueprint,
    webhook_routes.blueprint,
)


def register(app: Flask) -> None:
    """Add the routes, one blueprint a chapter of the manual."""
    for blueprint in BLUEPRINTS:
        app.register_blueprint(blueprint)


def finish(response: Response) -> Response:
    """Let pages of any origin call, and read the answer, as the product's library for browsers does."""
    return let_pages_read(response, allowed=ALLOWED_HEADERS, exposed=EXPOSED_HEADERS)
