"""Brings several partitions forward from the record, each range of positions read once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, MutableMapping, Sequence

from tocsin.eventlog.stored import StoredEvent
from tocsin.eventlog.stream.port import EVENTS
from tocsin.eventlog.stream.routing import Route, partition_of_event
from tocsin.eventlog.stream.tail import Tail

_ROWS_AT_ONCE = 1000
_BYTES_AT_ONCE = 16 * 1024 * 1024

Found = Mapping[int, Sequence[StoredEvent]]
"""Events by partition, in order."""


class RecordReader:
    """Reads one topic's events out of the record; ``types``: only these (None: all)."""

    def __init__(
        self, tail: Tail, topic: str, partitions: int, route: Route, types: Collection[str] | None = None
    ) -> None:
        self._tail = tail
        self._topic = topic
        self._partitions = partitions
        self._route = route
        self._types = types

    def advance(self, reached: MutableMapping[int, int], targets: Mapping[int, int], limit: int) -> Found:
        """Move ``reached`` towards ``targets``, those furthest behind first, by up to about ``limit`` events.

        ``targets`` names the partitions to move and the position each may reach; it must not be beyond the head.
        """
        found: dict[int, list[StoredEvent]] = defaultdict(list)
        count = size = 0
        while count < limit and size < _BYTES_AT_ONCE:
            behind = {partition: reached[partition] for partition in targets if reached[partition] < targets[partition]}
            if not behind:
                break
            for event in self._step(reached, behind, targets, min(limit - count, _ROWS_AT_ONCE)):
                found[partition_of_event(event, self._partitions)].append(event)
                count += 1
                size += len(event.state)
        return found

    def _step(
        self, reached: MutableMapping[int, int], behind: Mapping[int, int], targets: Mapping[int, int], rows: int
    ) -> Sequence[StoredEvent]:
        """One range for all that stand at the lowest position, not beyond where the next one stands."""
        start = min(behind.values())
        wanted = [partition for partition, position in behind.items() if position == start]
        others = [position for position in behind.values() if position > start]
        stop = min([targets[partition] for partition in wanted] + others)
        read = self._read_events if self._topic == EVENTS else self._read_work
        events, end = read(start, stop, wanted, rows)
        reached.update(dict.fromkeys(wanted, end))
        return events

    def _read_events(
        self, start: int, stop: int, wanted: Collection[int], rows: int
    ) -> tuple[Sequence[StoredEvent], int]:
        end = min(stop, start + rows * self._partitions // len(wanted))
        if len(wanted) == self._partitions and self._types is None:
            return self._tail.read(start, end), end
        return self._tail.read_share(start, end, wanted, self._partitions, self._types), end

    def _read_work(
        self, start: int, stop: int, wanted: Collection[int], rows: int
    ) -> tuple[Sequence[StoredEvent], int]:
        due = self._tail.read_due(start, stop, rows)
        end = due[-1].position if len(due) == rows else stop
        return [event for event in due if self._is_wanted(event, wanted)], end

    def _is_wanted(self, event: StoredEvent, wanted: Collection[int]) -> bool:
        if self._types is not None and event.topic not in self._types:
            return False
        return partition_of_event(event, self._partitions) in wanted and self._topic in self._route(event)
