"""Push APIs that were published by others, served on the same engine so that their clients work unchanged.

A dialect is one package that reads like its product's manual: routes, schemas, an error table, and one translation to
commands and queries. The engine knows none of their names; this list does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from flask import Flask, Request, Response
from werkzeug.exceptions import HTTPException

from tocsin.api.dialects import baasbox, mobilefirst, moxie, thinkbit, twinpush
from tocsin.domain.errors import TocsinError
from tocsin.projections.webhook_news import Renderer


class Dialect(Protocol):
    """What a dialect's package offers."""

    NAME: str
    """As credentials, settings and actors name it, and the blueprint of its routes (``NAME`` or ``NAME-…``)."""

    TITLE: str
    """As people know it."""

    REFERENCE: str
    """The path of its OpenAPI document."""

    PREFIXES: Sequence[str]
    """Paths that are its area: what nothing answers there is answered in its shape. ``""`` takes what no other has."""

    def register(self, app: Flask) -> None:
        """Add its routes."""

    def refused(self, error: TocsinError) -> Response:
        """The engine's refusal, in its shape."""

    def http_error(self, error: HTTPException) -> Response:
        """An error of the framework (no such route, wrong method, unreadable body), in its shape."""

    def unexpected(self, error: Exception) -> Response:
        """A fault of ours, in its shape. It is logged already."""

    def finish(self, response: Response) -> Response:
        """Whatever was answered, with what each of its answers carries: the headers for browsers, above all."""


DIALECTS: tuple[Dialect, ...] = (baasbox, mobilefirst, moxie, thinkbit, twinpush)

WEBHOOK_FORMATS: Mapping[str, Renderer] = {mobilefirst.NAME: mobilefirst.told}
"""How dialects that have webhooks tell of events, by the format of those that are created through them."""

RESERVED = ("/v1", "/healthz", "/readyz", "/metrics", "/problems", "/docs", "/openapi.json")
"""Paths of the instance itself, whatever a dialect may claim."""


def dialect_of(request: Request) -> Dialect | None:
    """The dialect that answers a request: whose route it is, else whose area it lies in; None: the instance's own."""
    own = (request.blueprint or "").partition("-")[0]
    return next((dialect for dialect in DIALECTS if own == dialect.NAME), None) or _of_area(request.path)


def _of_area(path: str) -> Dialect | None:
    """The longest prefix wins."""
    if path == "/" or any(_within(path, prefix) for prefix in RESERVED):
        return None
    claims = [(prefix, dialect) for dialect in DIALECTS for prefix in dialect.PREFIXES if _within(path, prefix)]
    return max(claims, key=lambda claim: len(claim[0]))[1] if claims else None


def _within(path: str, prefix: str) -> bool:
    return prefix == "" or path == prefix or path.startswith(prefix + "/")
