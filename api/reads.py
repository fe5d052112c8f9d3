"""Reading: sessions for queries, pages with cursors, and waiting for a position the reader names."""

from __future__ import annotations

import base64
import binascii
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import msgspec
from flask import Response, request

from tocsin.api.requests import JSON, accepts, address_of
from tocsin.api.services import services
from tocsin.domain.errors import Invalid, Unavailable
from tocsin.projections.pages import Page, page
from tocsin.projections.registry import passed

T = TypeVar("T")
K = TypeVar("K")

DEFAULT_LIMIT = 100
LARGEST_LIMIT = 1000
LARGEST_POSITION = 2**63 - 1
AFTER = "after"
"""The query parameter by which a feed is begun after a position."""

WAIT = 5.0
"""Seconds a read waits for the position it asks for."""

_LOOK_SECONDS = 0.02


class Behind(Unavailable):
    """The read models have not passed the position the reader asked for."""

    code = "behind"


@contextmanager
def reading(*names: str) -> Iterator[Any]:
    """A session for queries on these read models, once they have passed ``?min_position=``. Raises Invalid, Behind."""
    wanted = position_argument("min_position")
    if wanted is not None:
        await_position(wanted, names)
    with services().readers.connection() as connection:
        yield connection


def await_position(position: int, names: Sequence[str], seconds: float = WAIT) -> None:
    """Wait until these read models have passed a position. Raises Behind, Invalid for one that is not recorded."""
    if position > services().record.head().position:
        raise Invalid("the record has not come to this position", field="min_position")
    if not caught_up(position, names, seconds):
        raise Behind(f"position {position} is recorded and not readable yet: try again", retry_after=1)


def caught_up(position: int, names: Sequence[str], seconds: float) -> bool:
    """Whether these read models have passed a position within so many seconds, however far behind they are."""
    deadline = time.monotonic() + seconds
    while True:
        with services().readers.connection() as connection:
            if passed(connection, names) >= position:
                return True
        if time.monotonic() > deadline:
            return False
        time.sleep(_LOOK_SECONDS)


def position_argument(name: str) -> int | None:
    """A query parameter that is a position. Raises Invalid."""
    return number_argument(name, 0, LARGEST_POSITION)


def limit() -> int:
    """``?limit=``. Raises Invalid."""
    return number_argument("limit", 1, LARGEST_LIMIT) or DEFAULT_LIMIT


def number_argument(name: str, lowest: int, highest: int) -> int | None:
    """A query parameter that is a whole number from ``lowest`` to ``highest``; None without it. Raises Invalid."""
    text = request.args.get(name)
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 20 and lowest <= int(text) <= highest):
        raise Invalid(f"{name} must be a whole number from {lowest} to {highest}", field=name)
    return int(text)


def after(kind: Any) -> Any:
    """The key, of type ``kind``, after which ``?cursor=`` says the page starts; None without one. Raises Invalid."""
    cursor = request.args.get("cursor")
    if cursor is None:
        return None
    try:
        key = msgspec.json.decode(decoded_cursor(cursor), type=kind)
    except msgspec.MsgspecError as error:
        raise _foreign_cursor() from error
    if isinstance(key, str) and "\0" in key:
        raise _foreign_cursor()
    return key


def decoded_cursor(cursor: str) -> bytes:
    """The bytes of a cursor. Raises Invalid."""
    try:
        return base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise _foreign_cursor() from error


def encoded_cursor(raw: bytes) -> str:
    """Bytes as a cursor, which needs no escaping in a URL."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _foreign_cursor() -> Invalid:
    return Invalid("this cursor is not one of ours: take it from `next` of a page", field="cursor")


def within(items: Sequence[T], key: Callable[[T], Any], kind: Any) -> Page[T, Any]:
    """The page asked for of ``items`` that are all at hand, in the order of ``key``, which is a ``kind``.

    Raises Invalid.
    """
    wanted, start = limit(), after(kind)
    left = [item for item in sorted(items, key=key) if start is None or key(item) > start]
    return page(left, wanted, key)


def paged(page: Page[T, K], present: Callable[[T], Any], **extra: Any) -> Response:
    """A page as JSON, its next page by cursor and by ``Link`` (RFC 8288). ``extra``: further members of the body."""
    cursor = None if page.next is None else encoded_cursor(msgspec.json.encode(page.next))
    return page_of([present(item) for item in page.items], cursor, **extra)


def page_of(items: Sequence[Any], cursor: str | None, **extra: Any) -> Response:
    """Items that are ready to be encoded, and the cursor of what follows."""
    response = as_json({"items": items, "next": cursor, **extra})
    if cursor is not None:
        # The cursor stands in the place of a start that was named otherwise.
        asked = {name: value for name, value in request.args.items() if name != AFTER}
        arguments: dict[str, Any] = {**asked, **(request.view_args or {}), "cursor": cursor}
        response.headers["Link"] = f'<{address_of(request.endpoint or "", **arguments)}>; rel="next"'
    return response


def as_json(body: Any, status: int = 200, produced: Sequence[str] = JSON) -> Response:
    """A JSON answer of anything msgspec encodes: structs, datetimes, UUIDs. ``produced``: what the client may ask for.

    Raises NotAcceptable.
    """
    accepts(*produced)
    return Response(msgspec.json.encode(body), status=status, content_type="application/json")


def chosen(name: str, allowed: Sequence[str]) -> str | None:
    """A query parameter that is one of ``allowed``, or None. Raises Invalid."""
    value = request.args.get(name)
    if value is not None and value not in allowed:
        raise Invalid(f"{name} must be one of {', '.join(allowed)}", field=name)
    return value
