"""What any request holds: JSON whatever its ``Content-Type`` says, pages, and values that clients write in two ways."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from flask import request

from tocsin.api.bodies import decoded
from tocsin.api.dialects.twinpush import errors
from tocsin.api.dialects.twinpush.errors import Refusal, invalid
from tocsin.api.problems import Malformed

PER_PAGE = 30
LARGEST_PAGE = 1000
"""Objects on a page; more are not answered at once, whatever was asked for."""

LAST_PAGE = 10**9
"""Above it there is nothing, and numbers stay such that the database can count with them."""

LATEST = 253_402_300_799
"""Unix seconds: the end of the year 9999."""

# Longer ones are refused before Python would: it reads no more than 4,300 digits.
_WHOLE = re.compile(r"[+-]?\d{1,1000}", re.ASCII)
_OFFSET = re.compile(r"(?<=:\d\d) ([+-]?)(?=\d\d:?\d\d$)", re.ASCII)
_TIME = re.compile(r"(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d)(?:\.\d+)? ?(UTC|GMT|Z|[+-]\d\d:?\d\d)", re.ASCII)
# For Python, true is 1 and false is 0.
_TRUTHS = {1: True, "1": True, "true": True, 0: False, "0": False, "false": False}


class Paging(NamedTuple):
    """Which page is asked for, counted from 1, and how many objects it has."""

    page: int
    per_page: int

    @property
    def offset(self) -> int:
        """Objects before it."""
        return (self.page - 1) * self.per_page


def document() -> dict[str, Any]:
    """The body, a JSON object; an empty one where nothing was sent. Raises Refusal."""
    raw = request.get_data()
    if not raw.strip():
        return {}
    try:
        body = decoded(raw)
    except Malformed as error:
        raise Refusal(errors.NOT_ACCEPTABLE, error.message) from error
    if not isinstance(body, dict):
        raise Refusal(errors.NOT_ACCEPTABLE)
    return body


def paging(body: Mapping[str, Any]) -> Paging:
    """``page`` and ``per_page`` of the query or the body, numbers or text; what is none of them is the default."""
    page, per_page = (_whole(request.args.get(name, body.get(name))) for name in ("page", "per_page"))
    return Paging(min(max(page, 1), LAST_PAGE), min(per_page, LARGEST_PAGE) if per_page > 0 else PER_PAGE)


def tags(body: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """All of which tags a notification must have, and none of which. Raises Refusal."""
    return {"labels": _tags("tags", body), "no_labels": _tags("no_tags", body)}


def _tags(name: str, body: Mapping[str, Any]) -> tuple[str, ...]:
    asked = request.args.getlist(f"{name}[]") + request.args.getlist(name)
    return texts(body.get(name), name) + tuple(tag for tag in asked if tag)


def texts(value: object, name: str) -> tuple[str, ...]:
    """A list of strings, each once; null is an empty one. Raises Refusal."""
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise invalid(f"{name} must be a list of strings")
    if any("\0" in one for one in value):
        raise invalid(f"{name} holds a character that cannot be stored")
    return tuple(dict.fromkeys(one for one in value if one))


def text(body: Mapping[str, Any], name: str) -> str | None:
    """A string; null and an empty one say nothing. Raises Refusal."""
    value = body.get(name)
    if value is not None and not isinstance(value, str):
        raise invalid(f"{name} must be a string")
    return value or None


def flag(value: object, name: str, default: bool) -> bool:
    """True or false, also written as text or as a number; the default where nothing is said. Raises Refusal."""
    if value is None or value == "":
        return default
    if not isinstance(value, bool | int | str) or value not in _TRUTHS:
        raise invalid(f"{name} must be true or false")
    return _TRUTHS[value]


def signed(value: object, name: str) -> tuple[int, bool]:
    """A number that may be written as text, and whether it is a change, as ``+1`` and ``-1`` are. Raises Refusal."""
    if isinstance(value, int) and not isinstance(value, bool):
        return max(value, 0), False
    if not isinstance(value, str) or not _WHOLE.fullmatch(value):
        raise invalid(f'{name} must be a number, or a change to one such as "+1"')
    return int(value), value[0] in "+-"


def time(value: object, name: str) -> datetime:
    """``yyyy-MM-dd HH:mm:ss Z``, of any offset or ``UTC``. Raises Refusal."""
    found = _TIME.fullmatch(value.strip()) if isinstance(value, str) else None
    if found is not None:
        day, hour, offset = found.groups()
        zone = offset if offset[0] in "+-" else "+0000"
        try:
            return datetime.strptime(f"{day} {hour} {zone}", "%Y-%m-%d %H:%M:%S %z").astimezone(UTC)
        except (ValueError, OverflowError):
            pass
    raise invalid(f"{name} must be a date such as 2026-01-31 12:00:00 +0000")


def seconds(value: object, name: str) -> datetime | None:
    """Unix seconds, a number or text; None where nothing is said. Raises Refusal."""
    if value is None:
        return None
    number = int(value) if isinstance(value, str) and _WHOLE.fullmatch(value) else value
    if isinstance(number, bool) or not isinstance(number, int | float) or not 0 <= number <= LATEST:
        raise invalid(f"{name} must be seconds since 1970")
    return datetime.fromtimestamp(number, UTC)


def day(text: str) -> datetime:
    """The date of a filter: a day, which begins at midnight UTC, or a moment in ISO 8601. Raises Refusal.

    The plus of its offset, sent as it is, arrives as a space: so the rules of forms read it.
    """
    try:
        found = datetime.fromisoformat(_OFFSET.sub(lambda sign: sign[1] or "+", text.strip().replace(" UTC", "Z")))
        return (found if found.utcoffset() is not None else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise invalid("date must be such as 2026-01-31 or 2026-01-31T12:00:00+01:00") from error


def _whole(value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    return int(value) if isinstance(value, str) and _WHOLE.fullmatch(value) else 0
