"""A record to write to, a table of effects, and consumers as processes that can be killed and frozen."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from record_writer import RecordWriter
from transports import StartConsumer, Transport

pytest.register_assert_rewrite("stream_contract")

HERE = Path(__file__).parent


@pytest.fixture
def record_url(migrated_database_url: str) -> str:
    """A database with an empty record and the table of effects."""
    with psycopg.connect(migrated_database_url, autocommit=True) as connection:
        connection.execute((HERE / "effects.sql").read_bytes())
    return migrated_database_url


@pytest.fixture
def writer(record_url: str) -> Iterator[RecordWriter]:
    """Appends to the record."""
    writer = RecordWriter(record_url)
    yield writer
    writer.close()


@pytest.fixture
def start_consumer(transport: Transport) -> Iterator[StartConsumer]:
    """Starts a counting consumer as a process: a name, and the seconds it pauses before it commits."""
    started: list[subprocess.Popen[str]] = []

    def start(name: str, pause: float) -> subprocess.Popen[str]:
        arguments = {"stream": transport.spec.as_json(), "topic": "events", "name": name, "pause": pause}
        process = subprocess.Popen(
            [sys.executable, str(HERE / "counting_consumer.py"), json.dumps(arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()
