"""Publishes the record to Kafka, in order, with one leader."""

from __future__ import annotations

import logging
import time
from collections.abc import Collection
from uuid import UUID

from tocsin.eventlog.stored import StoredEvent
from tocsin.eventlog.stream.broker import LARGEST_BODY, Producer, ensure_topics
from tocsin.eventlog.stream.kafka_settings import KafkaSettings
from tocsin.eventlog.stream.messages import Origin
from tocsin.eventlog.stream.port import EVENTS
from tocsin.eventlog.stream.routing import Route, partition_of_event, route_due_chunk
from tocsin.eventlog.stream.settings import fix_partitions, topics_in_use
from tocsin.eventlog.stream.tail import Tail

logger = logging.getLogger(__name__)

EVENTS_AT_ONCE = 5000
BYTES_AT_ONCE = 16 * 1024 * 1024
WORK_WATERMARK_EVERY = 0.1
REPEAT_WATERMARK_EVERY = 5.0
LOOK_FOR_TOPICS_EVERY = 1.0

_ROWS_AT_ONCE = 500


class Deposed(Exception):
    """Another relay leads by now, or the record was restored: start again from the stored cursor."""


class Publisher:
    """Writes events and watermarks, each saying up to where its partition was written before."""

    def __init__(self, settings: KafkaSettings, origin: Origin, partitions: int, start: int) -> None:
        """``start``: everything up to here is published already, on every topic."""
        self._settings = settings
        self._origin = origin
        self._partitions = partitions
        self._published = start
        self._written: dict[str, list[int]] = {}
        self._producer = Producer(settings)

    def add_topics(self, topics: Collection[str]) -> None:
        """Publish these from now on as well, creating what is missing."""
        if new := [topic for topic in topics if topic not in self._written]:
            ensure_topics(self._settings, new, self._partitions)
            self._written.update({topic: [self._published] * self._partitions for topic in new})

    def event(self, topic: str, event: StoredEvent) -> None:
        """Queue an event. One that no broker takes is left out: what follows it says so, and sends readers to the
        record."""
        partition = partition_of_event(event, self._partitions)
        if len(event.state) > LARGEST_BODY:
            logger.warning("event %d is too large for Kafka: it is read from the record", event.position)
        else:
            headers = self._origin.headers(event, self._written[topic][partition])
            key = str(event.originator_id).encode()
            self._producer.send(topic, partition, key, event.state, headers)
        self._written[topic][partition] = event.position

    def watermarks(self, position: int, topics: Collection[str], repeat: bool = False) -> None:
        """Queue a watermark for every partition that has none at ``position``; for all of them with ``repeat``."""
        for topic in topics:
            for partition, written in enumerate(self._written[topic]):
                if written < position or repeat:
                    self._producer.send(topic, partition, None, b"", self._origin.watermark(position, written))
                    self._written[topic][partition] = position

    def flush(self, position: int) -> None:
        """Wait until all is acknowledged: everything up to ``position`` is published."""
        self._producer.flush()
        self._published = position

    @property
    def topics(self) -> Collection[str]:
        """What is published to."""
        return self._written.keys()

    def close(self) -> None:
        """Disconnect without waiting for what is queued."""
        self._producer.close()


class RelayCursor:
    """How far the relay has come, fenced: a new term ends the right of the former leader to move it."""

    def __init__(self, tail: Tail) -> None:
        """Begin a term, in the record's present epoch."""
        self._tail = tail
        self.position: int
        self.epoch: int
        self.record_id: UUID
        ((self._term, self.position, self.epoch, self.record_id),) = tail.rows(
            "update record.relay_cursor c set term = c.term + 1, epoch = h.epoch,"
            " position = least(c.position, h.position)"
            " from record.head h returning c.term, c.position, c.epoch, h.record_id"
        )

    def move(self, position: int) -> None:
        """Everything up to ``position`` is published. Raises ``Deposed``."""
        moved = self._tail.rows(
            "update record.relay_cursor set position = %s where term = %s and position = %s returning true",
            *(position, self._term, self.position),
        )
        if not moved:
            raise Deposed(f"the relay's cursor is no longer at {self.position} of term {self._term}")
        self.position = position


class Relay:
    """One term of a leading relay. After any exception: close it, and begin another."""

    def __init__(
        self, tail: Tail, settings: KafkaSettings, topics: Collection[str] = (), route: Route = route_due_chunk
    ) -> None:
        """Begin a term. ``topics``: work topics to create and keep current beside those that are asked for."""
        self._tail = tail
        self._route = route
        self._cursor = RelayCursor(tail)
        origin = Origin(self._cursor.record_id, self._cursor.epoch)
        self._publisher = Publisher(settings, origin, fix_partitions(tail, None), self._cursor.position)
        self._publisher.add_topics([EVENTS, *topics])
        self._work_marked_at = self._repeated_at = self._looked_at = 0.0

    @property
    def position(self) -> int:
        """Everything up to here is published."""
        return self._cursor.position

    def step(self) -> bool:
        """Publish what is there, up to ``EVENTS_AT_ONCE`` or ``BYTES_AT_ONCE``; whether there was anything.

        Raises ``Deposed``, ``BrokerError`` or one of ``CONNECTION_LOST``; nothing is skipped by any of them.
        """
        head = self._tail.head()
        if head.epoch != self._cursor.epoch:
            raise Deposed(f"the record is in epoch {head.epoch}, this term began in {self._cursor.epoch}")
        self._look_for_topics()
        reached = self._publish_up_to(min(head.position, self._cursor.position + EVENTS_AT_ONCE))
        moved = reached > self._cursor.position
        self._mark(reached, moved)
        self._publisher.flush(reached)
        if moved:
            self._cursor.move(reached)
        return moved

    def _publish_up_to(self, stop: int) -> int:
        """Queue events up to ``stop``, or fewer when they are large; answers how far it came."""
        reached, size = self._cursor.position, 0
        while reached < stop and size < BYTES_AT_ONCE:
            start, reached = reached, min(stop, reached + _ROWS_AT_ONCE)
            for event in self._tail.read(start, reached):
                self._publish(event)
                size += len(event.state)
        return reached

    def _publish(self, event: StoredEvent) -> None:
        self._publisher.event(EVENTS, event)
        for topic in self._route(event):
            self._publisher.add_topics([topic])
            self._publisher.event(topic, event)

    def _mark(self, position: int, moved: bool) -> None:
        """Watermarks: at once for the events, soon for the work, again and again for whoever finds an empty log."""
        now = time.monotonic()
        if repeat := now >= self._repeated_at + REPEAT_WATERMARK_EVERY:
            self._repeated_at = now
        if moved or repeat:
            self._publisher.watermarks(position, [EVENTS], repeat)
        if repeat or now >= self._work_marked_at + WORK_WATERMARK_EVERY:
            self._work_marked_at = now
            self._publisher.watermarks(position, [topic for topic in self._publisher.topics if topic != EVENTS], repeat)

    def _look_for_topics(self) -> None:
        now = time.monotonic()
        if now >= self._looked_at + LOOK_FOR_TOPICS_EVERY:
            self._looked_at = now
            self._publisher.add_topics(topics_in_use(self._tail))

    def close(self) -> None:
        """End the term."""
        self._publisher.close()
