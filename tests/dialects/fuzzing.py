"""What tests share that send a dialect everything: how much is tried, what is sent, and what an answer has to be."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

CONFORMING = [status_code_conformance, content_type_conformance, response_schema_conformance]
"""What is answered is what the document says, of which a fault of ours is no part unless it says so."""

FAULTLESS = [not_a_server_error, *CONFORMING]

METHODS = ("get", "post", "put", "delete")

# What goes over the wire as a header's value and as a path.
HEADER_VALUES = st.text(st.characters(max_codepoint=255, exclude_characters="\r\n"))
PATHS = st.text(st.characters(max_codepoint=255, exclude_characters="\r\n?#"))

CONTENT_TYPES = st.sampled_from(
    [
        "application/json",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "text/plain",
        "",
        "nonsense",
        "multipart/form-data",
    ]
)


def tries(count: int) -> settings:
    """So many examples, the same in every run and however long they take."""
    return settings(
        max_examples=count, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
    )


def operations(document: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Path and method of everything that an OpenAPI document describes."""
    return [(path, method) for path, item in document["paths"].items() for method in item if method in METHODS]


def values(
    plain: SearchStrategy[Any] | None = None,
    names: SearchStrategy[str] | None = None,
    members: int = 3,
    leaves: int = 5,
) -> SearchStrategy[Any]:
    """Whatever JSON can say, and numbers that it cannot. ``plain``: what may stand in it beside the usual."""
    usual = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
    named = st.text() if names is None else names
    return st.recursive(
        usual if plain is None else usual | plain,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(named, inner, max_size=members),
        max_leaves=leaves,
    )


class Entitled:
    """An app to which every request is given, on its way in, what proves that its caller may."""

    def __init__(self, app: Callable[..., Any], proof: Callable[[Mapping[str, Any]], Mapping[str, str]]) -> None:
        """``proof``: more of the request's WSGI environment."""
        self._app = app
        self._proof = proof

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        answer: Iterable[bytes] = self._app({**environ, **self._proof(environ)}, start_response)
        return answer
