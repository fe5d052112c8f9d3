"""The feed: every event once, in order, outcomes one by one, from wherever a reader stopped."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import uuid4

import pytest
from campus import Campus
from history import History
from lives import planned, requested

from tocsin.domain.catalog import name_of
from tocsin.domain.delivery import UNROLLED
from tocsin.domain.events.chunk import AttemptStarted, Outcome, OutcomeKind, OutcomesRecorded, Retry, RetrySet
from tocsin.domain.events.device import DeviceRegistered, Subscribed
from tocsin.domain.personal import Personal
from tocsin.eventlog.record import Record
from tocsin.projections import feed as feeds
from tocsin.projections.feed import FEED_NAMES, START, WHOLE, Address, Feed, FeedEvent, after_position

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def feed(record: Record) -> Feed:
    return Feed(record)


def everything(feed: Feed, history: History, limit: int, after: Address = START, **wanted: object) -> list[FeedEvent]:
    seen: list[FeedEvent] = []
    while True:
        page = feed.events(history.app_id, after, limit, **wanted)  # type: ignore[arg-type]
        seen += page.items
        assert len(page.items) <= limit
        assert page.next >= after
        if page.ended:
            return seen
        after = page.next


def test_pages_of_any_size_hold_every_event_once_and_in_order(history: History, feed: Feed) -> None:
    Campus(history, seed=1).live(150)
    whole = feed.events(history.app_id, limit=100_000)
    assert whole.ended
    addresses = [event.address for event in whole.items]
    assert addresses == sorted(set(addresses))
    entries = history.record.codec.decode(history.record.read(0, 100_000))
    assert {event.entry.position for event in whole.items} == {entry.position for entry in entries}
    plain = [entry.position for entry in entries if not isinstance(entry.fact, UNROLLED)]
    assert [event.entry.position for event in whole.items if event.delivery is None] == plain
    for limit in (1000, 37):
        assert everything(feed, history, limit) == list(whole.items)


def test_outcomes_are_events_of_their_own(history: History, feed: Feed) -> None:
    send, chunk = uuid4(), uuid4()
    plan = planned(send, 0)
    history.append(send, requested())
    claim = AttemptStarted(attempt=1, devices=((0, 6),), worker="w", lease_expires_at=NOON)
    outcomes = (Outcome(4, OutcomeKind.FAILED, code="BadDeviceToken"), Outcome(1, OutcomeKind.DELIVERED, "its-id"))
    recorded = history.append(chunk, plan, claim, OutcomesRecorded(attempt=1, outcomes=outcomes), root=send)
    history.append(chunk, RetrySet(attempt=1, devices=(Retry(0, "busy"),), at=NOON), root=send)
    found = everything(feed, history, 100)
    assert [event.name for event in found] == [
        "send.requested",
        "chunk.planned",
        "chunk.attempt_started",
        "delivery.delivered",
        "delivery.failed",
        "delivery.retry",
    ]
    delivered = found[3]
    assert delivered.address == (recorded, 1)
    assert delivered.delivery is not None
    assert (delivered.delivery.device_id, delivered.delivery.message_id) == (plan.devices[1], "its-id")
    assert delivered.delivery.send_id == send


def test_a_page_can_end_in_the_middle_of_a_chunks_event(history: History, feed: Feed) -> None:
    send, chunk = uuid4(), uuid4()
    claim = AttemptStarted(attempt=1, devices=((0, 6),), worker="w", lease_expires_at=NOON)
    outcomes = tuple(Outcome(index, OutcomeKind.DELIVERED) for index in range(6))
    recorded = history.append(chunk, planned(send, 0), claim, OutcomesRecorded(attempt=1, outcomes=outcomes), root=send)
    first = feed.events(history.app_id, limit=4)
    assert [event.address for event in first.items] == [(1, WHOLE), (2, WHOLE), (recorded, 0), (recorded, 1)]
    assert not first.ended
    second = Feed(history.record).events(history.app_id, first.next)
    assert [event.address for event in second.items] == [(recorded, index) for index in range(2, 6)]
    assert second.ended


def test_a_feed_is_narrowed_to_names_and_to_one_app(history: History, feed: Feed) -> None:
    Campus(history, seed=2).live(100)
    Campus(History(history.record), seed=3).live(20)
    wanted = {"device.subscribed", "delivery.delivered"}
    found = everything(feed, history, 50, names=wanted)
    assert {event.name for event in found} == wanted
    assert found == [event for event in everything(feed, history, 1000) if event.name in wanted]
    assert {event.entry.app_id for event in found} == {history.app_id}
    all_apps = feed.events(None, limit=100_000)
    assert len({event.entry.app_id for event in all_apps.items}) == 2
    assert {event.name for event in all_apps.items} <= FEED_NAMES


def test_a_reader_who_reached_the_end_goes_on_where_it_was(history: History, feed: Feed) -> None:
    one = uuid4()
    history.append(one, DeviceRegistered(platform="ios", token=Personal(one, "clear")))
    first = feed.events(history.app_id)
    assert first.ended
    empty = feed.events(history.app_id, first.next)
    assert (empty.items, empty.ended, empty.next) == ((), True, first.next)
    history.append(one, Subscribed(tag="staff"))
    second = feed.events(history.app_id, empty.next)
    assert [event.name for event in second.items] == ["device.subscribed"]
    assert feed.events(history.app_id, after_position(1)).items == second.items


def test_an_app_with_few_events_among_many_is_paged_by_what_was_looked_through(
    history: History, feed: Feed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feeds, "_SCANNED", 10)
    other = History(history.record)
    for _ in range(25):
        other.append(uuid4(), DeviceRegistered(platform="ios"))
    history.append(uuid4(), DeviceRegistered(platform="ios"))
    first = feed.events(history.app_id)
    assert (first.items, first.ended) == ((), False)
    assert [event.name for event in everything(feed, history, 5)] == ["device.registered"]


def test_the_history_of_a_stream_is_its_events_unrolled(history: History, feed: Feed) -> None:
    send, chunk = uuid4(), uuid4()
    claim = AttemptStarted(attempt=1, devices=((0, 6),), worker="w", lease_expires_at=NOON)
    outcomes = tuple(Outcome(index, OutcomeKind.DELIVERED) for index in range(2))
    history.append(chunk, planned(send, 0), claim, OutcomesRecorded(attempt=1, outcomes=outcomes), root=send)
    names = [event.name for event in feed.history(chunk)]
    assert names == ["chunk.planned", "chunk.attempt_started", "delivery.delivered", "delivery.delivered"]
    assert [event.name for event in feed.history(chunk, after=1, limit=1)] == ["chunk.attempt_started"]
    assert all(name_of(event.entry.fact) == event.name for event in feed.history(chunk) if event.delivery is None)
