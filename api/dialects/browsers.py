"""Pages of any origin may call a dialect and read its answers, errors too: nothing of these APIs goes by cookies."""

from __future__ import annotations

from http import HTTPStatus

from flask import Response, request

REMEMBERED_SECONDS = 21600
METHODS = "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT"


def let_pages_read(response: Response, *, allowed: str, exposed: str, methods: str | None = None) -> Response:
    """Add what lets pages read the answer (CORS, the Fetch standard).

    ``allowed``: the headers a page may send. ``exposed``: those of the answer that it may read. ``methods``: which it
    may use, if not those of the address.
    """
    response.headers["Access-Control-Allow-Origin"] = "*"
    response.headers["Access-Control-Expose-Headers"] = exposed
    if request.method == "OPTIONS":
        if response.status_code == HTTPStatus.NOT_FOUND and "Access-Control-Request-Method" in request.headers:
            _let_pages_see_for_themselves(response)
        response.headers["Access-Control-Allow-Methods"] = methods or response.headers.get("Allow", METHODS)
        response.headers["Access-Control-Allow-Headers"] = allowed
        response.headers["Access-Control-Max-Age"] = str(REMEMBERED_SECONDS)
    return response


def _let_pages_see_for_themselves(response: Response) -> None:
    """A browser that is refused when it asks tells its page of a broken network, and never of the 404 behind it."""
    response.status_code = HTTPStatus.NO_CONTENT
    response.set_data(b"")
    response.headers.pop("Content-Type")
