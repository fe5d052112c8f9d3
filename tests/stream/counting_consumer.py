"""A consumer as a projection is one: effect and cursor in one transaction. Also a program of its own, to be killed."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Collection, Mapping, Sequence

import psycopg
from stream_spec import StreamSpec, end_with_the_tests

from tocsin.eventlog.stream.port import Batch, Cursor, Stream

_MOVE = """
    insert into effects.cursors (partition, position, bookmark, epoch) values (%s, %s, %s, %s)
    on conflict (partition) do update
    set position = excluded.position, bookmark = excluded.bookmark, epoch = excluded.epoch
    where effects.cursors.position = %s"""


class Superseded(Exception):
    """Another member moved the cursor meanwhile."""


class CountingConsumer:
    """Writes one row for each event it is handed."""

    def __init__(self, stream: Stream, database_url: str, topic: str, name: str) -> None:
        self._connection = psycopg.connect(database_url, autocommit=True)
        self._join = lambda: stream.subscribe(topic, "counting", self._load)
        self._name = name
        self._standing: dict[int, int] = {}
        self._consumer = self._join()

    def _load(self, partitions: Collection[int]) -> Mapping[int, Cursor]:
        rows = self._connection.execute(
            "select partition, position, bookmark, epoch from effects.cursors where partition = any(%s)",
            (list(partitions),),
        ).fetchall()
        stored = {partition: Cursor(position, bookmark, epoch) for partition, position, bookmark, epoch in rows}
        self._standing.update({partition: stored.get(partition, Cursor()).position for partition in partitions})
        return stored

    @property
    def assigned(self) -> frozenset[int]:
        return self._consumer.assigned

    def turn(self, timeout: float = 0.2, limit: int = 50, pause: float = 0.0) -> int:
        """Poll once and handle what came, ``pause`` seconds later; the number of events handled."""
        batches = self._consumer.poll(timeout, limit)
        time.sleep(pause)
        try:
            with self._connection.transaction():
                self._handle(batches)
        except Superseded:
            self._consumer.close()
            self._consumer = self._join()
            return 0
        self._standing.update({batch.partition: batch.cursor.position for batch in batches})
        return sum(len(batch.events) for batch in batches)

    def _handle(self, batches: Sequence[Batch]) -> None:
        rows = [(self._name, batch.partition, event.position) for batch in batches for event in batch.events]
        self._connection.cursor().executemany("insert into effects.handled values (%s, %s, %s)", rows)
        for batch in batches:
            self._move(batch)

    def _move(self, batch: Batch) -> None:
        cursor = batch.cursor
        expected = self._standing[batch.partition]
        moved = self._connection.execute(
            _MOVE, (batch.partition, cursor.position, cursor.offset, cursor.epoch, expected)
        ).rowcount
        if moved == 0:
            raise Superseded

    def close(self) -> None:
        self._consumer.close()
        self._connection.close()


def main() -> None:
    """Consume until killed. What to consume comes as JSON in the first argument."""
    end_with_the_tests()
    arguments = json.loads(sys.argv[1])
    spec = StreamSpec(**arguments["stream"])
    consumer = CountingConsumer(spec.open(), spec.database_url, arguments["topic"], arguments["name"])
    print("ready", flush=True)
    while True:
        consumer.turn(pause=arguments["pause"])


if __name__ == "__main__":
    main()
