"""The system account an embedded PostgreSQL runs under: ours, or, for root, one that PostgreSQL accepts.

PostgreSQL refuses to run as root. Root therefore runs it as an account that the system already has. What that account
can reach is found out by trying, as that account: mode bits alone say nothing of ACLs or mount options.
"""

from __future__ import annotations

import os
import pwd
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tocsin.eventlog.embedded_errors import EmbeddedPostgresError, NoServerAccount

CANDIDATES = ("postgres", "nobody")
"""Accounts that root hands the server to, best first."""

# Neither our secrets nor a stray PGDATA or PGPORT may reach the server; messages must be in English to be understood.
ENVIRONMENT = {"PATH": os.defpath, "LC_ALL": "C"}


@dataclass(frozen=True)
class Account:
    """A system account by its numeric user and group."""

    uid: int
    gid: int

    @property
    def name(self) -> str:
        """The account's name, or its number where it has none."""
        try:
            return pwd.getpwuid(self.uid).pw_name
        except KeyError:
            return str(self.uid)

    @property
    def is_ours(self) -> bool:
        """Whether this process runs under the account already."""
        return self.uid == os.geteuid()

    def process_options(self) -> dict[str, Any]:
        """Arguments of ``subprocess.Popen`` that start a program under this account, away from our directory."""
        options: dict[str, Any] = {"env": ENVIRONMENT, "cwd": "/", "umask": 0o077}
        if not self.is_ours:
            options |= {"user": self.uid, "group": self.gid, "extra_groups": []}
        return options

    def run(self, *argv: str | Path) -> subprocess.CompletedProcess[str]:
        """Run a program to its end under this account, its output caught as text."""
        return subprocess.run(argv, capture_output=True, text=True, check=False, **self.process_options())

    def can_write(self, directory: Path) -> bool:
        """Whether the account reaches the directory through all its parents and may write there."""
        return self.run("/bin/sh", "-c", 'cd "$1" && test -w .', "sh", directory).returncode == 0

    def can_read(self, file: Path) -> bool:
        """Whether the account reaches the file through all its parents and may read it."""
        return self.run("/bin/sh", "-c", 'test -r "$1"', "sh", file).returncode == 0


def owner_of(pgdata: Path) -> Account:
    """The account that must run the server of an existing cluster: its owner, as PostgreSQL demands."""
    status = pgdata.stat()
    if status.st_uid == 0:
        raise EmbeddedPostgresError(
            f"{pgdata} belongs to root, and PostgreSQL does not run as root. "
            f"Give it back to the account that made it: chown -R postgres: {pgdata}"
        )
    if os.geteuid() not in (0, status.st_uid):
        owner = Account(status.st_uid, status.st_gid)
        raise EmbeddedPostgresError(
            f"{pgdata} belongs to {owner.name}. Start Tocsin as that user or as root, or choose another --data."
        )
    return Account(status.st_uid, status.st_gid)


def account_for_a_new_cluster(candidates: Sequence[str] = CANDIDATES) -> Account:
    """Ourselves, or for root the first of ``candidates`` the system knows.

    Raises NoServerAccount where root finds none of them.
    """
    if os.geteuid() != 0:
        return Account(os.geteuid(), os.getegid())
    known = {entry.pw_name: entry for entry in pwd.getpwall()}
    for name in candidates:
        if name in known:
            return Account(known[name].pw_uid, known[name].pw_gid)
    raise NoServerAccount(
        f"PostgreSQL does not run as root, and the system has no account named {' or '.join(candidates)} for it. "
        "Create one (useradd --system postgres), or start Tocsin as an ordinary user."
    )
