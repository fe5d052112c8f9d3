"""What benchmarks share: a database of their own with fsync as in production, roles as processes, and their CPU."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
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


def cpu(pid: int) -> float:
    """Seconds of CPU that a process and all that descend from it have used (proc(5), stat).

    On a machine that does other work too this says more than the time that went by.
    """
    children: dict[int, list[int]] = {}
    used: dict[int, int] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            fields = stat.read_text().rpartition(")")[2].split()
            number = int(stat.parent.name)
            children.setdefault(int(fields[1]), []).append(number)
            # Its own, and that of those it has seen the end of.
            used[number] = sum(map(int, fields[11:15]))
    family, count = [pid], 0
    while family:
        member = family.pop()
        count += used.get(member, 0)
        family += children.get(member, [])
    return count / os.sysconf("SC_CLK_TCK")


def server_process(record: Record) -> int:
    """The number of the database server's first process."""
    with record.sessions.connection() as connection:
        stat = Path(f"/proc/{connection.info.backend_pid}/stat").read_text()
    return int(stat.rpartition(")")[2].split()[1])
