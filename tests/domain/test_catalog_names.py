"""Every fact has one stable name, every stream its own facts."""

from __future__ import annotations

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


def test_a_facts_name_is_found_by_its_type() -> None:
    assert name_of(OptedIn()) == "device.opted_in"


def all_facts(cls: type[Fact]) -> set[type[Fact]]:
    return {cls, *(fact for below in cls.__subclasses__() for fact in all_facts(below))} - {Fact}
