"""What the consumers of both adapters share: a place in the group, cursors, epochs, and coming back after a failure."""

from __future__ import annotations

import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence

from tocsin.eventlog.stream.membership import Membership
from tocsin.eventlog.stream.port import Batch, Cursor, LoadCursors, StaleEpoch
from tocsin.eventlog.stream.reading import Found
from tocsin.eventlog.stream.session import CONNECTION_LOST
from tocsin.eventlog.stream.tail import Head

logger = logging.getLogger(__name__)

MAX_HANDLING = 300.0
"""A consumer that has not polled for so many seconds is taken for hung, and its partitions go to another."""

RETRY_EVERY = 0.2

Join = Callable[[Callable[[], bool]], Membership]


class GroupMember(ABC):
    """One member of a group. Not to be polled from two threads at once.

    ``_reached`` is how far each partition was read, ``_handed_out`` the cursors the caller was last given; between
    polls they agree, unless a watermark waits for its moment.
    """

    def __init__(self, join: Join, head: Callable[[], Head], load_cursors: LoadCursors) -> None:
        self._join = join
        self._head = head
        self._load_cursors = load_cursors
        self._epoch = head().epoch
        self._reached: dict[int, int] = {}
        self._handed_out: dict[int, Cursor] = {}
        self._closed = False
        self._polled_at = time.monotonic()
        self._membership: Membership | None = join(self._is_alive)

    def _is_alive(self) -> bool:
        return time.monotonic() - self._polled_at < MAX_HANDLING

    @property
    def assigned(self) -> frozenset[int]:
        """The partitions this member holds now."""
        return frozenset(self._reached)

    def poll(self, timeout: float, limit: int = 5000) -> Sequence[Batch]:
        """The next events of the partitions held, or their moved cursors; empty after ``timeout`` seconds.

        While the database is away it answers nothing, and joins again when it is back. Raises ``StaleEpoch``, and
        ``GapInRecord`` when the record is damaged.
        """
        deadline = time.monotonic() + timeout
        while not self._closed:
            self._polled_at = time.monotonic()
            batches = self._turn_or_rejoin(limit, deadline)
            if batches or time.monotonic() >= deadline:
                return batches
        return []

    def _turn_or_rejoin(self, limit: int, deadline: float) -> Sequence[Batch]:
        try:
            if self._membership is None:
                self._membership = self._join(self._is_alive)
            return self._turn(self._membership, limit, deadline)
        except CONNECTION_LOST as lost:
            self._rejoin_later(lost, deadline)
            return []
        except BaseException:
            self._rewind()
            raise

    @abstractmethod
    def _turn(self, membership: Membership, limit: int, deadline: float) -> Sequence[Batch]:
        """Look once for something to hand out, waiting for it no longer than until ``deadline``."""

    @abstractmethod
    def _reassigned(self) -> None:
        """The keys of ``_reached`` are other partitions than before; new ones stand at ``_handed_out``."""

    def _rewind(self) -> None:
        """What was read before a failure was not handed out: read it again."""
        self._reached = {partition: cursor.position for partition, cursor in self._handed_out.items()}

    def _settle(self, membership: Membership) -> None:
        """Follow the group: forget what was given away, load the cursors of what was taken over."""
        held = membership.settle()
        lost, fresh = self._reached.keys() - held, held - self._reached.keys()
        for partition in lost:
            del self._reached[partition], self._handed_out[partition]
        if fresh:
            self._start(fresh, self._load_cursors(fresh))
        if lost or fresh:
            self._reassigned()

    def _start(self, fresh: Collection[int], cursors: Mapping[int, Cursor]) -> None:
        head = self._checked_head()
        for partition in fresh:
            cursor = cursors.get(partition, Cursor())
            if cursor.epoch not in (0, head.epoch) or cursor.position > head.position:
                raise StaleEpoch(f"{cursor} of partition {partition} is not of the record's present state, {head}")
            self._reached[partition], self._handed_out[partition] = cursor.position, cursor

    def _checked_head(self) -> Head:
        head = self._head()
        self._check_epoch(head.epoch)
        return head

    def _check_epoch(self, epoch: int) -> None:
        if epoch != self._epoch:
            raise StaleEpoch(f"the record is in epoch {epoch}, this consumer began in {self._epoch}")

    def _hand_out(self, found: Found, offsets: Mapping[int, int]) -> Sequence[Batch]:
        batches = [
            Batch(partition, found.get(partition, ()), Cursor(position, offsets.get(partition, 0), self._epoch))
            for partition, position in self._reached.items()
            if position > self._handed_out[partition].position
        ]
        self._handed_out.update({batch.partition: batch.cursor for batch in batches})
        return batches

    def _rejoin_later(self, lost: Exception, deadline: float) -> None:
        """Whatever was held may be another's by now: begin again, from the stored cursors."""
        if self._membership is not None and not self._closed:
            logger.warning("lost the database, joining the group again: %s", str(lost).strip())
        self._leave()
        time.sleep(max(0.0, min(RETRY_EVERY, deadline - time.monotonic())))

    def _leave(self) -> None:
        self._reached, self._handed_out = {}, {}
        if self._membership is not None:
            self._membership.close()
            self._membership = None

    def close(self) -> None:
        """Leave the group at once, so that another member takes over without waiting for a time-out."""
        self._closed = True
        self._leave()
