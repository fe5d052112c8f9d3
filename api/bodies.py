"""JSON bodies: read strictly, checked against a schema, refused with the field that is wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn, TypeVar, cast

import marshmallow as ma
import msgspec
from flask import Request
from flask_smorest import Blueprint
from webargs import core
from webargs.flaskparser import FlaskParser
from werkzeug.exceptions import UnsupportedMediaType

from tocsin.api.problems import Malformed
from tocsin.domain.errors import Invalid

View = TypeVar("View", bound=Callable[..., Any])


class JsonBodies(FlaskParser):
    """Reads a request's body for a schema; an empty body is an empty object."""

    def _raw_load_json(self, req: Request) -> Any:
        body = req.get_data(cache=True)
        if not body:
            return core.missing
        check_coding(req)
        if not req.is_json:
            raise UnsupportedMediaType("the body must be JSON: send Content-Type: application/json")
        return decoded(body)

    def handle_error(self, error: ma.ValidationError, *_: Any, **__: Any) -> NoReturn:
        """Raises Invalid with the first wrong field, and all of them under ``errors``."""
        errors = error.messages.get("json", error.messages) if isinstance(error.messages, dict) else error.messages
        field, message = _first(errors)
        raise Invalid(f"{field}: {message}" if field else message, field=field or None, errors=errors)


def check_coding(req: Request) -> None:
    """Raises UnsupportedMediaType for a body that is compressed, say (RFC 9110, section 15.5.16)."""
    coding = req.headers.get("Content-Encoding", "identity")
    if coding.strip().lower() != "identity":
        raise UnsupportedMediaType("bodies are read as they are: send no Content-Encoding")


def decoded(body: bytes) -> Any:
    """The JSON in ``body``: UTF-8, no NaN, no lone surrogates, nothing after it (RFC 8259). Raises Malformed."""
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Malformed(f"the body is not JSON: {error}") from error
    except RecursionError as error:
        raise Malformed("the body is not readable JSON: it is nested too deeply") from error


class Flag(ma.fields.Boolean):
    """True or false, and nothing that could be taken for it."""

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> bool:
        if not isinstance(value, bool):
            raise self.make_error("invalid")
        return value


class Resources(Blueprint):  # type: ignore[misc]
    """A blueprint whose bodies are read in this way."""

    ARGUMENTS_PARSER = JsonBodies()

    def route(self, rule: str, **options: Any) -> Callable[[View], View]:
        """Serves and documents a view under ``rule``."""
        return cast(Callable[[View], View], super().route(rule, **options))

    def arguments(self, schema: type[ma.Schema], **options: Any) -> Callable[[View], View]:
        """Hands a view what ``schema`` makes of the body, as its first argument."""
        # An instance, which serves all requests: the parser would make one for each of a class, field by field.
        return cast(Callable[[View], View], super().arguments(schema(), **options))


def _first(messages: Any, path: str = "") -> tuple[str, str]:
    """The first of nested validation messages, after the path of the field it belongs to."""
    if isinstance(messages, dict):
        name, inner = next(iter(messages.items()))
        step = "" if name == "_schema" else str(name)
        return _first(inner, ".".join(part for part in (path, step) if part))
    if isinstance(messages, list):
        return _first(messages[0], path)
    return path, str(messages).rstrip(".")
