"""What the tests ask of servers and of the system about them."""

from __future__ import annotations

import os
from pathlib import Path

import psycopg

from tocsin.eventlog.embedded import ConnectionInfo


def postmaster_pid(data_dir: Path) -> int:
    """The process id in the server's lock file."""
    return int((data_dir / "server" / "pgdata" / "postmaster.pid").read_text().splitlines()[0])


def remember(info: ConnectionInfo, word: str) -> None:
    """Commit a word to the database."""
    with psycopg.connect(info.url) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS words (word text)")
        connection.execute("INSERT INTO words VALUES (%s)", (word,))


def recall(info: ConnectionInfo) -> list[str]:
    """All words that were committed, in order."""
    with psycopg.connect(info.url) as connection:
        return [word for (word,) in connection.execute("SELECT word FROM words ORDER BY word")]


def modes_above(path: Path) -> list[tuple[Path, int, int]]:
    """Mode and owner of every parent directory."""
    return [(parent, parent.stat().st_mode, parent.stat().st_uid) for parent in path.parents]


def become_an_ordinary_user() -> None:
    """Give up root for good, where this process has it."""
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)
