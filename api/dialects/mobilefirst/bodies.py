"""What a request carries: a JSON object, whose members may be missing, of the wrong kind, or nothing we know."""

from __future__ import annotations

from typing import Any

from flask import request
from werkzeug.exceptions import UnsupportedMediaType

from tocsin.api.bodies import decoded
from tocsin.api.dialects.mobilefirst.errors import BAD_PAYLOAD, Refusal, invalid

JSON = "application/json"

Body = dict[str, Any]


def document() -> Any:
    """The body, JSON of any kind. Raises UnsupportedMediaType (here a 405), Malformed."""
    if request.mimetype != JSON:
        raise UnsupportedMediaType
    return decoded(request.get_data(cache=True))


def body() -> Body:
    """The body, a JSON object. Raises UnsupportedMediaType, Malformed, Refusal."""
    found = document()
    if not isinstance(found, dict):
        raise Refusal(BAD_PAYLOAD, "body")
    return found


def text(given: Body, name: str) -> str:
    """A member that must be there and say something. Raises Refusal."""
    value = optional_text(given, name)
    if value is None:
        raise invalid(name)
    return value


def optional_text(given: Body, name: str) -> str | None:
    """A member that is a string; null and an empty one say nothing. Raises Refusal."""
    value = given.get(name)
    if value is not None and not isinstance(value, str):
        raise invalid(name)
    if value is not None and ("\0" in value or (value and not value.strip())):
        raise invalid(name)
    return value or None


def texts(given: Body, name: str) -> tuple[str, ...]:
    """A member that is a list of strings that say something, or one such string; without it none. Raises Refusal."""
    value = given.get(name)
    found = [value] if isinstance(value, str) else value
    if found is None:
        return ()
    if not isinstance(found, list) or not all(isinstance(one, str) and one.strip() for one in found):
        raise invalid(name)
    if any("\0" in one for one in found):
        raise invalid(name)
    return tuple(dict.fromkeys(found))


def flag(given: Body, name: str, default: bool | None = None) -> bool:
    """A member that is true or false, or says so as a string. Raises Refusal; where there is no default, without it."""
    value = given.get(name, default)
    if isinstance(value, str):
        value = {"true": True, "false": False}.get(value.strip().lower())
    if not isinstance(value, bool):
        raise invalid(name)
    return value
