"""The record through its two streams: events a second, and how long one event takes.

    python benchmarks/relay.py [--events N] [--kafka HOST:PORT] [--database URL]

Without ``--database`` an embedded PostgreSQL of its own, with fsync as in production; without ``--kafka`` the broker
that the tests use. What kafka-python does bare with the same bodies, settings and broker is measured in the same run.
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import kafka
import psycopg
from rich.console import Console
from rich.table import Table

from tocsin.eventlog.embedded import EmbeddedPostgres
from tocsin.eventlog.migrate import migrate
from tocsin.eventlog.stream.broker import ensure_topics
from tocsin.eventlog.stream.kafka import KafkaStream
from tocsin.eventlog.stream.kafka_settings import KafkaSettings
from tocsin.eventlog.stream.port import EVENTS, Stream
from tocsin.eventlog.stream.postgres import PostgresStream
from tocsin.eventlog.stream.relay import Relay
from tocsin.eventlog.stream.settings import DEFAULT_PARTITIONS
from tocsin.eventlog.stream.tail import Tail
from tocsin.workers.relay import run

BODY = b'{"actor":{"kind":"credential","id":"%s"},"fact":{"token":{"kid":"%s","ciphertext":"%s"}}}' % (
    b"a" * 36,
    b"b" * 22,
    b"c" * 120,
)
SINGLES = 100

Measured = list[tuple[str, str, str]]


def append(connection: psycopg.Connection, count: int) -> int:
    """Record events, each in a stream of its own; the last position."""
    with connection.transaction():
        row = connection.execute(
            "update record.head set position = position + %s, recorded_at = greatest(recorded_at, clock_timestamp())"
            " returning position",
            (count,),
        ).fetchone()
        assert row is not None
        connection.execute(
            "insert into record.events (position, stream_id, stream_version, app_id, root_id, type, schema_version,"
            " recorded_at, body) select %s - n, gen_random_uuid(), 1, %s, %s, 'device.registered', 1, h.recorded_at, %s"
            " from generate_series(0, %s) n, record.head h order by n desc",
            (row[0], uuid.uuid4(), uuid.uuid4(), BODY, count - 1),
        )
        connection.execute("select pg_notify('tocsin_record', '')")
    return int(row[0])


def rate(count: int, work: Callable[[], None]) -> float:
    """Events a second."""
    start = time.perf_counter()
    work()
    return count / (time.perf_counter() - start)


def read_out(stream: Stream, group: str, count: int) -> None:
    """One consumer of its own group, from the beginning to the last event."""
    consumer = stream.subscribe(EVENTS, group, lambda _: {})
    seen = 0
    while seen < count:
        seen += sum(len(batch.events) for batch in consumer.poll(1.0))
    consumer.close()


def relay_all(database_url: str, settings: KafkaSettings) -> None:
    """One relay, until it has published everything."""
    relay = Relay(Tail(database_url), settings)
    while relay.step():
        pass
    relay.close()


def produce_bare(settings: KafkaSettings, topic: str, count: int) -> None:
    """The relay's settings and bodies, without headers, reading or cursor."""
    producer = kafka.KafkaProducer(
        bootstrap_servers=settings.bootstrap,
        acks="all",
        enable_idempotence=True,
        compression_type="lz4",
        linger_ms=20,
        batch_size=128 * 1024,
    )
    for number in range(count):
        producer.send(topic, BODY, key=b"k" * 36, partition=number % DEFAULT_PARTITIONS)
    producer.flush()
    producer.close()


def consume_bare(settings: KafkaSettings, topic: str, count: int) -> None:
    """Messages as the client library hands them out."""
    consumer = kafka.KafkaConsumer(bootstrap_servers=settings.bootstrap, auto_offset_reset="earliest")
    consumer.assign([kafka.TopicPartition(topic, partition) for partition in range(DEFAULT_PARTITIONS)])
    seen = 0
    while seen < count:
        seen += sum(len(records) for records in consumer.poll(1000, max_records=5000).values())
    consumer.close()


