"""The stream through Kafka: the relay publishes the record, consumers read it here.

Kafka is transport with a retention of days; the record is the truth. Every message says which position its partition
had before it, so a consumer notices anything missing (deleted by retention, lost with a cluster, too large to publish)
and reads that part from the record instead.

Members share partitions through PostgreSQL, as the other adapter does, where the cursors are as well: Kafka's own
groups need 6 to 45 seconds to notice a dead member, and do not commit offsets in our transaction.
"""

from __future__ import annotations

import logging
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from functools import partial

from tocsin.eventlog.stored import StoredEvent
from tocsin.eventlog.stream.broker import Fetcher, Record, ensure_topics
from tocsin.eventlog.stream.kafka_settings import KafkaSettings
from tocsin.eventlog.stream.member import GroupMember, Join
from tocsin.eventlog.stream.membership import Membership
from tocsin.eventlog.stream.messages import Foreign, events_of, place_of
from tocsin.eventlog.stream.port import Batch, Consumer, LoadCursors
from tocsin.eventlog.stream.reading import RecordReader
from tocsin.eventlog.stream.routing import Route, route_due_chunk
from tocsin.eventlog.stream.settings import fix_partitions, group_id
from tocsin.eventlog.stream.tail import Head, Tail

logger = logging.getLogger(__name__)

LOOK_EVERY = 0.1


class KafkaStream:
    """Hands out what the relay published, and from the record what Kafka no longer has."""

    def __init__(
        self,
        settings: KafkaSettings,
        database_url: str,
        partitions: int | None = None,
        route: Route = route_due_chunk,
    ) -> None:
        """Connect to the record's database and fix the number of partitions if nobody has yet.

        ``partitions``: of every topic; None takes what was fixed before, or the default. Raises ``ValueError`` when
        another number was fixed before.
        """
        self._settings = settings
        self._database_url = database_url
        self._route = route
        self._tail = Tail(database_url)
        self._partitions = fix_partitions(self._tail, partitions)

    def partitions(self, topic: str) -> int:  # noqa: ARG002
        """How many partitions the topic has: here every topic has the same."""
        return self._partitions

    def ensure_topics(self, topics: Collection[str]) -> None:
        """Create the topics that are missing. Raises ``TopicMismatch`` where one has other partitions."""
        ensure_topics(self._settings, topics, self._partitions)

    def subscribe(
        self, topic: str, group: str, load_cursors: LoadCursors, types: Collection[str] | None = None
    ) -> Consumer:
        """Join ``group`` on ``topic``, which is created when missing; partitions come with the first polls.

        Events of other than these types are passed over as they come, unopened.
        """
        self.ensure_topics([topic])
        number = group_id(self._tail, group, topic)
        join = partial(Membership, self._database_url, f"tocsin {group} {topic}", number, self._partitions, "")
        reader = RecordReader(self._tail, topic, self._partitions, self._route, types)
        return KafkaConsumer(join, self._tail.head, load_cursors, reader, Fetcher(self._settings, topic), types)

    def close(self) -> None:
        """Disconnect; consumers are closed by their owners."""
        self._tail.close()


class KafkaConsumer(GroupMember):
    """Reads messages, drops what it has seen, and fills from the record what is missing between them."""

    def __init__(
        self,
        join: Join,
        head: Callable[[], Head],
        load_cursors: LoadCursors,
        reader: RecordReader,
        fetcher: Fetcher,
        types: Collection[str] | None,
    ) -> None:
        super().__init__(join, head, load_cursors)
        self._reader = reader
        self._fetcher = fetcher
        self._types = types
        self._offsets: dict[int, int] = {}
        self._missing: dict[int, int] = {}

    def _reassigned(self) -> None:
        self._offsets = {
            partition: self._offsets.get(partition, self._handed_out[partition].offset) for partition in self._reached
        }
        self._missing = {partition: to for partition, to in self._missing.items() if partition in self._reached}
        self._fetcher.assign(self._offsets)

    def _rewind(self) -> None:
        super()._rewind()
        self._offsets, self._missing = {}, {}
        self._reassigned()

    def _leave(self) -> None:
        super()._leave()
        self._offsets, self._missing = {}, {}

    def _turn(self, membership: Membership, limit: int, deadline: float) -> Sequence[Batch]:
        membership.wait(0)
        self._settle(membership)
        left = max(0.0, deadline - time.monotonic())
        if not self._reached:
            membership.wait(min(left, LOOK_EVERY))
            return []
        if self._missing:
            return self._fill(limit)
        found: dict[int, list[StoredEvent]] = defaultdict(list)
        for partition, records in self._fetcher.poll(min(left, LOOK_EVERY), limit).items():
            self._take(partition, records, found[partition])
        return self._hand_out(found, self._offsets)

    def _fill(self, limit: int) -> Sequence[Batch]:
        """Read on in the record until each partition stands where its next message takes up."""
        found = self._reader.advance(self._reached, self._missing, limit)
        self._missing = {partition: to for partition, to in self._missing.items() if self._reached[partition] < to}
        return self._hand_out(found, self._offsets)

    def _take(self, partition: int, records: Sequence[Record], found: list[StoredEvent]) -> None:
        for record in records:
            try:
                complete = self._take_one(partition, record, found)
            except Foreign as foreign:
                logger.warning("ignoring what is at offset %d of partition %d: %s", record.offset, partition, foreign)
                continue
            if not complete:
                self._fetcher.seek(partition, record.offset)
                return
            self._offsets[partition] = record.offset + 1

    def _take_one(self, partition: int, record: Record, found: list[StoredEvent]) -> bool:
        """Whether the message was dealt with; if not, something before it is missing and has been noted."""
        place, headers = place_of(record.headers)
        if place.epoch < self._epoch:
            return True
        self._check_epoch(place.epoch)
        if place.after > self._reached[partition]:
            logger.info("partition %d lacks the events from %d", partition, self._reached[partition] + 1)
            self._missing[partition] = place.after
            return False
        if place.position > self._reached[partition]:
            found.extend(events_of(place, headers, record.value, self._types))
            self._reached[partition] = place.position
        return True

    def close(self) -> None:
        """Leave the group at once and disconnect from the broker."""
        super().close()
        self._fetcher.close()
