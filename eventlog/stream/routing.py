"""Where an event goes: its partition, and the work topics that carry it besides ``events``."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

import msgspec

from tocsin.eventlog.stored import StoredEvent
from tocsin.eventlog.stream.port import work_topic

DUE = "chunk.due"
"""The one event type that makes work; the record keeps an index of its positions."""

Route = Callable[[StoredEvent], tuple[str, ...]]
"""Names the work topics an event of type ``chunk.due`` also goes to."""


def partition_of(stream_id: UUID, partitions: int) -> int:
    """The partition of a stream, the same in every adapter and in SQL (``record.stream_partition``)."""
    return (stream_id.int & 0xFFFF) % partitions


def partition_of_event(event: StoredEvent, partitions: int) -> int:
    """The partition of the event's stream."""
    return partition_of(event.originator_id, partitions)


class _Fact(msgspec.Struct):
    provider: str
    lane: str


class _Due(msgspec.Struct):
    fact: _Fact


_decode = msgspec.json.Decoder(_Due).decode


def route_due_chunk(event: StoredEvent) -> tuple[str, ...]:
    """The topic of the provider and lane named in the body of a ``chunk.due``; none for any other event.

    Raises ``msgspec.ValidationError`` when the body does not name them: such an event must never have been recorded.
    """
    if event.topic != DUE:
        return ()
    fact = _decode(event.state).fact
    return (work_topic(fact.provider, fact.lane),)
