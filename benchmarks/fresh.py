"""A database of its own for a benchmark, on an embedded PostgreSQL with fsync as in production."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tocsin.eventlog.embedded import EmbeddedPostgres
from tocsin.eventlog.keys import MasterKeys
from tocsin.eventlog.migrate import migrate
from tocsin.eventlog.record import Record


@dataclass(frozen=True)
class Fresh:
    """Where a new, migrated database is, and its master key file."""

    url: str
    master_key_file: Path

    def open(self) -> Record:
        """The record in it."""
        return Record.open(self.url, self.master_key_file)


@contextmanager
def fresh_database() -> Iterator[Fresh]:
    """A server for as long as this lasts; nothing of it is left afterwards."""
    with tempfile.TemporaryDirectory(prefix="tocsin-benchmark-") as name:
        directory = Path(name)
        # The server's account has to pass through.
        directory.chmod(0o711)
        MasterKeys.create(directory / "master.key")
        server = EmbeddedPostgres(directory / "data")
        try:
            url = server.start().url
            migrate(url)
            yield Fresh(url, directory / "master.key")
        finally:
            server.destroy()


@contextmanager
def role(fresh: Fresh, *arguments: str) -> Iterator[int]:
    """A role of Tocsin as a process; its number."""
    settings = {"TOCSIN_DATABASE_URL": fresh.url, "TOCSIN_MASTER_KEY_FILE": str(fresh.master_key_file)}
    process = subprocess.Popen(
        [sys.executable, "-m", "tocsin", *arguments],
        env={**os.environ, **settings, "TOCSIN_LOG_LEVEL": "WARNING"},
        stderr=subprocess.DEVNULL,
    )
    try:
        yield process.pid
    finally:
        process.terminate()
        process.wait()
