"""A record of its own for each test, with a master key of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tocsin.eventlog.keys import MasterKeys
from tocsin.eventlog.record import Record


@pytest.fixture
def master_key_file(tmp_path: Path) -> Path:
    file = tmp_path / "master.key"
    MasterKeys.create(file)
    return file


@pytest.fixture
def record(migrated_database_url: str, master_key_file: Path) -> Iterator[Record]:
    record = Record.open(migrated_database_url, master_key_file)
    yield record
    record.close()
