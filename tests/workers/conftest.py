"""A record, a sandbox, and one app in both."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from company import Staff
from scene import Scene

from tocsin.eventlog.keys import MasterKeys
from tocsin.eventlog.record import Record
from tocsin.eventlog.stream.port import Stream
from tocsin.eventlog.stream.postgres import PostgresStream
from tocsin.sandbox.handle import SandboxHandle, running_sandbox


@pytest.fixture(scope="session")
def sandbox_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxHandle]:
    with running_sandbox(tmp_path_factory.mktemp("sandbox")) as handle:
        yield handle


@pytest.fixture
def sandbox(sandbox_process: SandboxHandle) -> SandboxHandle:
    """The sandbox, with nothing received and no faults."""
    sandbox_process.reset()
    sandbox_process.set(latency_ms=0)
    return sandbox_process


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    file = tmp_path / "master.key"
    MasterKeys.create(file)
    return file


@pytest.fixture
def record(migrated_database_url: str, key_file: Path) -> Iterator[Record]:
    record = Record.open(migrated_database_url, key_file)
    yield record
    record.close()


@pytest.fixture
def stream(migrated_database_url: str) -> Iterator[Stream]:
    stream = PostgresStream(migrated_database_url, partitions=4)
    yield stream
    stream.close()


@pytest.fixture
def scene(record: Record, migrated_database_url: str, key_file: Path, sandbox: SandboxHandle) -> Scene:
    return Scene.create(record, migrated_database_url, key_file, sandbox)


@pytest.fixture
def staff(scene: Scene) -> Iterator[Staff]:
    """Processes, none of which outlives the test."""
    staff = Staff(scene)
    yield staff
    staff.close()
