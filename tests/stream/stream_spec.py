"""How to open the same stream here and in another process."""

from __future__ import annotations

import os
import sys
import threading
from dataclasses import asdict, dataclass
from typing import Any

from tocsin.eventlog.stream.kafka import KafkaStream
from tocsin.eventlog.stream.kafka_settings import KafkaSettings
from tocsin.eventlog.stream.port import Stream
from tocsin.eventlog.stream.postgres import PostgresStream

PARTITIONS = 6


@dataclass(frozen=True)
class StreamSpec:
    """What another process needs in order to open the same stream; ``bootstrap`` is empty without Kafka."""

    database_url: str
    bootstrap: str = ""
    topic_prefix: str = "tocsin."

    def open(self) -> Stream:
        """A stream of its own connections."""
        if self.bootstrap:
            return KafkaStream(self.settings(), self.database_url, partitions=PARTITIONS)
        return PostgresStream(self.database_url, partitions=PARTITIONS)

    def settings(self) -> KafkaSettings:
        """How to reach the broker."""
        return KafkaSettings(self.bootstrap, self.topic_prefix)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def end_with_the_tests() -> None:
    """End this process when its standard input does, a pipe to the tests, however they ended."""

    def wait() -> None:
        sys.stdin.read()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()
