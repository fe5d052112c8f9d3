"""Events as PostgreSQL's binary COPY takes them (the manual, "COPY", section "Binary Format").

psycopg's own rows cost three times as much, most of it for UUIDs; and the record is locked while these are written.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import count, islice

from tocsin.eventlog.stored import StoredEvent

COPY = (
    "copy record.events (position, recorded_at, stream_id, stream_version, app_id, root_id, schema_version, type, "
    "body) from stdin (format binary)"
)

ROWS = 512
"""Rows of one write: the server stores those before while these are put together."""

_BEGIN = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_END = b"\xff\xff"
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

# The number of columns; then each column's length before its value. The type's own bytes come after the first part.
_FIXED = struct.Struct("!h iq iq i16s ii i16s i16s ih i")
_LENGTH = struct.Struct("!i")


def copy_data(events: Iterable[StoredEvent], last: int, at: datetime) -> Iterator[bytes]:
    """What to send: ``events`` at the positions after ``last``, recorded ``at``."""
    moment = (at - _EPOCH) // _MICROSECOND
    rows = (_row(event, position, moment) for event, position in zip(events, count(last + 1)))
    yield _BEGIN
    while part := b"".join(islice(rows, ROWS)):
        yield part
    yield _END


def _row(event: StoredEvent, position: int, moment: int) -> bytes:
    stream, root, kind, body = event.originator_id.bytes, event.root_id, event.topic.encode(), event.state
    fixed = _FIXED.pack(
        9,
        8,
        position,
        8,
        moment,
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
    return b"".join((fixed, kind, _LENGTH.pack(len(body)), body))
