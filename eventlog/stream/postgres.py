"""The stream without a broker: consumers tail the record itself."""

from __future__ import annotations

import logging
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial

from tocsin.eventlog.stored import StoredEvent
from tocsin.eventlog.stream.membership import Membership
from tocsin.eventlog.stream.port import EVENTS, Batch, Consumer, Cursor, LoadCursors, StaleEpoch
from tocsin.eventlog.stream.routing import Route, partition_of_event, route_due_chunk
from tocsin.eventlog.stream.session import CONNECTION_LOST
from tocsin.eventlog.stream.settings import fix_partitions, group_id
from tocsin.eventlog.stream.tail import Head, Tail

logger = logging.getLogger(__name__)

WATERMARK_EVERY = 0.025
LOOK_EVERY = 0.25
RETRY_EVERY = 0.2
MAX_HANDLING = 300.0
"""A consumer that has not polled for so many seconds is taken for hung, and its partitions go to another."""

_ROWS_AT_ONCE = 1000
_BYTES_AT_ONCE = 16 * 1024 * 1024

Read = Callable[[int, int, Collection[int], int], tuple[Sequence[StoredEvent], int]]
"""(start, stop, partitions, rows) -> about ``rows`` events of these partitions after start, and how far they reach."""


class PostgresStream:
    """Hands out the record's events straight from its table; needs nothing but the database.

    A consumer holds one connection for its place in the group; all of them share another for reading.
    """

    def __init__(self, database_url: str, partitions: int | None = None, route: Route = route_due_chunk) -> None:
        """Connect to ``database_url`` and fix the number of partitions if nobody has yet.

        ``partitions``: at most so many consumers of a group work at the same time; None takes what was fixed before,
        or the default. Raises ``ValueError`` when another number was fixed before.
        """
        self._database_url = database_url
        self._route = route
        self._tail = Tail(database_url)
        self._partitions = fix_partitions(self._tail, partitions)

    def partitions(self, topic: str) -> int:  # noqa: ARG002
        """How many partitions the topic has: here every topic has the same."""
        return self._partitions

    def subscribe(self, topic: str, group: str, load_cursors: LoadCursors) -> Consumer:
        """Join ``group`` on ``topic``; partitions come with the first polls."""
        number = group_id(self._tail, group, topic)
        return PostgresConsumer(
            partial(Membership, self._database_url, f"tocsin {group} {topic}", number, self._partitions),
            self._tail.head,
            self._read_events if topic == EVENTS else self._reader_of_work(topic),
            lambda event: partition_of_event(event, self._partitions),
            load_cursors,
        )

    def _read_events(
        self, start: int, stop: int, wanted: Collection[int], rows: int
    ) -> tuple[Sequence[StoredEvent], int]:
        reached = min(stop, start + rows * self._partitions // len(wanted))
        if len(wanted) == self._partitions:
            return self._tail.read(start, reached), reached
        return self._tail.read_share(start, reached, wanted, self._partitions), reached

    def _reader_of_work(self, topic: str) -> Read:
        def read(start: int, stop: int, wanted: Collection[int], rows: int) -> tuple[Sequence[StoredEvent], int]:
            due = self._tail.read_due(start, stop, rows)
            reached = due[-1].position if len(due) == rows else stop
            return [event for event in due if self._goes_to(event, topic, wanted)], reached

        return read

    def _goes_to(self, event: StoredEvent, topic: str, wanted: Collection[int]) -> bool:
        return partition_of_event(event, self._partitions) in wanted and topic in self._route(event)

    def close(self) -> None:
        """Disconnect; consumers are closed by their owners."""
        self._tail.close()


class PostgresConsumer:
    """One member of a group. Not to be polled from two threads at once."""

    def __init__(
        self,
        join: Callable[[Callable[[], bool]], Membership],
        head: Callable[[], Head],
        read: Read,
        partition_of_event: Callable[[StoredEvent], int],
        load_cursors: LoadCursors,
    ) -> None:
        self._join = join
        self._head = head
        self._read = read
        self._partition_of = partition_of_event
        self._load_cursors = load_cursors
        self._polled_at = time.monotonic()
        self._handed_out_at = 0.0
        self._epoch = head().epoch
        self._reached: dict[int, int] = {}
        self._handed_out: dict[int, int] = {}
        self._closed = False
        self._membership: Membership | None = join(self._is_alive)

    def _is_alive(self) -> bool:
        return time.monotonic() - self._polled_at < MAX_HANDLING

    @property
    def assigned(self) -> frozenset[int]:
        """The partitions this member holds now."""
        return frozenset(self._reached)

    def poll(self, timeout: float, limit: int = 5000) -> Sequence[Batch]:
        """The next events of the partitions held, or their moved cursors.

        While the database is away it answers nothing and joins again when it is back. Raises ``StaleEpoch``, and
        ``GapInRecord`` when the record is damaged.
        """
        deadline = time.monotonic() + timeout
        while not self._closed:
            self._polled_at = time.monotonic()
            try:
                batches = self._try(limit, deadline)
            except CONNECTION_LOST as lost:
                self._rejoin_later(lost)
                batches = []
            left = deadline - time.monotonic()
            if batches or left <= 0:
                return batches
            self._wait(left)
        return []

    def _try(self, limit: int, deadline: float) -> Sequence[Batch]:
        head = self._checked_head()
        self._settle(head)
        found = self._advance_or_not(head.position, limit)
        moved = self._reached != self._handed_out
        if found or (moved and time.monotonic() >= min(deadline, self._handed_out_at + WATERMARK_EVERY)):
            return self._hand_out(found)
        return []

    def _checked_head(self) -> Head:
        head = self._head()
        if head.epoch != self._epoch:
            raise StaleEpoch(f"the record is in epoch {head.epoch}, this consumer began in {self._epoch}")
        return head

    def _settle(self, head: Head) -> None:
        """Follow the group: forget what was given away, load the cursors of what was taken over."""
        if self._membership is None:
            self._membership = self._join(self._is_alive)
        held = self._membership.settle()
        for lost in self._reached.keys() - held:
            del self._reached[lost], self._handed_out[lost]
        if fresh := held - self._reached.keys():
            self._start(fresh, self._load_cursors(fresh), head)

    def _start(self, fresh: Collection[int], cursors: Mapping[int, Cursor], head: Head) -> None:
        for partition in fresh:
            cursor = cursors.get(partition, Cursor())
            if cursor.epoch not in (0, head.epoch) or cursor.position > head.position:
                raise StaleEpoch(f"{cursor} of partition {partition} is not of the record's present state, {head}")
            self._reached[partition] = self._handed_out[partition] = cursor.position

    def _advance_or_not(self, head: int, limit: int) -> Mapping[int, list[StoredEvent]]:
        """What was read before a failure is read again: it was not handed out."""
        try:
            return self._advance(head, limit)
        except BaseException:
            self._reached = dict(self._handed_out)
            raise

    def _advance(self, head: int, limit: int) -> Mapping[int, list[StoredEvent]]:
        """Read on from the partitions furthest behind, up to about ``limit`` events."""
        found: dict[int, list[StoredEvent]] = defaultdict(list)
        count = size = 0
        while self._reached and count < limit and size < _BYTES_AT_ONCE:
            start = min(self._reached.values())
            if start >= head:
                break
            for event in self._read_on(start, head, min(limit - count, _ROWS_AT_ONCE)):
                found[self._partition_of(event)].append(event)
                count += 1
                size += len(event.state)
        return found

    def _read_on(self, start: int, head: int, rows: int) -> Sequence[StoredEvent]:
        """One range for every partition that stands at ``start``, not beyond where the next one stands."""
        wanted = [partition for partition, reached in self._reached.items() if reached == start]
        stop = min((reached for reached in self._reached.values() if reached > start), default=head)
        events, reached = self._read(start, min(stop, head), wanted, rows)
        self._reached.update(dict.fromkeys(wanted, reached))
        return events

    def _hand_out(self, found: Mapping[int, list[StoredEvent]]) -> Sequence[Batch]:
        moved = [partition for partition, reached in self._reached.items() if reached > self._handed_out[partition]]
        self._handed_out = dict(self._reached)
        self._handed_out_at = time.monotonic()
        return [
            Batch(partition, found.get(partition, ()), Cursor(self._reached[partition], epoch=self._epoch))
            for partition in moved
        ]

    def _wait(self, left: float) -> None:
        """Until something moves. A pending watermark ignores the wake-ups, so a flood of appends is no busy loop."""
        if self._membership is None:
            time.sleep(min(left, RETRY_EVERY))
            return
        if self._reached != self._handed_out:
            time.sleep(min(left, WATERMARK_EVERY))
            return
        try:
            self._membership.wait(min(left, LOOK_EVERY))
        except CONNECTION_LOST as lost:
            self._rejoin_later(lost)

    def _rejoin_later(self, lost: Exception) -> None:
        """Whatever was held may be another's by now: begin again, from the stored cursors."""
        if self._membership is not None and not self._closed:
            logger.warning("lost the database, joining the group again: %s", str(lost).strip())
        self._leave()

    def _leave(self) -> None:
        self._reached, self._handed_out = {}, {}
        if self._membership is not None:
            self._membership.close()
            self._membership = None

    def close(self) -> None:
        """Leave the group at once, so that another member takes over without waiting for a time-out."""
        self._closed = True
        self._leave()
