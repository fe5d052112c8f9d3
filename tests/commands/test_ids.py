"""Ids that are made here: of a version, and in the order they were made."""

from __future__ import annotations

import time
from uuid import UUID

from tocsin.commands.ids import new_id, new_ids

VARIANT = 0b10


def test_an_id_is_a_uuid_of_version_7_that_begins_with_the_time() -> None:
    before = time.time_ns() // 1_000_000
    made = new_id()
    after = time.time_ns() // 1_000_000
    assert made.version == 7
    assert made.bytes[8] >> 6 == VARIANT
    assert before <= made.int >> 80 <= after


def test_ids_are_as_many_as_asked_for_all_different_and_in_the_order_they_were_made() -> None:
    made = list(new_ids(10_000))
    assert len(set(made)) == len(made) == 10_000
    # Those of one quarter of a microsecond come in any order.
    moments = [one.int >> 64 for one in made]
    assert moments == sorted(moments)


def test_all_that_is_not_time_differs_between_ids_of_one_moment(monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(time, "time_ns", lambda: 1_764_000_000_123_456_789)
    made = list(new_ids(1_000))
    assert {one.int >> 64 for one in made} == {made[0].int >> 64}
    assert len(set(made)) == 1_000
    ones = UUID(int=0).int
    for one in made:
        ones |= one.int ^ made[0].int
    assert ones == 2**62 - 1
