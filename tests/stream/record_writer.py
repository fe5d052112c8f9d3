"""Writes plain rows into the record under its head's lock, without the application's recorder in between."""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import psycopg

APP = uuid.UUID(int=0xA99)
ROOT = uuid.UUID(int=0x1007)


@dataclass
class Event:
    """What a test wants recorded; by default in a stream of its own."""

    stream: uuid.UUID = field(default_factory=uuid.uuid4)
    version: int = 1
    type: str = "device.registered"
    body: bytes = b'{"fact":{}}'


def due_chunk(provider: str, lane: str) -> Event:
    """A chunk that a worker of this provider and lane has to send."""
    fact = {"provider": provider, "lane": lane, "devices": ["one", "two"]}
    return Event(type="chunk.due", body=json.dumps({"actor": {"kind": "system"}, "fact": fact}).encode())


class RecordWriter:
    """One connection that appends. Not to be shared between threads."""

    def __init__(self, database_url: str) -> None:
        self._connection = psycopg.connect(database_url, autocommit=True)

    def append(self, events: Sequence[Event], conflict: bool = False) -> list[int]:
        """Commit the events, or with ``conflict`` roll everything back as a version conflict would; their positions."""
        with self._connection.transaction(force_rollback=conflict):
            last, at = self._advance_head(len(events))
            positions = list(range(last - len(events) + 1, last + 1))
            self._insert([self._row(position, event, at) for position, event in zip(positions, events, strict=True)])
            self._connection.execute("select pg_notify('tocsin_record', '')")
        return positions

    def append_many(self, count: int) -> list[int]:
        """Commit ``count`` events, each in a stream of its own."""
        return self.append([Event() for _ in range(count)])

    def _advance_head(self, count: int) -> tuple[int, Any]:
        row = self._connection.execute(
            "update record.head set position = position + %s, recorded_at = greatest(recorded_at, clock_timestamp())"
            " returning position, recorded_at",
            (count,),
        ).fetchone()
        assert row is not None
        return int(row[0]), row[1]

    def _row(self, position: int, event: Event, at: Any) -> tuple[Any, ...]:
        return (position, event.stream, event.version, APP, ROOT, event.type, 1, at, event.body)

    def _insert(self, rows: Sequence[tuple[Any, ...]]) -> None:
        with self._connection.cursor().copy(
            "copy record.events (position, stream_id, stream_version, app_id, root_id, type, schema_version,"
            " recorded_at, body) from stdin"
        ) as copy:
            for row in rows:
                copy.write_row(row)

    def rows(self) -> list[tuple[Any, ...]]:
        """Every event as the record holds it, in the order of ``StoredEvent``'s fields."""
        return self._connection.execute(
            "select stream_id, stream_version, type, body, position, schema_version, app_id, root_id, recorded_at"
            " from record.events order by position"
        ).fetchall()

    def raise_epoch(self) -> None:
        """What a restore from backup does."""
        self._connection.execute("update record.head set epoch = epoch + 1")

    def close(self) -> None:
        self._connection.close()
