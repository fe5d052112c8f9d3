"""The two adapters as the contract suite sees them: how to open one, here or in another process, and how to hurt it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass
from typing import Any

import psycopg

from tocsin.eventlog.stream.port import Stream
from tocsin.eventlog.stream.postgres import PostgresStream

PARTITIONS = 6


@dataclass(frozen=True)
class StreamSpec:
    """What another process needs in order to open the same stream; ``bootstrap`` is empty without Kafka."""

    database_url: str
    bootstrap: str = ""

    def open(self) -> Stream:
        """A stream of its own connections."""
        return PostgresStream(self.database_url, partitions=PARTITIONS)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


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
