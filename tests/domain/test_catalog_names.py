"""Every fact has one stable name, every stream its own facts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from typing import get_args

import msgspec
import pytest

from tocsin.domain import events
from tocsin.domain.catalog import CATALOG, NAMES, name_of
from tocsin.domain.entry import Fact
from tocsin.domain.events.device import OptedIn


def test_every_fact_there_is_has_exactly_one_name() -> None:
    facts = {cls for cls in all_facts(Fact) if cls.__module__.startswith(events.__name__)}
    assert facts == set(NAMES)
    assert len(NAMES) == len(CATALOG)


@pytest.mark.parametrize("name", CATALOG)
def test_a_name_begins_with_its_stream(name: str) -> None:
    fact, version = CATALOG[name]
    assert name.split(".")[0] == fact.__module__.rsplit(".", 1)[1]
    assert version >= 1


@pytest.mark.parametrize("name", CATALOG)
def test_every_time_in_an_event_is_a_time_and_no_number(name: str) -> None:
    fact, _ = CATALOG[name]
    numbers = {path for path, kind in fields_within(fact) if kind is float}
    times = {path for path, _ in fields_within(fact) if re.fullmatch(r"at|.*_(at|before)", path.rpartition(".")[2])}
    assert times <= {path for path, kind in fields_within(fact) if kind is datetime}
    assert not numbers


def test_a_facts_name_is_found_by_its_type() -> None:
    assert name_of(OptedIn()) == "device.opted_in"


def fields_within(struct: type) -> Iterator[tuple[str, object]]:
    """Each field of a struct and of the structs it holds, with each type its value may have."""
    for field in msgspec.structs.fields(struct):
        for kind in plain_types(field.type):
            if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
                yield from ((f"{field.name}.{path}", inner) for path, inner in fields_within(kind))
            else:
                yield field.name, kind


def plain_types(kind: object) -> Iterator[object]:
    parts = [part for part in get_args(kind) if part is not Ellipsis]
    if not parts:
        yield kind
    for part in parts:
        yield from plain_types(part)


def all_facts(cls: type[Fact]) -> set[type[Fact]]:
    return {cls, *(fact for below in cls.__subclasses__() for fact in all_facts(below))} - {Fact}
