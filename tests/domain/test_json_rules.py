"""JSON of a client's own making: what it may be, so that whatever is recorded can be read by everybody."""

from __future__ import annotations

from typing import Any

import pytest

from tocsin.domain.errors import Invalid
from tocsin.domain.rules import MAX_NESTING, json_object


def nested(levels: int, kind: type) -> dict[str, Any]:
    value: Any = {}
    for _ in range(levels - 1):
        value = {"a": value} if kind is dict else {"a": [value]}
    return value  # type: ignore[no-any-return]


def test_json_may_be_nested_as_deep_as_the_limit() -> None:
    json_object(nested(MAX_NESTING, dict), "data", 10_000)


@pytest.mark.parametrize("levels", [MAX_NESTING + 1, 900, 100_000])
@pytest.mark.parametrize("kind", [dict, list])
def test_json_nested_deeper_is_refused_however_deep(levels: int, kind: type) -> None:
    with pytest.raises(Invalid, match="nested more than") as refusal:
        json_object(nested(levels, kind), "data", 10_000)
    assert refusal.value.facts == {"field": "data"}


@pytest.mark.parametrize("value", [{"a": float("nan")}, {"a": "\0"}, {"a": "\ud800"}, {"a": object()}])
def test_json_that_cannot_be_kept_is_refused(value: dict[str, Any]) -> None:
    with pytest.raises(Invalid):
        json_object(value, "data", 10_000)
