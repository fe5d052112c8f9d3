"""Ids in short form."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.eventlog.handles import Handles
from tocsin.eventlog.keys import MasterKeys
from tocsin.eventlog.record import Record

HANDLES = Handles(bytes(range(32)))


@given(st.uuids())
def test_an_id_lies_among_those_its_handle_stands_for(identifier: UUID) -> None:
    handle = HANDLES.of(identifier)
    assert len(handle) == 16
    found = HANDLES.ids(handle)
    assert found is not None
    lowest, highest = found
    assert lowest <= identifier <= highest
    assert (HANDLES.of(lowest), HANDLES.of(highest)) == (handle, handle)
    assert highest.int - lowest.int == 2**48 - 1


@given(st.text("abcdefghijklmnopqrstuvwxyz234567", min_size=16, max_size=16))
def test_what_may_be_a_handle_stands_for_ids_that_have_it(handle: str) -> None:
    found = HANDLES.ids(handle)
    assert found is not None
    assert HANDLES.of(found[0]) == handle


@pytest.mark.parametrize("text", ["", "a" * 15, "a" * 17, "A" * 16, "0" * 16, "aaaaaaaaaaaaaaa\n", "ä" * 16])
def test_what_is_no_handle_stands_for_nothing(text: str) -> None:
    assert HANDLES.ids(text) is None


def test_handles_are_for_ever() -> None:
    """Phones keep them: made in another way, they would stand for nothing."""
    assert HANDLES.of(UUID("019adc3e-7a00-7123-8456-0123456789ab")) == "g2u5puwmoepkv2yr"


def test_ids_made_one_after_the_other_have_handles_that_are_not_alike() -> None:
    first = UUID("019adc3e-7a00-7123-8456-0123456789ab").int
    handles = [HANDLES.of(UUID(int=first + (number << 48))) for number in range(1000)]
    assert len(set(handles)) == 1000
    for place in range(16):
        assert {handle[place] for handle in handles} == set("abcdefghijklmnopqrstuvwxyz234567")


def test_another_key_makes_other_handles() -> None:
    identifier = uuid4()
    other = Handles(bytes(32))
    assert other.of(identifier) != HANDLES.of(identifier)
    assert other.ids(HANDLES.of(identifier)) != HANDLES.ids(HANDLES.of(identifier))


def test_threads_share_what_makes_handles() -> None:
    ids = [uuid4() for _ in range(2000)]
    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(HANDLES.of, ids)) == [HANDLES.of(one) for one in ids]


def test_every_process_makes_the_same_handles_whatever_master_key_is_newest(
    record: Record, master_key_file: Path
) -> None:
    identifier = uuid4()
    handle = record.handles.of(identifier)
    MasterKeys.create(master_key_file)
    other = Record.open(*record.address)
    try:
        assert other.handles.of(identifier) == handle
        assert other.handles.ids(handle) == record.handles.ids(handle)
    finally:
        other.close()
