"""An event survives its way through a message's headers."""

from __future__ import annotations

from datetime import UTC

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.eventlog.stored import StoredEvent
from tocsin.eventlog.stream.messages import Foreign, Origin, Place, events_of, place_of

NAMES = st.text("abcdefghijklmnopqrstuvwxyz._", min_size=1, max_size=40)
STORED = st.builds(
    StoredEvent,
    originator_id=st.uuids(),
    originator_version=st.integers(1, 2**31 - 1),
    topic=NAMES,
    state=st.binary(max_size=200),
    id=st.integers(1, 2**63 - 1),
    schema_version=st.integers(1, 2**15 - 1),
    app_id=st.uuids(),
    root_id=st.uuids(),
    recorded_at=st.datetimes(timezones=st.just(UTC)),
)
ORIGINS = st.builds(Origin, record_id=st.uuids(), epoch=st.integers(1, 2**31 - 1))
POSITIONS = st.integers(0, 2**63 - 1)


@given(origin=ORIGINS, event=STORED, after=POSITIONS)
def test_any_event_comes_back_as_it_was(origin: Origin, event: StoredEvent, after: int) -> None:
    place, headers = place_of(origin.headers(event, after))
    assert place == Place(origin.epoch, event.position, after)
    assert events_of(place, headers, event.state) == [event]


@given(origin=ORIGINS, position=POSITIONS, after=POSITIONS)
def test_a_watermark_carries_no_event(origin: Origin, position: int, after: int) -> None:
    place, headers = place_of(origin.watermark(position, after))
    assert place == Place(origin.epoch, position, after)
    assert events_of(place, headers, b"") == []


@given(headers=st.lists(st.tuples(NAMES, st.binary(max_size=10))))
def test_a_message_without_our_headers_is_foreign(headers: list[tuple[str, bytes]]) -> None:
    with pytest.raises(Foreign):
        place_of(headers)
