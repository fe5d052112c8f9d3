"""The Flask app: every API of the instance on one port."""

from __future__ import annotations

import logging
import time
from http import HTTPStatus

from flask import Flask, Response, g, request
from werkzeug.exceptions import HTTPException

from tocsin.api import native, operations
from tocsin.api.cors import allow_origin
from tocsin.api.dialects import DIALECTS, dialect_of
from tocsin.api.problems import AWAY, http_error, refused, unexpected, unreachable
from tocsin.api.requests import begin
from tocsin.api.services import EXTENSION, Services
from tocsin.domain.errors import Invalid, TocsinError, Unavailable
from tocsin.eventlog.recorder import Unacceptable

logger = logging.getLogger(__name__)

LARGEST_BODY = 1024 * 1024
"""Bytes of a request's body, but for imports, which are read as they come."""


def create_app(services: Services) -> Flask:
    """An app that serves every API with these services."""
    # Not before: its library decides when imported whether it counts for one process or for several.
    from tocsin.api.metrics import Metrics

    app = Flask("tocsin", static_folder=None)
    app.extensions[EXTENSION] = services
    app.extensions[operations.METRICS] = Metrics(services)
    app.config["MAX_CONTENT_LENGTH"] = LARGEST_BODY
    app.config["MAX_FORM_MEMORY_SIZE"] = LARGEST_BODY
    app.url_map.strict_slashes = False
    app.url_map.merge_slashes = False
    app.before_request(_begin)
    app.after_request(_finish)
    app.register_blueprint(operations.blueprint)
    native.register(app)
    for dialect in DIALECTS:
        dialect.register(app)
    for fault in AWAY:
        app.register_error_handler(fault, _unreachable)
    app.register_error_handler(Unacceptable, _unexpected)
    app.register_error_handler(TocsinError, _refused)
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(Exception, _unexpected)
    return app


def _refused(error: TocsinError) -> Response:
    dialect = dialect_of(request)
    return refused(error) if dialect is None else dialect.refused(error)


def _http_error(error: HTTPException) -> Response:
    dialect = dialect_of(request)
    return http_error(error) if dialect is None else dialect.http_error(error)


def _unreachable(error: Exception) -> Response:
    dialect = dialect_of(request)
    if dialect is None:
        return unreachable(error)
    logger.error("the database does not answer", exc_info=error)
    return dialect.refused(Unavailable("the database does not answer: try again", retry_after=1))


def _unexpected(error: Exception) -> Response:
    dialect = dialect_of(request)
    if dialect is None:
        return unexpected(error)
    logger.error("a request failed", exc_info=error)
    return dialect.unexpected(error)


def _begin() -> None:
    g.started = time.perf_counter()
    begin()
    if "\0" in request.path or any("\0" in value for _, value in request.args.items(multi=True)):
        raise Invalid("an address holds a character that cannot be stored")


def _finish(response: Response) -> Response:
    seconds = time.perf_counter() - g.started
    response.headers["X-Request-ID"] = str(g.correlation_id)
    dialect = dialect_of(request)
    response = allow_origin(response) if dialect is None else dialect.finish(response)
    route = request.url_rule.rule if request.url_rule else "unmatched"
    operations.measured().observe(request.method, route, response.status_code, seconds)
    logger.log(
        logging.INFO if response.status_code < HTTPStatus.INTERNAL_SERVER_ERROR else logging.WARNING,
        "%s %s %d",
        request.method,
        route,
        response.status_code,
        extra={"milliseconds": round(seconds * 1000, 1), "correlation_id": str(g.correlation_id)},
    )
    return response
