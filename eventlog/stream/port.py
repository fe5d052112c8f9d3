"""The stream port: what a projection, the planner or a delivery worker asks of the transport, whichever it is.

Guarantees every adapter gives, and the contract suite holds it to:

* order per key: within a partition positions only rise, and a stream's events are all in one partition;
* at least once from the transport, exactly once in effect: a consumer is never handed an event at or below the cursor
  it loaded for that partition, nor the same event twice;
* nothing is lost: a batch's cursor passes a position only when every event of that partition up to it was handed out;
* a watermark moves every partition's cursor, also where no event came: once every partition of a topic stands at N or
  beyond, everything up to N has been seen.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from tocsin.eventlog.stored import StoredEvent

EVENTS = "events"
"""The topic that carries every event of the record, keyed by stream."""


def work_topic(provider: str, lane: str) -> str:
    """The topic that carries the chunks due for one provider in one lane."""
    return f"work.{provider}.{lane}"


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where one partition stands: all up to ``position`` of ``epoch`` is handled.

    ``offset`` is the transport's own bookmark, a hint that may be lost; epoch 0 is not known (nothing stored yet).
    """

    position: int = 0
    offset: int = 0
    epoch: int = 0


@dataclass(frozen=True, slots=True)
class Batch:
    """What one partition brought: ``events`` in order, and the cursor once they are all handled."""

    partition: int
    events: Sequence[StoredEvent]
    cursor: Cursor


class StaleEpoch(Exception):
    """The record was restored from a backup: cursors of the former epoch mean nothing any more.

    The consumer must not go on. What to do: rebuild the read models (``tocsin rebuild --all``), which starts them
    in the record's present epoch.
    """


LoadCursors = Callable[[Collection[int]], Mapping[int, Cursor]]
"""Called with the partitions a consumer has just been given; answers where each stands (missing: the beginning)."""


class Consumer(Protocol):
    """One member of a group. Partitions move between members; each partition has at most one owner that can commit.

    The owner stores a batch's cursor in the transaction of its effect, by compare-and-set on the position the
    partition had before (the one loaded, then that of the last batch). If the compare fails, another member had the
    partition meanwhile: roll back, close this consumer and subscribe again. Handle what a poll brought before the
    next one, which may give partitions away.
    """

    def poll(self, timeout: float, limit: int = 5000) -> Sequence[Batch]:
        """At most about ``limit`` events, waiting up to ``timeout`` seconds for the first; empty if none came."""

    @property
    def assigned(self) -> frozenset[int]:
        """The partitions this member holds now."""

    def close(self) -> None:
        """Leave the group at once, so that another member takes over without waiting for a time-out."""


class Stream(Protocol):
    """A transport for the record's events."""

    def partitions(self, topic: str) -> int:
        """How many partitions the topic has; fixed at set-up."""

    def subscribe(
        self, topic: str, group: str, load_cursors: LoadCursors, types: Collection[str] | None = None
    ) -> Consumer:
        """Join ``group`` on ``topic``. The owner of a cursor stores it with its own rows, in one transaction.

        ``types``: events of other types are passed over, as if they were none (None: of the topic all).
        """

    def close(self) -> None:
        """Release connections."""
