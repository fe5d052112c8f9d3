"""What every adapter owes its consumers. A test class of each adapter inherits these tests."""

from __future__ import annotations

import random
import signal
import threading
import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence

import psycopg
import pytest
from counting_consumer import CountingConsumer
from patience import PATIENCE, eventually
from record_writer import Event, RecordWriter, due_chunk
from stream_spec import PARTITIONS
from transports import StartConsumer, Transport

from tocsin.eventlog.stored import StoredEvent
from tocsin.eventlog.stream.port import EVENTS, Batch, Consumer, Cursor, StaleEpoch, Stream, work_topic


class Seen:
    """What consumers of one topic were handed, checked against the port's guarantees as it comes."""

    def __init__(self) -> None:
        self.cursors: dict[int, Cursor] = {}
        self.events: dict[int, list[StoredEvent]] = defaultdict(list)

    def add(self, batches: Sequence[Batch]) -> int:
        for batch in batches:
            before = self.cursors.get(batch.partition, Cursor()).position
            positions = [event.position for event in batch.events]
            assert positions == sorted(set(positions)), "order per partition"
            assert all(before < position <= batch.cursor.position for position in positions), "no visible duplicate"
            assert batch.cursor.position >= before, "a cursor never goes back"
            self.cursors[batch.partition] = batch.cursor
            self.events[batch.partition].extend(batch.events)
        return sum(len(batch.events) for batch in batches)

    @property
    def positions(self) -> list[int]:
        return sorted(event.position for events in self.events.values() for event in events)

    @property
    def passed(self) -> int:
        """Everything up to here must have been seen: the lowest cursor of all partitions."""
        if len(self.cursors) < PARTITIONS:
            return 0
        return min(cursor.position for cursor in self.cursors.values())


def drain(consumer: Consumer, seen: Seen, until_passed: int, limit: int = 5000, seconds: float = PATIENCE) -> None:
    """Poll until every partition stands at a position or beyond."""
    deadline = time.monotonic() + seconds
    while seen.passed < until_passed:
        seen.add(consumer.poll(0.5, limit))
        assert time.monotonic() < deadline, f"only up to {seen.passed}: {seen.cursors}"


