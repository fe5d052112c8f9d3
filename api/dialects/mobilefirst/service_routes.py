"""The service itself: whether it is well, and what it offers."""

from __future__ import annotations

from flask import Response

from tocsin.api.dialects.mobilefirst.chapters import BASE, chapter
from tocsin.api.dialects.mobilefirst.errors import answer
from tocsin.api.dialects.mobilefirst.openapi import document
from tocsin.api.dialects.routing import serving

blueprint = chapter("service", BASE)
serves = serving(blueprint)


@serves("GET", "/health/status")
def health() -> Response:
    """That the service answers. Anybody may ask."""
    return answer(200, {"status": "UP"})


@serves("GET", "/swagger.json")
def swagger() -> Response:
    """This API in OpenAPI 3.1."""
    return answer(200, document())
