"""What the values in commands must satisfy, whatever the stream: each rule names the field that breaks it."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from itertools import chain
from typing import Any
from urllib.parse import urlsplit

import msgspec

from tocsin.domain.entry import Fact
from tocsin.domain.errors import Invalid
from tocsin.domain.personal import Personal

MAX_NESTING = 32
"""Levels of objects and lists in a JSON value."""


class OutOfPlace(ValueError):
    """A stream holds a fact that cannot stand there: the record was written by something else, or read wrongly."""

    def __init__(self, stream: str, fact: Fact) -> None:
        super().__init__(f"{type(fact).__name__} cannot stand at this place of a {stream} stream")


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody wants done. Values are checked when it is decided, so that every refusal is one of our errors."""


def text(value: object, field: str, longest: int) -> str:
    """``value`` where it is a string that says something in at most ``longest`` characters.

    Errors: Invalid. NUL is refused because PostgreSQL cannot keep it, lone surrogates because UTF-8 cannot.
    """
    if not isinstance(value, str):
        raise Invalid(f"{field} must be a string", field=field)
    if not value.strip():
        raise Invalid(f"{field} must not be blank", field=field)
    if len(value) > longest:
        raise Invalid(f"{field} has {len(value)} characters, at most {longest} are allowed", field=field)
    if _UNSTORABLE.search(value):
        raise Invalid(f"{field} holds a character that cannot be stored", field=field)
    return value


def optional_text(value: object, field: str, longest: int) -> None:
    """None, or as ``text``."""
    if value is not None:
        text(value, field, longest)


def personal_text(value: Personal | None, field: str, longest: int) -> None:
    """None, or a personal value that is as ``text``."""
    if value is not None:
        text(value.value, field, longest)


def moment(value: datetime, field: str) -> datetime:
    """``value`` in UTC, where it says its offset from it, and lies in the years 1 to 9999 there. Errors: Invalid.

    Beyond these an offset can lead, and what was recorded could then not be read from any table. Facts hold what this
    returns: whatever offset a caller wrote a time with, all who read it read the same.
    """
    if value.utcoffset() is None:
        raise Invalid(f"{field} must say its offset from UTC, such as 2026-01-31T12:00:00Z", field=field)
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise Invalid(f"{field} must lie in the years 1 to 9999 in UTC", field=field) from None


def optional_moment(value: datetime | None, field: str) -> datetime | None:
    """None, or as ``moment``."""
    return None if value is None else moment(value, field)


def between(value: int, field: str, lowest: int, highest: int) -> int:
    """``value`` where it is an integer from ``lowest`` to ``highest``. Errors: Invalid."""
    if isinstance(value, bool) or not isinstance(value, int) or not lowest <= value <= highest:
        raise Invalid(f"{field} must be an integer from {lowest} to {highest}", field=field)
    return value


def one_of(value: str, field: str, known: tuple[str, ...]) -> str:
    """``value`` where it is one of ``known``. Errors: Invalid."""
    if value not in known:
        raise Invalid(f"{field} must be one of {', '.join(known)}", field=field)
    return value


def web_address(value: object, field: str, schemes: tuple[str, ...] = ("https",), longest: int = 2048) -> str:
    """``value`` where it is a URL of one of ``schemes`` with a host. Errors: Invalid, which never repeats the URL."""
    url = text(value, field, longest)
    try:
        parts = urlsplit(url)
        known = parts.scheme in schemes and bool(parts.hostname) and not any(map(str.isspace, url))
    except ValueError:
        known = False
    if not known:
        raise Invalid(f"{field} must be an {' or '.join(schemes)} URL", field=field)
    return url


def json_object(value: object, field: str, largest: int) -> None:
    """A JSON object of at most ``largest`` bytes of UTF-8 when written without spaces. Errors: Invalid.

    Numbers are finite; NUL and lone surrogates are refused as in ``text``. What is nested deeper than ``MAX_NESTING``
    could be recorded by one caller and be too deep to read for another, nearer to the end of its stack.
    """
    if not isinstance(value, dict):
        raise Invalid(f"{field} must be a JSON object", field=field)
    if _is_deeper_than(value, MAX_NESTING):
        raise Invalid(f"{field} is nested more than {MAX_NESTING} deep", field=field)
    size = len(_encoded(value, field))
    if size > largest:
        raise Invalid(f"{field} takes {size} bytes as JSON, at most {largest} are allowed", field=field)


def same_json(one: Any, other: Any) -> bool:
    """True where both are the same JSON: unlike for Python, true is not 1."""
    return one == other and _DETERMINISTIC.encode(one) == _DETERMINISTIC.encode(other)


_DETERMINISTIC = msgspec.json.Encoder(order="deterministic")
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")
_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")


def _is_deeper_than(value: dict[Any, Any], levels: int) -> bool:
    level: list[Any] = [value]
    for _ in range(levels):
        inner = chain.from_iterable(each.values() if isinstance(each, dict) else each for each in level)
        level = [each for each in inner if isinstance(each, dict | list | tuple)]
    return bool(level)


def _encoded(value: dict[Any, Any], field: str) -> bytes:
    try:
        written = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        encoded = written.encode()
    except (TypeError, ValueError, RecursionError) as fault:
        raise Invalid(f"{field} holds something JSON cannot express", field=field) from fault
    if _NUL.search(written):
        raise Invalid(f"{field} holds a character that cannot be stored", field=field)
    return encoded
