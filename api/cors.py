"""Calls from web pages of other origins (CORS, the Fetch standard), where the operator allows them."""

from __future__ import annotations

from flask import Response, request

from tocsin.api.services import services

METHODS = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"
EXPOSED = (
    "Idempotency-Replayed, Link, Location, Preference-Applied, Retry-After, Tocsin-Lag, Tocsin-Position, X-Request-ID"
)


def allow_origin(response: Response) -> Response:
    """Add what lets a page of an allowed origin read the answer. Credentials are headers here, never cookies."""
    allowed = services().origins
    origin = request.headers.get("Origin")
    if not allowed:
        return response
    response.vary.add("Origin")
    if origin is None or not ("*" in allowed or origin in allowed):
        return response
    response.headers["Access-Control-Allow-Origin"] = origin
    response.headers["Access-Control-Expose-Headers"] = EXPOSED
    if request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers:
        response.headers["Access-Control-Allow-Methods"] = METHODS
        response.headers["Access-Control-Allow-Headers"] = request.headers.get("Access-Control-Request-Headers", "*")
        response.headers["Access-Control-Max-Age"] = "600"
    return response
