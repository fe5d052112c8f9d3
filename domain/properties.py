"""Custom properties of a device: what an app's owner says of the person who holds it, by name, each of a type."""

from __future__ import annotations

import json
from collections.abc import Mapping
from math import isfinite
from typing import Any

from tocsin.domain.errors import Invalid
from tocsin.domain.rules import one_of, text

TYPES = ("string", "boolean", "integer", "float", "enum", "enum_list")

MAX_NAME = 255
MAX_VALUE = 1000
MAX_LIST = 100


def property_value(name: object, kind: str, value: object) -> Any:
    """``value`` as a property of type ``kind`` keeps it: a float is a float, a list has each member once.

    Errors: Invalid with ``field`` ``name``, ``type`` or ``value``.
    """
    text(name, "name", MAX_NAME)
    one_of(kind, "type", TYPES)
    match kind:
        case "boolean" if isinstance(value, bool):
            return value
        case "integer" if _is_integer(value):
            return value
        case "float" if _is_number(value):
            return float(value)  # type: ignore[arg-type]
        case "string" | "enum" if isinstance(value, str):
            return _short(value)
        case "enum_list" if isinstance(value, list | tuple) and all(isinstance(item, str) for item in value):
            return _listed(value)
    raise Invalid(f"value is not of type {kind}", field="value")


def with_property(
    values: Mapping[str, Any], types: Mapping[str, str], name: str, kind: str, value: object
) -> tuple[dict[str, Any], dict[str, str]]:
    """Values and types by name once ``name`` has ``value``, or where that is None, is gone. Errors: Invalid."""
    if value is None:
        text(name, "name", MAX_NAME)
        return _without(values, name), _without(types, name)
    return {**values, name: property_value(name, kind, value)}, {**types, name: kind}


def type_of(value: object) -> str:
    """The type of a value that was given without one."""
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "integer"
    if isinstance(value, float):
        return "float"
    return "enum_list" if isinstance(value, list) else "string"


def term(name: str, value: object) -> str:
    """One property with one value, as text that is the same for the same pair: 1 is 1.0, and it is not true."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return json.dumps([name, value], ensure_ascii=False)


def terms(properties: Mapping[str, Any]) -> frozenset[str]:
    """Every ``term`` that is true of a device with these properties; of a list, each of its members."""
    found = set()
    for name, value in properties.items():
        values = value if isinstance(value, list | tuple) else [value]
        found |= {term(name, one) for one in values if one is not None and isinstance(one, str | int | float)}
    return frozenset(found)


def _is_integer(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and -(2**63) <= value < 2**63


def _is_number(value: object) -> bool:
    return _is_integer(value) or (isinstance(value, float) and isfinite(value))


def _short(value: str) -> str:
    return text(value, "value", MAX_VALUE) if value else value


def _listed(values: list[Any] | tuple[Any, ...]) -> list[str]:
    if len(values) > MAX_LIST:
        raise Invalid(f"value lists {len(values)}, at most {MAX_LIST} are allowed", field="value")
    return [_short(value) for value in dict.fromkeys(values)]


def _without(things: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {other: thing for other, thing in things.items() if other != name}
