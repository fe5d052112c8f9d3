"""The stream without a broker: consumers tail the record itself."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from functools import partial

from tocsin.eventlog.stream.member import GroupMember, Join
from tocsin.eventlog.stream.membership import RECORD_CHANNEL, Membership
from tocsin.eventlog.stream.port import Batch, Consumer, LoadCursors
from tocsin.eventlog.stream.reading import Found, RecordReader
from tocsin.eventlog.stream.routing import Route, route_due_chunk
from tocsin.eventlog.stream.settings import fix_partitions, group_id
from tocsin.eventlog.stream.tail import Head, Tail, heard

WATERMARK_EVERY = 0.025
WATERMARK_AT_LEAST_EVERY = 0.1
"""Where others append without pause and nothing is for this group: each watermark is a transaction of somebody's."""

LOOK_EVERY = 0.25
"""How often the head is asked for where no append told of it."""


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

    def subscribe(
        self, topic: str, group: str, load_cursors: LoadCursors, types: Collection[str] | None = None
    ) -> Consumer:
        """Join ``group`` on ``topic``, for events of these types; partitions come with the first polls."""
        number = group_id(self._tail, group, topic)
        name = f"tocsin {group} {topic}"
        join = partial(Membership, self._database_url, name, number, self._partitions, RECORD_CHANNEL)
        reader = RecordReader(self._tail, topic, self._partitions, self._route, types)
        return PostgresConsumer(join, self._tail.head, load_cursors, reader)

    def close(self) -> None:
        """Disconnect; consumers are closed by their owners."""
        self._tail.close()


class PostgresConsumer(GroupMember):
    """Reads the ranges it lacks whenever the head has moved."""

    def __init__(self, join: Join, head: Callable[[], Head], load_cursors: LoadCursors, reader: RecordReader) -> None:
        super().__init__(join, head, load_cursors)
        self._reader = reader
        self._told: Head | None = None
        self._handed_out_at = 0.0
        self._pause = WATERMARK_EVERY

    def _reassigned(self) -> None:
        pass

    def _leave(self) -> None:
        super()._leave()
        self._told = None

    def _turn(self, membership: Membership, limit: int, deadline: float) -> Sequence[Batch]:
        self._listen(membership, 0)
        head = self._told or self._checked_head()
        self._settle(membership)
        found = self._reader.advance(self._reached, dict.fromkeys(self._reached, head.position), limit)
        left = max(0.0, deadline - time.monotonic())
        if found or self._watermark_is_due(left):
            self._pace(found)
            return self._hand_out(found, {})
        self._wait(membership, left)
        return []

    def _watermark_is_due(self, left: float) -> bool:
        return self._moved() and (left == 0 or time.monotonic() >= self._handed_out_at + self._pause)

    def _pace(self, found: Found) -> None:
        """The next watermark waits longer where the last ones followed on each other with no event in between."""
        before, self._handed_out_at = self._handed_out_at, time.monotonic()
        busy = self._handed_out_at < before + LOOK_EVERY
        self._pause = min(2 * self._pause, WATERMARK_AT_LEAST_EVERY) if busy and not found else WATERMARK_EVERY

    def _moved(self) -> bool:
        return any(position > self._handed_out[partition].position for partition, position in self._reached.items())

    def _wait(self, membership: Membership, left: float) -> None:
        """Until something moves. A pending watermark ignores the wake-ups, so a flood of appends is no busy loop."""
        if self._moved():
            time.sleep(min(left, WATERMARK_EVERY))
        else:
            self._listen(membership, min(left, LOOK_EVERY))

    def _listen(self, membership: Membership, timeout: float) -> None:
        """Take in where the record ends, as appends tell it; where none did in all that time, it is to be asked."""
        told = [heard(one) for one in membership.wait(timeout)]
        if told:
            self._told = told[-1]
            if self._told is not None:
                self._check_epoch(self._told.epoch)
        elif timeout:
            self._told = None
