"""Positions are dense and in commit order, whoever writes, so that a reader of a tail misses nothing."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from record_appender import append_in_turn
from record_builders import APP, assert_dense, positions_of, registration, subscription

from tocsin.eventlog.record import Record
from tocsin.eventlog.unit import Appended, Claim, ClaimRefused, VersionConflict

APPENDER = Path(__file__).with_name("record_appender.py")


class Follower:
    """Reads the record as every consumer does: what stands after the last position seen."""

    def __init__(self, record: Record) -> None:
        self._record = record
        self.seen: list[int] = []

    def read_on(self) -> None:
        while events := self._record.read(self.seen[-1] if self.seen else 0, 500):
            self.seen += positions_of(events)


def test_a_tail_misses_nothing_of_eight_concurrent_writers(
    record: Record, record_url: str, master_key_file: Path
) -> None:
    follower = Follower(record)
    command = [sys.executable, str(APPENDER), record_url, str(master_key_file), "2", "40"]
    others = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    with ThreadPoolExecutor(4) as pool:
        own = [pool.submit(append_in_turn, record, 40) for _ in range(4)]
        while any(not writer.done() for writer in own) or any(other.poll() is None for other in others):
            follower.read_on()
    follower.read_on()
    count = sum(int(other.communicate()[0]) for other in others) + sum(writer.result() for writer in own)
    assert follower.seen == list(range(1, count + 1))
    assert_dense(record_url, count)


def test_a_writer_that_passes_the_head_by_makes_the_same_tail_miss_its_event(record: Record, record_url: str) -> None:
    follower = Follower(record)
    insert = (
        "insert into record.events (position, stream_id, stream_version, app_id, root_id, type, schema_version, "
        "recorded_at, body) select nextval('numbers'), %(id)s, 1, %(id)s, %(id)s, 'device.subscribed', 1, now(), ''"
    )
    with psycopg.connect(record_url) as slow, psycopg.connect(record_url) as quick:
        quick.execute("create sequence numbers")
        quick.commit()
        slow.execute(insert, {"id": uuid4()})
        quick.execute(insert, {"id": uuid4()})
        quick.commit()
        follower.read_on()
        slow.commit()
        follower.read_on()
        quick.execute("drop sequence numbers")
    assert [event.position for event in record.read(0, 10)] == [1, 2]
    assert follower.seen == [2]


def test_a_reader_sees_either_all_or_nothing_of_an_append_that_waits_for_its_commit(
    record: Record, record_url: str
) -> None:
    with psycopg.connect(record_url) as connection:
        record.append_with(connection, [subscription(), subscription()])
        assert record.read(0, 10) == []
        assert record.head().position == 0
    assert positions_of(record.read(0, 10)) == [1, 2]
    assert record.head().position == 2


@pytest.mark.parametrize("size", [1, 600])
def test_a_version_conflict_leaves_no_hole(record: Record, record_url: str, size: int) -> None:
    first = registration()
    record.append([first])
    for _ in range(3):
        with pytest.raises(VersionConflict) as conflict:
            record.append([subscription() for _ in range(size)] + [first])
        assert conflict.value.stream_id == first.stream_id
    record.append([subscription()])
    assert_dense(record_url, 2)


def test_a_refused_claim_leaves_no_hole(record: Record, record_url: str) -> None:
    owner = registration()
    record.append([owner], claims=[Claim(APP, "token", b"t", owner.stream_id)])
    rival = registration()
    with pytest.raises(ClaimRefused):
        record.append([rival], claims=[Claim(APP, "token", b"t", rival.stream_id)])
    record.append([subscription()])
    assert_dense(record_url, 2)


def test_a_rolled_back_transaction_of_the_callers_leaves_no_hole(record: Record, record_url: str) -> None:
    with psycopg.connect(record_url) as connection:
        assert record.append_with(connection, [subscription()]).last == 1
        connection.rollback()
    assert record.append([subscription()]) == Appended(1, 1, record.head().recorded_at)  # type: ignore[arg-type]
    assert_dense(record_url, 1)


def test_positions_follow_the_order_of_the_entries(record: Record) -> None:
    for size in (10, 500):
        entries = [subscription() for _ in range(size)]
        appended = record.append(entries)
        read = record.read(appended.first - 1, size)
        assert [event.originator_id for event in read] == [entry.stream_id for entry in entries]


def test_the_versions_of_a_stream_are_dense(record: Record) -> None:
    stream = uuid4()
    with pytest.raises(VersionConflict):
        record.append([subscription(stream=stream, version=2)])
    record.append([subscription(stream=stream, version=1), subscription(stream=stream, version=2)])
    with pytest.raises(VersionConflict):
        record.append([subscription(stream=stream, version=4)])
    record.append([subscription(stream=stream, version=3)])
    assert [entry.originator_version for entry in record.load(stream)] == [1, 2, 3]


def test_events_of_a_stream_that_do_not_follow_on_each_other_are_not_even_sent(record: Record) -> None:
    stream = uuid4()
    for versions in ((1, 3), (2, 1), (1, 1)):
        with pytest.raises(ValueError, match="do not follow"):
            record.append([subscription(stream=stream, version=version) for version in versions])
    assert record.head().position == 0


def test_recorded_time_never_decreases_when_the_clock_steps_back(record: Record, record_url: str) -> None:
    before_the_step = datetime.now(UTC) + timedelta(hours=1)
    with psycopg.connect(record_url) as connection:
        connection.execute("update record.head set recorded_at = %s", (before_the_step,))
    for size in (1, 500):
        assert record.append([subscription() for _ in range(size)]).recorded_at == before_the_step
    assert record.head().recorded_at == before_the_step
    assert {event.recorded_at for event in record.read(0, 1000)} == {before_the_step}


def test_recorded_time_never_decreases_with_position_among_concurrent_writers(record: Record) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: append_in_turn(record, 10), range(8)))
    times = [event.recorded_at for event in record.read(0, 10_000)]
    assert all(earlier <= later for earlier, later in pairwise(times))


def test_the_position_at_a_time_is_the_last_recorded_by_then(record: Record) -> None:
    appended = [record.append([subscription()]) for _ in range(5)]
    for each in appended:
        assert record.position_at(each.recorded_at) == each.last
        assert record.position_at(each.recorded_at - timedelta(microseconds=1)) == each.last - 1
    assert record.position_at(datetime.now(UTC)) == 5
    assert record.position_at(datetime.now(UTC) + timedelta(days=1)) is None


def test_a_stream_can_be_loaded_as_it_stood_at_a_position(record: Record) -> None:
    stream = uuid4()
    for version in (1, 2, 3):
        record.append([subscription(f"tag-{version}", stream, version)])
    assert [entry.originator_version for entry in record.load_as_of(stream, 2)] == [1, 2]
    assert [entry.originator_version for entry in record.load(stream, upto=1)] == [1]
    assert record.load(uuid4()) == []


def test_many_streams_load_in_one_go_each_in_order(record: Record) -> None:
    one, other = uuid4(), uuid4()
    record.append([subscription(stream=one), subscription(stream=other), subscription(stream=one, version=2)])
    loaded = record.load_many([one, other, uuid4()])
    assert {stream: positions_of(entries) for stream, entries in loaded.items()} == {one: [1, 3], other: [2]}


def test_an_append_of_nothing_takes_no_position(record: Record) -> None:
    appended = record.append([])
    assert (appended.first, appended.last) == (1, 0)
    assert record.head().position == 0
