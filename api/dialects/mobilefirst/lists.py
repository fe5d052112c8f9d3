"""Lists: where a page begins and ends, what it is narrowed to, and the links to the pages beside it.

A filter is ``<name><operator><expression>``; ``==`` is equal, ``=@`` contains. Commas within one filter mean "or",
several filters "and"; a backslash takes a comma's or a backslash's meaning away.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import urlencode

from flask import Response, request

from tocsin.api.dialects.mobilefirst.errors import (
    BAD_OFFSET,
    BAD_SIZE,
    PARAMETER_UNKNOWN,
    Refusal,
    answer,
    invalid,
)
from tocsin.api.dialects.mobilefirst.platforms import engine_platforms
from tocsin.api.services import services
from tocsin.projections.pages import Matching, Slice, Term

T = TypeVar("T")

DEFAULT_SIZE = 100
LARGEST_SIZE = 500
"""Of a page; who asks for more gets this many, and the link to the rest."""

LARGEST_OFFSET = 2**53

PLATFORM = "platform"
ANY = ("==", "=@")
EQUAL = ("==",)

OPERATORS = {"==": "equals", "=@": "contains"}

_NUMBER = re.compile(r"[+-]?[0-9]{1,19}")
_TERM = re.compile(r"([A-Za-z]+)(==|=@)(.*)", re.DOTALL)
_PART = re.compile(r"(?:\\.|[^\\,])*\\?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Place:
    """Which part of a list is wanted: ``size`` items from the ``offset``-th on."""

    offset: int
    size: int


def place() -> Place:
    """``?offset=&size=``. Raises Refusal."""
    offset, size = _number("offset", 0), _number("size", DEFAULT_SIZE)
    if offset < 0:
        raise Refusal(BAD_OFFSET)
    if size <= 0:
        raise Refusal(BAD_SIZE)
    return Place(min(offset, LARGEST_OFFSET), min(size, LARGEST_SIZE))


def flag(*names: str) -> bool:
    """Whether one of these parameters is there and does not say no."""
    given = (request.args.get(name, "").strip().lower() for name in names)
    return any(value not in ("", "false", "0", "no") for value in given)


def expanded() -> bool:
    """Whether the items are wanted with all that is known of them; the manual prints ``expend`` in its tables."""
    return flag("expand", "expend")


def narrowed(name: str) -> str | None:
    """A parameter that narrows the list; an empty one does not."""
    return request.args.get(name) or None


def filters(fields: Mapping[str, tuple[str, ...]]) -> list[list[Term]]:
    """``?filter=``, as groups of which each must hold. ``fields``: the operators of each name. Raises Refusal."""
    return [
        [_term(part, fields) for part in _PART.findall(text) if part]
        for text in request.args.getlist("filter")
        if text.strip()
    ]


def on_devices(groups: list[list[Term]], names: Mapping[str, str]) -> Matching:
    """``groups`` in the words of the read model of devices: ``names`` by this API's, platforms as the engine's."""
    return [[own for term in group for own in _of_engine(term, names)] for group in groups]


def without_platforms(groups: list[list[Term]]) -> Matching:
    """``groups`` for things that are of no platform: a group that asks for one holds for all of them."""
    return [group for group in groups if all(term.field != PLATFORM for term in group)]


def listed(name: str, found: Slice[T], present: Callable[[T], Any], where: Place) -> Response:
    """A page of a collection, under its name."""
    return answer(200, {name: [present(item) for item in found.items], "pageInfo": page_info(found, where)})


def page_info(found: Slice[Any], where: Place) -> dict[str, str]:
    """The counts and the links; all of them are strings."""
    after, before = where.offset + where.size, max(where.offset - where.size, 0)
    return {
        "count": str(len(found.items)),
        "next": _link(after, where.size) if after < found.total else "",
        "previous": _link(before, where.size) if where.offset > 0 else "",
        "totalCount": str(found.total),
    }


def root() -> str:
    """Where clients reach us: where we are said to be, else where this one called, its port as it wrote it."""
    host = request.headers.get("Host") or request.host
    return (services().public_url or f"{request.scheme}://{host}").rstrip("/")


def _link(offset: int, size: int) -> str:
    kept = [pair for pair in request.args.items(multi=True) if pair[0] not in ("offset", "size")]
    query = urlencode([*kept, ("offset", offset), ("size", size)])
    return f"{root()}{request.path}?{query}"


def _number(name: str, default: int) -> int:
    text = request.args.get(name, "").strip()
    if not text:
        return default
    if not _NUMBER.fullmatch(text):
        raise invalid(name)
    return int(text)


def _term(part: str, fields: Mapping[str, tuple[str, ...]]) -> Term:
    found = _TERM.fullmatch(part.strip())
    if found is None or found[2] not in fields.get(found[1], ()):
        raise Refusal(PARAMETER_UNKNOWN, "filter")
    return Term(found[1], OPERATORS[found[2]], re.sub(r"\\(.)", r"\1", found[3], flags=re.DOTALL))


def _of_engine(term: Term, names: Mapping[str, str]) -> list[Term]:
    if term.field == PLATFORM:
        return [Term(PLATFORM, term.operator, platform) for platform in engine_platforms(term.value)]
    return [Term(names[term.field], term.operator, term.value)]
