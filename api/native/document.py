"""How the native API documents itself: what each operation takes, answers and needs, in OpenAPI 3.1."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import marshmallow as ma
import msgspec
from flask import Flask
from flask_smorest import Api
from flask_smorest.response import ResponseMixin

from tocsin.api.bodies import Resources
from tocsin.api.problems import CONTENT_TYPE as PROBLEM
from tocsin.api.problems import KINDS
from tocsin.api.reads import DEFAULT_LIMIT, LARGEST_LIMIT

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

ANSWERS: dict[str, type] = {}
"""Every struct that some operation answers with, by its name in the document."""

_responses = ResponseMixin()

MIN_POSITION = {
    "name": "min_position",
    "in": "query",
    "description": "Answer only once the read models have passed this position (up to 5 s, then 503 `behind`).",
    "schema": {"type": "integer", "minimum": 0},
}
AS_OF = {
    "name": "as_of",
    "in": "query",
    "description": "As it was at this position of the record, or at this time (RFC 3339), which must have come.",
    "schema": {"oneOf": [{"type": "integer", "minimum": 0}, {"type": "string", "format": "date-time"}]},
}
PAGING = (
    {
        "name": "limit",
        "in": "query",
        "schema": {"type": "integer", "minimum": 1, "maximum": LARGEST_LIMIT, "default": DEFAULT_LIMIT},
    },
    {
        "name": "cursor",
        "in": "query",
        "description": "`next` of the page before.",
        "schema": {"type": "string"},
    },
)
REASON = {
    "name": "reason",
    "in": "query",
    "description": "Why, for the history.",
    "schema": {"type": "string", "maxLength": 1000},
}
_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "The same key with the same request is carried out once and answered the same, for 30 days.",
    "schema": {"type": "string", "maxLength": 255},
}
_PREFER = {
    "name": "Prefer",
    "in": "header",
    "description": "`respond-async`: answer before the read models have the change.",
    "schema": {"type": "string"},
}
_WRITE_HEADERS = {
    "Tocsin-Position": {
        "description": "The position in the record by which this is recorded.",
        "schema": {"type": "integer"},
    },
    "Tocsin-Lag": {"description": "Present where it cannot be read yet.", "schema": {"type": "string"}},
    "Idempotency-Replayed": {"description": "`true`: the answer given before.", "schema": {"type": "string"}},
}


def query(name: str, description: str, schema: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """A query parameter, a string unless ``schema`` says otherwise."""
    return {"name": name, "in": "query", "description": description, "schema": schema or {"type": "string"}}


def one_of(name: str, description: str, allowed: Any) -> dict[str, Any]:
    """A query parameter with few values."""
    return query(name, description, {"type": "string", "enum": list(allowed)})


def writes(*statuses: int, kind: type | None = None, description: str = "Done.", parameters: Any = ()) -> Decorator:
    """Documents an operation that changes something and answers ``kind`` (None: no body) with one of ``statuses``."""

    def decorate(view: Callable[..., Any]) -> Callable[..., Any]:
        documented = Resources.doc(parameters=[_KEY, _PREFER, *parameters])(view)
        for status in statuses:
            schema = reference(kind) if kind else None
            documented = _responses.response(status, schema, description=description, headers=_WRITE_HEADERS)(
                documented
            )
        return documented  # type: ignore[no-any-return]

    return decorate


def reads(kind: type, description: str = "Found.", parameters: Any = ()) -> Decorator:
    """Documents an operation that answers one ``kind``."""
    return _answers(reference(kind), description, [MIN_POSITION, *parameters])


def lists(
    kind: type,
    description: str = "A page.",
    parameters: Any = (),
    *,
    of_record: bool = False,
    more: Mapping[str, Any] | None = None,
) -> Decorator:
    """Documents an operation that answers pages of ``kind``; ``of_record``: there is no read model to wait for.

    ``more``: further members of the page.
    """
    page = {
        "type": "object",
        "required": ["items", "next"],
        "properties": {
            "items": {"type": "array", "items": reference(kind)},
            "next": {"type": ["string", "null"], "description": "`cursor` of the next page; null on the last."},
            **(more or {}),
        },
    }
    waits = [] if of_record else [MIN_POSITION]
    return _answers(page, description, [*PAGING, *waits, *parameters])


def imports(types: Sequence[str]) -> Decorator:
    """Documents an operation that takes lines of JSON and answers with lines."""

    def decorate(view: Callable[..., Any]) -> Callable[..., Any]:
        body = {"content": {one: {"schema": {"type": "string"}} for one in types}, "required": True}
        documented = Resources.doc(requestBody=body)(view)
        return _answers({"type": "string"}, "A line for each line.", [_KEY, _PREFER], types[0])(documented)

    return decorate


def also_as_form(schema: Mapping[str, Any]) -> Decorator:
    """Documents that the body may be a form too."""
    return Resources.doc(requestBody={"content": {"multipart/form-data": {"schema": schema}}})  # type: ignore[no-any-return]


def _answers(schema: Any, description: str, parameters: list[Any], content_type: str | None = None) -> Decorator:
    def decorate(view: Callable[..., Any]) -> Callable[..., Any]:
        documented = Resources.doc(parameters=parameters)(view)
        answered = _responses.response(200, schema, description=description, content_type=content_type)
        return answered(documented)  # type: ignore[no-any-return]

    return decorate


def reference(kind: type) -> dict[str, Any]:
    """The place of a struct's schema in the document."""
    ANSWERS[kind.__name__] = kind
    return {"$ref": f"#/components/schemas/{kind.__name__}"}


def components() -> Mapping[str, Any]:
    """The JSON Schemas of every struct that is answered, and of those they hold."""
    return msgspec.json.schema_components(ANSWERS.values(), ref_template="#/components/schemas/{name}")[1]


class ProblemSchema(ma.Schema):
    """An error (RFC 9457). ``code`` is stable; ``type`` leads to its explanation; further members are the facts."""

    class Meta:
        unknown = ma.INCLUDE

    type = ma.fields.String(required=True)
    title = ma.fields.String(required=True)
    status = ma.fields.Integer(required=True)
    detail = ma.fields.String(required=True)
    code = ma.fields.String(required=True, metadata={"enum": list(KINDS)})
    request = ma.fields.UUID(metadata={"description": "The id of the request, as in X-Request-ID and in the logs."})
    field = ma.fields.String(metadata={"description": "What is wrong."})
    position = ma.fields.Integer(metadata={"description": "Where an expression cannot be read, from 0."})


class Document(Api):  # type: ignore[misc]
    """OpenAPI 3.1, with every error a problem document."""

    ERROR_SCHEMA = ProblemSchema

    def _register_responses(self) -> None:
        for name, description in {
            "DEFAULT_ERROR": "A problem.",
            "UNPROCESSABLE_ENTITY": "The request breaks a rule.",
        }.items():
            content = {PROBLEM: {"schema": ProblemSchema}}
            self.spec.components.response(name, {"description": description, "content": content}, lazy=True)


def describe(app: Flask) -> Document:
    """The document of an app's native API, served at ``/openapi.json``."""
    app.config.update(
        API_TITLE="Tocsin",
        API_VERSION="v1",
        OPENAPI_VERSION="3.1.0",
        OPENAPI_URL_PREFIX="/",
        OPENAPI_JSON_PATH="openapi.json",
        API_SPEC_OPTIONS={
            "info": {"description": "A push engine whose history can be proven."},
            "security": [{"bearer": []}],
        },
    )
    document = Document(app)
    document.spec.components.security_scheme("bearer", {"type": "http", "scheme": "bearer"})
    return document
