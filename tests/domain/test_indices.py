"""Sets of indices behave as sets, whatever stands in an event."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tocsin.domain import indices

some = st.lists(st.integers(-2, 12))
sizes = st.integers(0, 10)


@given(some, sizes)
def test_a_set_of_indices_holds_those_inside_and_no_other(given_indices: list[int], size: int) -> None:
    inside = sorted({i for i in given_indices if 0 <= i < size})
    assert indices.members(indices.of(given_indices, size)) == inside
    assert [i for i in range(-2, 13) if indices.has(indices.of(given_indices, size), i)] == inside


@given(some, sizes)
def test_ranges_say_the_same_as_the_set_they_come_from(given_indices: list[int], size: int) -> None:
    found = indices.of(given_indices, size)
    assert indices.of_ranges(indices.ranges(found), size) == found


@given(st.lists(st.tuples(st.integers(-2, 12), st.integers(-2, 12))), sizes)
def test_ranges_that_overlap_or_leave_the_set_are_cut(ranges: list[tuple[int, int]], size: int) -> None:
    covered = {i for start, stop in ranges for i in range(start, stop) if 0 <= i < size}
    assert indices.members(indices.of_ranges(ranges, size)) == sorted(covered)


@given(some, sizes, st.integers(0, 10))
def test_the_lowest_members_are_the_first(given_indices: list[int], size: int, limit: int) -> None:
    found = indices.of(given_indices, size)
    assert indices.members(indices.lowest(found, limit)) == indices.members(found)[:limit]


def test_everyone_is_every_index() -> None:
    assert indices.members(indices.everyone(3)) == [0, 1, 2]
