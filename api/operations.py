"""What operators and browsers ask of an instance: is it alive, is it ready, how does it do, what is there."""

from __future__ import annotations

from html import escape
from importlib import resources
from typing import TYPE_CHECKING, cast

from flask import Blueprint, Response, current_app

from tocsin.api.dialects import DIALECTS
from tocsin.api.problems import KINDS
from tocsin.api.reads import as_json
from tocsin.api.requests import accepts
from tocsin.api.services import services
from tocsin.domain.errors import NotFound

if TYPE_CHECKING:
    from tocsin.api.metrics import Metrics

METRICS = "tocsin-metrics"

_DIALECT = '<li><a href="{}">{}</a>, as its own clients speak it</li>\n'

blueprint = Blueprint("operations", __name__)


@blueprint.get("/healthz")
def healthz() -> Response:
    """This process answers. Nothing else is asked: a database that is away is no reason to kill it."""
    return as_json({"alive": True})


@blueprint.get("/readyz")
def readyz() -> Response:
    """Every part with what is wrong with it; 503 where something is."""
    parts = dict(services().readiness())
    ready = not any(parts.values())
    return as_json({"ready": ready, "parts": parts}, 200 if ready else 503)


@blueprint.get("/metrics")
def metrics() -> Response:
    """Measurements for Prometheus."""
    return Response(measured().exposition(), content_type="text/plain; version=0.0.4; charset=utf-8")


@blueprint.get("/problems/<code>")
def explain(code: str) -> Response:
    """What an error's code means and what to do about it."""
    kind = KINDS.get(code)
    if kind is None:
        raise NotFound("there is no such error code", code_asked=code)
    if accepts("application/json", "text/html") == "application/json":
        return as_json({"code": code, **kind._asdict()})
    page = _page("problem.html").format(code=escape(code), title=escape(kind.title), status=kind.status,
                                        explanation=escape(kind.explanation))  # fmt: skip
    return Response(page, content_type="text/html; charset=utf-8")


@blueprint.get("/")
def index() -> Response:
    """The APIs there are."""
    dialects = "".join(_DIALECT.format(escape(one.REFERENCE), escape(one.TITLE)) for one in DIALECTS)
    return Response(_page("index.html").replace("{dialects}", dialects), content_type="text/html; charset=utf-8")


@blueprint.get("/docs")
def docs() -> Response:
    """The native API to read, made in the browser from ``/openapi.json``."""
    return Response(_page("docs.html"), content_type="text/html; charset=utf-8")


def measured() -> Metrics:
    """The measurements of this process."""
    return cast("Metrics", current_app.extensions[METRICS])


def _page(name: str) -> str:
    return (resources.files("tocsin.api") / name).read_text(encoding="utf-8")
