"""A record to write facts into, a stream of it, and read models kept up to date by hand or by a projector."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from history import History
from patience import PATIENCE
from patient_reads import PatientWaiter
from psycopg import Connection

from tocsin.eventlog import database
from tocsin.eventlog.keys import MasterKeys
from tocsin.eventlog.record import Record
from tocsin.eventlog.stream.port import StaleEpoch, Stream
from tocsin.eventlog.stream.postgres import PostgresStream
from tocsin.projections.registry import NAMES
from tocsin.projections.runner import run
from tocsin.projections.waiting import Waiter


@pytest.fixture
def master_key_file(tmp_path: Path) -> Path:
    MasterKeys.create(tmp_path / "master.key")
    return tmp_path / "master.key"


@pytest.fixture
def record(migrated_database_url: str, master_key_file: Path) -> Iterator[Record]:
    record = Record.open(migrated_database_url, master_key_file, readers=16)
    yield record
    record.close()


@pytest.fixture
def history(record: Record) -> History:
    """Appends facts, each stream's in order."""
    return History(record)


@pytest.fixture
def connection(migrated_database_url: str) -> Iterator[Connection[Any]]:
    """A session for queries."""
    with database.connect(migrated_database_url) as connection:
        yield connection


@pytest.fixture
def stream(migrated_database_url: str) -> Iterator[Stream]:
    stream = PostgresStream(migrated_database_url, partitions=4)
    yield stream
    stream.close()


@pytest.fixture
def waiter(record: Record) -> Iterator[Waiter]:
    waiter = PatientWaiter(record.sessions)
    yield waiter
    waiter.close()


@pytest.fixture
def projector(record: Record, stream: Stream) -> Iterator[Callable[..., None]]:
    """Starts a projector of the named read models (all of them) in a thread, until the test ends."""
    stop = threading.Event()
    threads: list[threading.Thread] = []

    def project(names: tuple[str, ...]) -> None:
        # In tests that restore a backup it ends by itself, as it should.
        with suppress(StaleEpoch):
            run(stream, record, names, stop)

    def start(*names: str) -> None:
        threads.append(threading.Thread(target=project, args=(names or NAMES,)))
        threads[-1].start()

    yield start
    stop.set()
    for thread in threads:
        thread.join()


@pytest.fixture
def project(history: History, waiter: Waiter, projector: Callable[..., None]) -> Callable[..., None]:
    """Brings the named read models (all of them) up to what was appended; the first call starts a projector."""
    started: list[bool] = []

    def catch_up(*names: str) -> None:
        if not started:
            projector()
            started.append(True)
        assert waiter.wait_for(history.position, names or NAMES, timeout=PATIENCE)

    return catch_up
