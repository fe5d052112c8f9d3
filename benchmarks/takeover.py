"""How soon the survivor of a group holds all partitions: our membership in PostgreSQL beside Kafka's own groups.

    python benchmarks/takeover.py

A second member runs as a process and is killed (SIGKILL) or frozen (SIGSTOP). Kafka's groups run with the shortest
session a broker accepts by default, 6 s.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from abc import ABC, abstractmethod
from pathlib import Path

import kafka
from rich.console import Console
from rich.table import Table

from tocsin.eventlog.embedded import EmbeddedPostgres
from tocsin.eventlog.migrate import migrate
from tocsin.eventlog.stream.broker import ensure_topics
from tocsin.eventlog.stream.kafka_settings import KafkaSettings
from tocsin.eventlog.stream.port import EVENTS
from tocsin.eventlog.stream.postgres import PostgresStream

PARTITIONS = 8
ROUNDS = 3


class Member(ABC):
    """One member of a group that can be polled."""

    @abstractmethod
    def poll(self) -> int:
        """Take part for a moment; how many partitions are held."""

    @abstractmethod
    def close(self) -> None:
        """Leave."""


class InPostgres(Member):
    """A member by advisory locks."""

    def __init__(self, database_url: str, group: str) -> None:
        self._stream = PostgresStream(database_url, PARTITIONS)
        self._consumer = self._stream.subscribe(EVENTS, group, lambda _: {})

    def poll(self) -> int:
        self._consumer.poll(0.1)
        return len(self._consumer.assigned)

    def close(self) -> None:
        self._consumer.close()
        self._stream.close()


class InKafka(Member):
    """A member of a consumer group of the broker's."""

    def __init__(self, bootstrap: str, group: str) -> None:
        self._consumer = kafka.KafkaConsumer(
            KafkaSettings(bootstrap).topic(EVENTS),
            bootstrap_servers=bootstrap,
            group_id=group,
            session_timeout_ms=6000,
            heartbeat_interval_ms=500,
            enable_auto_commit=False,
        )

    def poll(self) -> int:
        self._consumer.poll(500)
        return len(self._consumer.assignment() or ())

    def close(self) -> None:
        self._consumer.close()


KINDS = {"PostgreSQL": InPostgres, "Kafka": InKafka}


def seconds_until_taken_over(kind: str, address: str, harm: signal.Signals) -> float:
    """From the harm done to one of two members until the other holds everything."""
    group = uuid.uuid4().hex
    survivor = KINDS[kind](address, group)
    victim = subprocess.Popen([sys.executable, __file__, json.dumps([kind, address, group])])
    while survivor.poll() != PARTITIONS // 2:
        pass
    victim.send_signal(harm)
    start = time.perf_counter()
    while survivor.poll() != PARTITIONS:
        pass
    taken = time.perf_counter() - start
    victim.kill()
    victim.wait()
    survivor.close()
    return taken


def measure(addresses: dict[str, str]) -> Table:
    """The table of all kinds and harms."""
    table = Table("group in", "SIGKILL", "SIGSTOP")
    for kind, address in addresses.items():
        row = [[seconds_until_taken_over(kind, address, harm) for _ in range(ROUNDS)] for harm in HARMS]
        table.add_row(kind, *(f"{min(taken):.2f} to {max(taken):.2f} s" for taken in row))
    return table


HARMS = (signal.SIGKILL, signal.SIGSTOP)


def main() -> None:
    """Measure, or be the member that is harmed."""
    if len(sys.argv) > 1:
        kind, address, group = json.loads(sys.argv[1])
        member = KINDS[kind](address, group)
        while True:
            member.poll()
    sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
    from broker.server import Broker

    broker = Broker()
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o711)
        server = EmbeddedPostgres(Path(folder) / "data")
        try:
            bootstrap = broker.start().bootstrap
            ensure_topics(KafkaSettings(bootstrap), [EVENTS], PARTITIONS)
            with server as info:
                migrate(info.url)
                Console().print(measure({"PostgreSQL": info.url, "Kafka": bootstrap}))
        finally:
            broker.destroy()
            server.destroy()


if __name__ == "__main__":
    main()
