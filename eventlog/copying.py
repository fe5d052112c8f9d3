"""Events as PostgreSQL's binary COPY takes them (the manual, "COPY", section "Binary Format").

All that is known of an event before the record is locked is put together before; what remains for the time of the lock
is to write the position and the time in front of it.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta

from tocsin.eventlog.stored import StoredEvent

COPY = (
    "copy record.events (position, recorded_at, stream_id, stream_version, app_id, root_id, schema_version, type, "
    "body) from stdin (format binary)"
)

ROWS = 512
"""Rows of one write: the server stores the ones before while these are put together."""

_BEGIN = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_END = b"\xff\xff"
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

# The number of columns, then each column's length before its value.
_FRONT = struct.Struct("!h iq iq")
_MIDDLE = struct.Struct("!i16s ii i16s i16s ih i")
_LENGTH = struct.Struct("!i")


def rows_to_be(events: Iterable[StoredEvent]) -> list[bytes]:
    """Each event's row without its first two columns, the position and the time."""
    return [_rest(event) for event in events]


def _rest(event: StoredEvent) -> bytes:
    stream, root, kind, body = event.originator_id.bytes, event.root_id, event.topic.encode(), event.state
    middle = _MIDDLE.pack(
        16,
        stream,
        4,
        event.originator_version,
        16,
        event.app_id.bytes,
        16,
        stream if root is event.originator_id else root.bytes,
        2,
        event.schema_version,
        len(kind),
    )
    return b"".join((middle, kind, _LENGTH.pack(len(body)), body))


def copy_data(rows: Sequence[bytes], last: int, at: datetime) -> Iterator[bytes]:
    """What to send: ``rows`` at the positions after ``last``, recorded ``at``."""
    moment = (at - _EPOCH) // _MICROSECOND
    front = _FRONT.pack
    yield _BEGIN
    for start in range(0, len(rows), ROWS):
        parts: list[bytes] = []
        for position, row in enumerate(rows[start : start + ROWS], start=last + start + 1):
            parts += (front(9, 8, position, 8, moment), row)
        yield b"".join(parts)
    yield _END