def latencies(stream: Stream, connection: psycopg.Connection) -> str:
    """From before the append of one event until a waiting consumer has it: median and 95th percentile."""
    consumer = stream.subscribe(EVENTS, uuid.uuid4().hex, lambda _: {})
    wait_for(consumer.poll, append(connection, 1))
    taken = []
    for _ in range(SINGLES):
        start = time.perf_counter()
        wait_for(consumer.poll, append(connection, 1))
        taken.append((time.perf_counter() - start) * 1000)
    consumer.close()
    cuts = statistics.quantiles(taken, n=20)
    return f"{statistics.median(taken):.1f} / {cuts[18]:.1f} ms"


def wait_for(poll: Callable[[float], object], position: int) -> None:
    """Poll until the event at a position is handed out."""
    while not any(event.position == position for batch in poll(1.0) for event in batch.events):  # type: ignore[attr-defined]
        pass


@contextlib.contextmanager
def database(given: str | None) -> Iterator[str]:
    """A database with an empty record."""
    if given is not None:
        yield given
        return
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o711)
        server = EmbeddedPostgres(Path(folder) / "data")
        with server as info:
            yield info.url
        server.destroy()


@contextlib.contextmanager
def broker(given: str | None) -> Iterator[str]:
    """The address of a broker."""
    if given is not None:
        yield given
        return
    sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
    from broker.server import Broker

    own = Broker()
    try:
        yield own.start().bootstrap
    finally:
        own.destroy()


@contextlib.contextmanager
def relaying(database_url: str, settings: KafkaSettings) -> Iterator[None]:
    """A relay at work beside the measurement."""
    stop = threading.Event()
    worker = threading.Thread(target=run, args=(database_url, settings, stop))
    worker.start()
    yield
    stop.set()
    worker.join()


def measure(database_url: str, bootstrap: str, count: int, console: Console) -> Measured:
    """Everything, one after the other."""
    migrate(database_url)
    settings = KafkaSettings(bootstrap, topic_prefix=f"benchmark-{uuid.uuid4().hex[:8]}.")
    connection = psycopg.connect(database_url, autocommit=True)
    results: Measured = []

    def note(name: str, figure: str, beside: str = "") -> None:
        console.print(f"{name}: {figure} {beside}")
        results.append((name, figure, beside))

    for start in range(0, count, 5000):
        append(connection, min(5000, count - start))
    tail = PostgresStream(database_url)
    note("tail of the record", f"{rate(count, lambda: read_out(tail, 'bench', count)):,.0f} events/s")
    note("tail, append to handed out", latencies(tail, connection))

    total = count + SINGLES + 1
    bare = settings.topic("bare")
    ensure_topics(settings, ["bare"], DEFAULT_PARTITIONS)
    bare_in = rate(total, lambda: produce_bare(settings, bare, total))
    bare_out = rate(total, lambda: consume_bare(settings, bare, total))
    relayed = rate(total, lambda: relay_all(database_url, settings))
    stream = KafkaStream(settings, database_url)
    out = rate(total, lambda: read_out(stream, "bench", total))
    note("relay into Kafka", f"{relayed:,.0f} events/s", f"{relayed / bare_in:.2f} of bare ({bare_in:,.0f})")
    note("out of Kafka", f"{out:,.0f} events/s", f"{out / bare_out:.2f} of bare ({bare_out:,.0f})")
    with relaying(database_url, settings):
        note("relay, append to handed out", latencies(stream, connection))
    stream.close()
    tail.close()
    connection.close()
    return results


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--kafka", help="host:port of a broker")
    parser.add_argument("--database", help="URL of an empty database")
    arguments = parser.parse_args()
    console = Console()
    with database(arguments.database) as database_url, broker(arguments.kafka) as bootstrap:
        results = measure(database_url, bootstrap, arguments.events, console)
    table = Table("", "", "beside kafka-python alone")
    for row in results:
        table.add_row(*row)
    console.print(table)


if __name__ == "__main__":
    main()
