"""The two adapters as the contract suite sees them: how to open one, and how to hurt it."""

from __future__ import annotations

import json
import subprocess
import sys
import uuid
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path

import psycopg
from broker.server import Broker
from stream_spec import StreamSpec

HERE = Path(__file__).parent

StartConsumer = Callable[[str, float], "subprocess.Popen[str]"]
"""Starts a counting consumer as a process: a name, and the seconds it pauses before it commits."""


class Transport(ABC):
    """One adapter on one database."""

    def __init__(self, spec: StreamSpec) -> None:
        self.spec = spec

    @abstractmethod
    def break_down(self) -> None:
        """Kill the server side; it is back, or coming back, on return."""


class PostgresTransport(Transport):
    """The record's own table."""

    def break_down(self) -> None:
        """End every session of the stream, as a restart of the server would."""
        with psycopg.connect(self.spec.database_url, autocommit=True) as connection:
            connection.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity"
                " where datname = current_database() and application_name like 'tocsin %'"
            )


class KafkaTransport(Transport):
    """A broker, and relays as processes."""

    def __init__(self, spec: StreamSpec, broker: Broker | None = None) -> None:
        super().__init__(spec)
        self._broker = broker
        self._relays: list[subprocess.Popen[bytes]] = []
        self.spec.open().close()

    @classmethod
    def on_topics_of_its_own(cls, database_url: str, bootstrap: str, broker: Broker | None = None) -> KafkaTransport:
        """With topics that no other test writes to."""
        return cls(StreamSpec(database_url, bootstrap, topic_prefix=f"test-{uuid.uuid4().hex[:8]}."), broker)

    def start_relay(self) -> subprocess.Popen[bytes]:
        """One more relay; one of them leads."""
        command = [sys.executable, str(HERE / "run_relay.py"), json.dumps(self.spec.as_json())]
        self._relays.append(subprocess.Popen(command, stdin=subprocess.PIPE))
        return self._relays[-1]

    def break_down(self) -> None:
        """Kill the broker and start it again."""
        assert self._broker is not None, "this broker may not be killed"
        self._broker.kill()
        self._broker.start()

    def close(self) -> None:
        """End the relays."""
        for relay in self._relays:
            relay.kill()
            relay.communicate()
