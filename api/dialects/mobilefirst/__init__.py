"""IBM MobileFirst Push: the push service of the MobileFirst Server, and of IBM Cloud after it."""

from __future__ import annotations

from collections.abc import Sequence

from flask import Flask, Response, request

from tocsin.api.dialects.mobilefirst import (
    app_routes,
    device_routes,
    service_routes,
    subscription_routes,
    tag_routes,
    token_routes,
)
from tocsin.api.dialects.mobilefirst.applications import NAME
from tocsin.api.dialects.mobilefirst.errors import http_error, refused, unexpected

__all__ = ["NAME", "PREFIXES", "REFERENCE", "TITLE", "finish", "http_error", "refused", "register", "unexpected"]

TITLE = "IBM MobileFirst Push"
PREFIXES: Sequence[str] = ("/imfpush", "/mfp")
REFERENCE = "/imfpush/v1/swagger.json"

ALLOWED_HEADERS = "Accept, Accept-Language, Authorization, Content-Type, appSecret, clientSecret, X-REWRITE-DOMAIN"
EXPOSED_HEADERS = "Retry-After, Tocsin-Position, WWW-Authenticate, X-Request-ID"
REMEMBERED_SECONDS = 21600

BLUEPRINTS = (
    token_routes.blueprint,
    service_routes.blueprint,
    app_routes.blueprint,
    device_routes.blueprint,
    tag_routes.blueprint,
    subscription_routes.blueprint,
)


def register(app: Flask) -> None:
    """Add the routes, one blueprint a chapter of the manual."""
    for blueprint in BLUEPRINTS:
        app.register_blueprint(blueprint)


def finish(response: Response) -> Response:
    """Let a page of any origin read the answer, as the client for browsers does: nothing here goes by cookies."""
    response.headers["Access-Control-Allow-Origin"] = "*"
    response.headers["Access-Control-Expose-Headers"] = EXPOSED_HEADERS
    if request.method == "OPTIONS" and "Allow" in response.headers:
        response.headers["Access-Control-Allow-Methods"] = response.headers["Allow"]
        response.headers["Access-Control-Allow-Headers"] = ALLOWED_HEADERS
        response.headers["Access-Control-Max-Age"] = str(REMEMBERED_SECONDS)
    return response
