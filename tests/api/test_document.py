"""The OpenAPI document says what there is, and what it says is so."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from calling import Caller
from flask import Flask
from things import operations, things

from tocsin.eventlog.record import Record


def walked(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        yield node
        for inner in node.values():
            yield from walked(inner)
    elif isinstance(node, list):
        for inner in node:
            yield from walked(inner)


def found(document: dict[str, Any], reference: str) -> Any:
    at: Any = document
    for step in reference.removeprefix("#/").split("/"):
        at = at[step]
    return at


def test_every_route_of_the_api_is_in_the_document_and_no_other(app: Flask, document: dict[str, Any]) -> None:
    routes = {
        (re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule), method.lower())
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
        if rule.rule.startswith("/v1")
    }
    assert {(path, method) for path, method, _ in operations(document)} == routes


def test_the_document_is_openapi_3_1_and_all_its_references_lead_somewhere(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1.")
    assert document["info"]["title"]
    for node in walked(document):
        if "$ref" in node:
            assert isinstance(found(document, node["$ref"]), dict)


def test_every_operation_says_what_it_takes_and_what_it_answers(document: dict[str, Any]) -> None:
    for path, method, operation in operations(document):
        where = f"{method} {path}"
        assert operation["summary"].endswith("."), where
        named = {(one["in"], one["name"]) for one in document["paths"][path].get("parameters", [])}
        assert {("path", name) for name in re.findall(r"{(\w+)}", path)} <= named, where
        parameters = [(one["in"], one["name"]) for one in operation.get("parameters", [])]
        assert len(parameters) == len(set(parameters)), where
        statuses = {status for status in operation["responses"] if status.startswith("2")}
        assert statuses, where
        assert "default" in operation["responses"], where
        writes = method != "get" and not path.endswith("/preview")
        assert (("header", "Idempotency-Key") in parameters) == writes, where


def test_errors_are_problem_documents(document: dict[str, Any]) -> None:
    default = document["components"]["responses"]["DEFAULT_ERROR"]
    assert list(default["content"]) == ["application/problem+json"]


def conforms(document: dict[str, Any], schema: dict[str, Any], value: Any) -> bool:
    """Whether a JSON value is what a schema of the document says, as far as our schemas go."""
    if "$ref" in schema:
        return conforms(document, found(document, schema["$ref"]), value)
    if "anyOf" in schema:
        return any(conforms(document, one, value) for one in schema["anyOf"])
    kinds = schema.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if kinds and _kind(value) not in kinds and not (_kind(value) == "integer" and "number" in kinds):
        return False
    if isinstance(value, list) and "items" in schema:
        return all(conforms(document, schema["items"], one) for one in value)
    if isinstance(value, dict) and "properties" in schema:
        known = schema["properties"]
        required = set(schema.get("required", []))
        return required <= value.keys() <= known.keys() and all(
            conforms(document, known[name], one) for name, one in value.items()
        )
    return True


def _kind(value: Any) -> str:
    kinds = {bool: "boolean", int: "integer", float: "number", str: "string", list: "array", dict: "object"}
    return kinds.get(type(value), "null")


def test_answers_are_what_the_document_says(campus: Caller, record: Record, document: dict[str, Any]) -> None:
    known = things(campus, record)
    checked = 0
    for path, method, operation in operations(document):
        if method != "get":
            continue
        answer = campus.get(path.format(**known))
        assert answer.status_code == 200, (path, answer.text)
        schema = operation["responses"]["200"]["content"]["application/json"]["schema"]
        assert conforms(document, schema, answer.json), (path, answer.json)
        checked += 1
    assert checked > 30


def test_an_answer_that_is_not_what_the_document_says_is_noticed(document: dict[str, Any]) -> None:
    schema = {"$ref": "#/components/schemas/SubscriptionAnswer"}
    good = {"device_id": "x", "tag": "staff"}
    assert conforms(document, schema, good)
    for bad in ({}, {**good, "tag": 7}, {**good, "more": 1}, [good], None):
        assert not conforms(document, schema, bad), bad