class StreamContract:
    """Inherit, and give the fixtures ``transport`` and ``breakable``, a transport whose server may be killed."""

    @pytest.fixture
    def stream(self, transport: Transport) -> Iterator[Stream]:
        stream = transport.spec.open()
        yield stream
        stream.close()

    @pytest.fixture
    def subscribe(self, stream: Stream) -> Iterator[Callable[..., Consumer]]:
        """Subscribes with cursors given as a dictionary; leaves the group after the test."""
        consumers: list[Consumer] = []

        def subscribe(
            topic: str = EVENTS,
            group: str = "readers",
            cursors: dict[int, Cursor] | None = None,
            types: Sequence[str] | None = None,
        ) -> Consumer:
            stored = cursors or {}
            loaded = {partition: stored[partition] for partition in stored}
            consumers.append(
                stream.subscribe(topic, group, lambda wanted: {p: loaded[p] for p in wanted if p in loaded}, types)
            )
            return consumers[-1]

        yield subscribe
        for consumer in consumers:
            consumer.close()

    def test_an_event_arrives_as_it_was_recorded(
        self, writer: RecordWriter, subscribe: Callable[..., Consumer]
    ) -> None:
        writer.append([Event(type="app.created", body='{"name":"Zoë"}'.encode()), Event(version=7, body=b"\x00\xff")])
        consumer, seen = subscribe(), Seen()
        drain(consumer, seen, 2)
        events = sorted((event for events in seen.events.values() for event in events), key=lambda e: e.position)
        assert events == [StoredEvent(*row) for row in writer.rows()]

    def test_who_wants_a_few_types_is_handed_no_others_and_passes_all(
        self, writer: RecordWriter, subscribe: Callable[..., Consumer]
    ) -> None:
        writer.append([Event(type=("a.done", "b.done", "c.done")[number % 3]) for number in range(60)])
        members = [Seen(), Seen()]
        for group, types, seen in (("few", ["a.done", "c.done"], members[0]), ("none", ["d.done"], members[1])):
            drain(subscribe(group=group, types=types), seen, 60, limit=7)
        assert members[0].positions == [position for position in range(1, 61) if position % 3 != 2]
        assert members[1].positions == []

    def test_the_events_of_a_stream_come_in_order_from_one_partition(
        self, writer: RecordWriter, subscribe: Callable[..., Consumer]
    ) -> None:
        streams = [uuid.uuid4() for _ in range(20)]
        for version in range(1, 11):
            writer.append([Event(stream, version) for stream in streams])
        seen = Seen()
        drain(subscribe(), seen, 200, limit=7)
        for stream in streams:
            homes = [p for p, events in seen.events.items() if any(e.originator_id == stream for e in events)]
            assert len(homes) == 1
            versions = [e.originator_version for e in seen.events[homes[0]] if e.originator_id == stream]
            assert versions == list(range(1, 11))

    def test_a_tail_beside_concurrent_writers_misses_nothing(
        self, record_url: str, subscribe: Callable[..., Consumer]
    ) -> None:
        consumer, seen = subscribe(), Seen()
        committed: list[int] = []
        writers = [threading.Thread(target=write_at_random, args=(record_url, seed, committed)) for seed in range(5)]
        for writer in writers:
            writer.start()
        while any(writer.is_alive() for writer in writers):
            seen.add(consumer.poll(0.05, 200))
            assert set(range(1, seen.passed + 1)) <= set(seen.positions), "passed means seen"
        drain(consumer, seen, len(committed))
        assert seen.positions == sorted(committed) == list(range(1, len(committed) + 1))

    def test_a_watermark_moves_the_partitions_where_no_event_came(
        self, writer: RecordWriter, subscribe: Callable[..., Consumer]
    ) -> None:
        consumer, seen = subscribe(), Seen()
        for expected in (1, 2, 3):
            writer.append_many(1)
            drain(consumer, seen, expected)
        assert seen.positions == [1, 2, 3]

    def test_a_consumer_resumes_after_its_cursors(
        self, writer: RecordWriter, subscribe: Callable[..., Consumer]
    ) -> None:
        writer.append_many(300)
        first, seen = subscribe(), Seen()
        while len(seen.positions) < 100:
            seen.add(first.poll(1, 40))
        first.close()
        drain(subscribe(cursors=seen.cursors), seen, 300)
        assert seen.positions == list(range(1, 301))

    def test_a_cursor_whose_bookmark_is_lost_resumes_from_its_position(
        self, writer: RecordWriter, subscribe: Callable[..., Consumer]
    ) -> None:
        writer.append_many(60)
        cursors = {partition: Cursor(40, offset=10**9, epoch=1) for partition in range(PARTITIONS)}
        seen = Seen()
        seen.cursors = dict(cursors)
        drain(subscribe(cursors=cursors), seen, 60)
        assert seen.positions == list(range(41, 61))

    def test_members_share_the_partitions_and_inherit_those_of_one_that_leaves(
        self, writer: RecordWriter, subscribe: Callable[..., Consumer], record_url: str
    ) -> None:
        cursors: dict[int, Cursor] = {}
        members = [subscribe(cursors=cursors), subscribe(cursors=cursors)]
        with PolledMembers(members) as polled:
            eventually(
                lambda: sorted(len(member.assigned) for member in members) == [PARTITIONS // 2] * 2,
                lambda: f"each has its half: {[member.assigned for member in members]}",
            )
            assert not members[0].assigned & members[1].assigned
            writer.append_many(100)
            # Where the two divide anew meanwhile, some of them come twice: nobody keeps the cursors here.
            eventually(lambda: len(set(polled.positions)) >= 100, lambda: f"all come: {sorted(set(polled.positions))}")
            polled.stop(members[0])
            members[0].close()
            eventually(
                lambda: len(members[1].assigned) == PARTITIONS, lambda: f"the other has all: {members[1].assigned}"
            )
        assert sorted(set(polled.positions)) == list(range(1, 101))

    def test_groups_read_independently(self, writer: RecordWriter, subscribe: Callable[..., Consumer]) -> None:
        writer.append_many(30)
        for group in ("one", "other"):
            seen = Seen()
            drain(subscribe(group=group), seen, 30)
            assert seen.positions == list(range(1, 31))

    def test_a_work_topic_carries_only_what_is_due_there(
        self, writer: RecordWriter, subscribe: Callable[..., Consumer]
    ) -> None:
        lanes = [("apns", "bulk"), ("fcm", "bulk"), ("apns", "urgent")] * 20
        due = [writer.append([due_chunk(*lane), Event()])[0] for lane in lanes]
        seen = Seen()
        drain(subscribe(topic=work_topic("apns", "bulk")), seen, 120, limit=5)
        assert seen.positions == due[::3]

    def test_a_cursor_of_a_former_epoch_is_refused(
        self, writer: RecordWriter, subscribe: Callable[..., Consumer]
    ) -> None:
        writer.append_many(5)
        seen = Seen()
        drain(subscribe(), seen, 5)
        writer.raise_epoch()
        writer.append_many(1)
        with pytest.raises(StaleEpoch):
            drain(subscribe(group="restored", cursors=seen.cursors), seen, 6)

    def test_a_running_consumer_stops_when_the_epoch_rises(
        self, writer: RecordWriter, subscribe: Callable[..., Consumer]
    ) -> None:
        writer.append_many(5)
        consumer, seen = subscribe(), Seen()
        drain(consumer, seen, 5)
        writer.raise_epoch()
        writer.append_many(1)
        with pytest.raises(StaleEpoch):
            drain(consumer, seen, 6)

    def test_a_breakdown_of_the_server_loses_and_repeats_nothing(
        self, writer: RecordWriter, record_url: str, breakable: Transport
    ) -> None:
        stream = breakable.spec.open()
        consumer = CountingConsumer(stream, record_url, EVENTS, "survivor")
        writer.append_many(2000)
        consumer.turn(limit=20)
        breakable.break_down()
        writer.append_many(20)
        finish(consumer, record_url, 2020)
        stream.close()

    def test_killed_consumers_handle_each_event_exactly_once(
        self, writer: RecordWriter, record_url: str, start_consumer: StartConsumer
    ) -> None:
        for round_ in range(3):
            # Something new to do in each round: the victim that is up first may have done all that was there before.
            writer.append_many(1000)
            before = len(handled(record_url))
            victims = [start_consumer(f"victim {round_}", 0.02), start_consumer(f"other victim {round_}", 0.02)]
            eventually(lambda before=before: len(handled(record_url)) > before, "one of them is in the middle")
            for victim in victims:
                victim.kill()
        start_consumer("survivor", 0.0)
        await_handled(record_url, 3000)
        assert sorted(handled(record_url)) == list(range(1, 3001))

    def test_a_frozen_consumer_loses_its_partitions_and_may_not_commit_late(
        self, writer: RecordWriter, record_url: str, start_consumer: StartConsumer
    ) -> None:
        writer.append_many(2000)
        # It pauses so long that it is far from done when it is frozen.
        frozen = start_consumer("frozen", 0.5)
        await_handled(record_url, 1)
        frozen.send_signal(signal.SIGSTOP)
        assert len(handled(record_url)) < 2000, "it was frozen in the middle"
        start_consumer("heir", 0.0)
        await_handled(record_url, 2000)
        frozen.send_signal(signal.SIGCONT)
        writer.append_many(400)
        await_handled(record_url, 2400)
        assert sorted(handled(record_url)) == list(range(1, 2401))


def write_at_random(database_url: str, seed: int, committed: list[int]) -> None:
    """Commits of many sizes, short pauses, and conflicts that roll back."""
    dice = random.Random(seed)
    writer = RecordWriter(database_url)
    for _ in range(60):
        events = [Event() for _ in range(dice.choice((1, 1, 1, 3, 30)))]
        conflict = dice.random() < 0.2
        positions = writer.append(events, conflict)
        committed.extend([] if conflict else positions)
        time.sleep(dice.choice((0, 0, 0.002)))
    writer.close()


class PolledMembers:
    """Polls several members, each in a thread of its own, and remembers every position handed out."""

    def __init__(self, members: Sequence[Consumer]) -> None:
        self.positions: list[int] = []
        self._polling = {id(member): threading.Event() for member in members}
        self._threads = {id(member): threading.Thread(target=self._poll, args=(member,)) for member in members}

    def _poll(self, member: Consumer) -> None:
        while not self._polling[id(member)].is_set():
            for batch in member.poll(0.1):
                self.positions.extend(event.position for event in batch.events)

    def stop(self, member: Consumer) -> None:
        self._polling[id(member)].set()
        self._threads[id(member)].join()

    def __enter__(self) -> PolledMembers:
        for thread in self._threads.values():
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        for stop in self._polling.values():
            stop.set()
        for thread in self._threads.values():
            thread.join()


def handled(database_url: str) -> list[int]:
    """The position of every event handled, as often as it was."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        return [position for (position,) in connection.execute("select position from effects.handled")]


def await_handled(database_url: str, count: int) -> None:
    """Wait until so many events were handled."""
    eventually(
        lambda: len(handled(database_url)) >= count,
        lambda: f"{count} are handled: {len(handled(database_url))}",
    )


def finish(consumer: CountingConsumer, database_url: str, expected: int) -> None:
    """Let a consumer work until every event was handled, and check that none was handled twice."""
    deadline = time.monotonic() + PATIENCE
    while len(handled(database_url)) < expected:
        assert time.monotonic() < deadline, f"only {len(handled(database_url))} of {expected}"
        consumer.turn()
    consumer.turn()
    assert sorted(handled(database_url)) == list(range(1, expected + 1))
    consumer.close()
