"""Any fact of the catalog, as hypothesis draws it from the types of its fields."""

from __future__ import annotations

import types
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from enum import Enum
from typing import Any, Union, get_args, get_origin
from uuid import UUID

import msgspec
from hypothesis import strategies as st
from msgspec import UNSET, UnsetType

from tocsin.domain.entry import Fact
from tocsin.domain.personal import Personal

text = st.text(st.characters(codec="utf-8"), max_size=20)
numbers = st.integers(-(2**53), 2**53)
scalars = st.none() | st.booleans() | numbers | st.floats(allow_nan=False, allow_infinity=False) | text
json_values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3), max_leaves=6
)
zones = st.just(UTC) | st.builds(lambda minutes: timezone(timedelta(minutes=minutes)), st.integers(-840, 840))
times = st.datetimes(min_value=datetime(1900, 1, 1), max_value=datetime(2200, 1, 1), timezones=zones)  # noqa: DTZ001
persons = st.uuids(version=4)
personal = st.builds(Personal, persons, json_values)

_PLAIN: dict[Any, st.SearchStrategy[Any]] = {
    Any: json_values,
    Personal: personal,
    UUID: st.uuids(),
    datetime: times,
    str: text,
    int: numbers,
    float: st.floats(allow_nan=False, allow_infinity=False),
    bool: st.booleans(),
    type(None): st.none(),
    UnsetType: st.just(UNSET),
}


def facts(kind: type[Fact]) -> st.SearchStrategy[Fact]:
    """Facts of one class, every field of which takes every value its type has."""
    return of(kind)


def of(kind: Any) -> st.SearchStrategy[Any]:
    """Values of a type that a fact's field may have."""
    if kind in _PLAIN:
        return _PLAIN[kind]
    if isinstance(kind, type) and issubclass(kind, Enum):
        return st.sampled_from(kind)
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return st.builds(kind, **{field.name: of(field.type) for field in msgspec.structs.fields(kind)})
    return _GENERIC[get_origin(kind)](get_args(kind))


def _tuples(parts: tuple[Any, ...]) -> st.SearchStrategy[Any]:
    if parts[-1] is Ellipsis:
        return st.lists(of(parts[0]), max_size=3).map(tuple)
    return st.tuples(*map(of, parts))


def _dictionaries(parts: tuple[Any, ...]) -> st.SearchStrategy[Any]:
    return st.dictionaries(of(parts[0]), of(parts[1]), max_size=3)


def _unions(parts: tuple[Any, ...]) -> st.SearchStrategy[Any]:
    return st.one_of(*map(of, parts))


_GENERIC: dict[Any, Callable[[tuple[Any, ...]], st.SearchStrategy[Any]]] = {
    tuple: _tuples,
    dict: _dictionaries,
    Union: _unions,
    types.UnionType: _unions,
}
