"""Where a group of workers stands in a topic."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from psycopg import Connection
from psycopg_pool import ConnectionPool

from tocsin.eventlog.stream.port import Cursor

_LOAD = """
    select partition, position, bookmark, epoch from record.consumer_cursors
    where group_name = %s and topic = %s and partition = any(%s)"""
_MOVE = """
    insert into record.consumer_cursors (group_name, topic, partition, position, bookmark, epoch)
    values (%s, %s, %s, %s, %s, %s)
    on conflict (group_name, topic, partition) do update
    set position = excluded.position, bookmark = excluded.bookmark, epoch = excluded.epoch
    where consumer_cursors.position = %s"""


class Superseded(Exception):
    """Another member of the group moved the cursor: the partition is its own now."""


class Cursors:
    """The stored cursors of one group on one topic, moved by compare-and-set."""

    def __init__(self, sessions: ConnectionPool[Connection[Any]], group: str, topic: str) -> None:
        self._sessions = sessions
        self._key = (group, topic)
        self._standing: dict[int, int] = {}

    def load(self, partitions: Collection[int]) -> Mapping[int, Cursor]:
        """The stored cursors of these partitions; one that has none is not in the answer."""
        with self._sessions.connection() as connection:
            rows = connection.execute(_LOAD, (*self._key, list(partitions))).fetchall()
        stored = {partition: Cursor(position, bookmark, epoch) for partition, position, bookmark, epoch in rows}
        self._standing.update({partition: stored.get(partition, Cursor()).position for partition in partitions})
        return stored

    def move(self, cursors: Mapping[int, Cursor]) -> None:
        """Store where these partitions stand now. Raises Superseded, having stored nothing."""
        with self._sessions.connection() as connection, connection.transaction():
            for partition, cursor in cursors.items():
                self._move(connection, partition, cursor)
        self._standing.update({partition: cursor.position for partition, cursor in cursors.items()})

    def _move(self, connection: Connection[Any], partition: int, cursor: Cursor) -> None:
        values = (*self._key, partition, cursor.position, cursor.offset, cursor.epoch, self._standing[partition])
        if connection.execute(_MOVE, values).rowcount == 0:
            raise Superseded(f"partition {partition} of {self._key[1]} has moved under another worker")
