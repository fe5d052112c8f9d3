"""PostgreSQL as a part of Tocsin: a server of our own on loopback, for machines where nobody runs one.

Run in the foreground, under a supervisor: ``python -m tocsin.eventlog.embedded --data DIR``.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import random
import socket
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO
from urllib.parse import quote

import psycopg

from tocsin.eventlog.embedded_binaries import SYSTEM_HOME
from tocsin.eventlog.embedded_cluster import SUPERUSER, Cluster, DataDirectory
from tocsin.eventlog.embedded_errors import EmbeddedPostgresError, PortTaken, advice_on
from tocsin.eventlog.embedded_login import LOGIN, ensure_login
from tocsin.eventlog.embedded_postmaster import Launcher, Postmaster, find_postmaster

logger = logging.getLogger(__name__)

DATABASE = "tocsin"
START_SECONDS = 60.0
ENTER_SECONDS = 20.0

# Below the range that systems take the ports of outgoing connections from, so a stopped server finds its own free.
_PORTS = range(20_000, 30_000)


@dataclass(frozen=True)
class ConnectionInfo:
    """Where a server is and how to get in. The URLs hold passwords and are left out of the representation.

    ``url``: the superuser's. ``service_url``: of the login of Tocsin's processes, None before it was made.
    """

    url: str = field(repr=False)
    port: int
    service_url: str | None = field(default=None, repr=False)

    @classmethod
    def to(
        cls, port: int, password: str, database: str = DATABASE, service_password: str | None = None
    ) -> ConnectionInfo:
        """The ways into a database on loopback."""
        service = None if service_password is None else _url(LOGIN, service_password, port, database)
        return cls(_url(SUPERUSER, password, port, database), port, service)


class EmbeddedPostgres:
    """One PostgreSQL server on one directory, shared by every process that starts it there.

    The first to start it launches it, later ones are given the same server, and it ends when the last one stops it.
    A server whose owner was killed goes on; the next start adopts it.
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        port: int | None = None,
        settings: Mapping[str, str] | None = None,
        system_home: Path = SYSTEM_HOME,
    ) -> None:
        """``port`` on loopback: a free one, kept from then on, where None. ``settings`` override our own choice.

        Neither changes a server that already runs. ``system_home`` takes what the account that runs the server for
        root cannot reach in ``data_dir`` or in the installed package.
        """
        self._directory = DataDirectory(data_dir, system_home)
        self._launcher = Launcher(self._directory.path / "startup.log")
        self._wanted_port = port
        self._settings = dict(settings or {})
        self._membership: IO[bytes] | None = None

    def start(self) -> ConnectionInfo:
        """Make sure the server runs and takes connections, initialising its cluster the first time.

        Raises EmbeddedPostgresError, which says what to do next.
        """
        with _failures_explained(self._directory.path):
            self._directory.create()
            with self._alone():
                self._join()
                try:
                    return self._serving()
                except BaseException:
                    self._leave()
                    raise

    def stop(self, grace: float = 60.0) -> bool:
        """Give the server up; the last to do so stops it, waiting ``grace`` seconds for a clean end.

        Returns whether the server has ended; False means that another process still uses it.
        """
        if not self._directory.path.is_dir():
            return True
        with _failures_explained(self._directory.path), self._alone():
            self._leave()
            server = find_postmaster(self._directory.pgdata)
            if server is None:
                self._launcher.reap()
                return True
            with self._nobody_else() as last:
                if last:
                    self._launcher.stop(server, grace)
                return last

    def is_running(self) -> bool:
        """Whether a live server is on the directory, whoever started it."""
        self._launcher.reap()
        return find_postmaster(self._directory.pgdata) is not None

    def connection(self) -> ConnectionInfo | None:
        """The way to the server as it runs now, without starting it; None where none does."""
        with _failures_explained(self._directory.path):
            server = find_postmaster(self._directory.pgdata)
            if server is None or server.status != "ready":
                return None
            return ConnectionInfo.to(
                server.port, self._directory.password(), service_password=self._directory.service_password()
            )

    def make_login(self) -> ConnectionInfo:
        """Give Tocsin's processes a login of their own at the migrated database of a server that runs, and say how all
        get in. Harmless where they have one. Raises EmbeddedPostgresError where no server runs.
        """
        with _failures_explained(self._directory.path), self._alone():
            info = self.connection()
            if info is None:
                raise EmbeddedPostgresError(f"No PostgreSQL runs in {self._directory.path}. Start it with `tocsin up`.")
            password = self._directory.service_password() or self._directory.new_service_password()
            ensure_login(info.url, password)
            return ConnectionInfo.to(info.port, self._directory.password(), service_password=password)

    def destroy(self) -> None:
        """Stop the server and delete the database with all it holds, wherever it is. Nothing brings it back."""
        if not self.stop():
            raise EmbeddedPostgresError(f"Another process uses the database in {self._directory.path}. End it first.")
        self._directory.remove()

    def __enter__(self) -> ConnectionInfo:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Starts and stops on one directory happen one after another; the system ends a dead holder's lock."""
        with (self._directory.path / "lock").open("ab") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _join(self) -> None:
        if self._membership is None:
            self._membership = (self._directory.path / "users").open("ab")
            fcntl.flock(self._membership, fcntl.LOCK_SH)

    def _leave(self) -> None:
        if self._membership is not None:
            # Unlocked by name: a forked child may still hold a copy of the file.
            fcntl.flock(self._membership, fcntl.LOCK_UN)
            self._membership.close()
            self._membership = None

    @contextlib.contextmanager
    def _nobody_else(self) -> Iterator[bool]:
        with (self._directory.path / "users").open("ab") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
            else:
                yield True

    def _serving(self) -> ConnectionInfo:
        while True:
            info = self._entered(self._adopt() or self._launch(self._directory.open()))
            if info is not None:
                return info

    def _adopt(self) -> Postmaster | None:
        """The server that runs here already, once it takes connections; None when there is none or it ends."""
        server = find_postmaster(self._directory.pgdata)
        while server is not None and server.status != "ready":
            time.sleep(0.05)
            server = server.refreshed()
        if server is not None:
            logger.info("PostgreSQL runs already (process %s)", server.pid)
        return server

    def _launch(self, cluster: Cluster) -> Postmaster:
        deadline = time.monotonic() + START_SECONDS
        while True:
            port = self._usable_port()
            cluster.configure(port, self._settings)
            self._directory.keep_port(port)
            server = self._launcher.launch(cluster)
            if server is not None:
                return server
            if time.monotonic() > deadline:
                raise EmbeddedPostgresError(
                    f"The processes of a former server still hold {cluster.pgdata}. End them (look for 'postgres:' in "
                    "the list of processes), and start again."
                )
            time.sleep(0.25)

    def _usable_port(self) -> int:
        if self._wanted_port is not None:
            if not _is_free(self._wanted_port):
                raise PortTaken(f"Port {self._wanted_port} is taken. Choose another one, or end what listens there.")
            return self._wanted_port
        kept = self._directory.port
        if kept is not None and _is_free(kept):
            return kept
        return next(port for port in random.sample(_PORTS, len(_PORTS)) if _is_free(port))

    def _entered(self, server: Postmaster) -> ConnectionInfo | None:
        """The way in, proven by going it; None when the server, killed a moment ago, ends meanwhile.

        Our database is created on the way.
        """
        password = self._directory.password()
        deadline = time.monotonic() + ENTER_SECONDS
        while True:
            try:
                _create_database(ConnectionInfo.to(server.port, password, "postgres"))
                return ConnectionInfo.to(server.port, password)
            except psycopg.OperationalError as error:
                if server.refreshed() is None:
                    return None
                if "password authentication failed" in str(error) or time.monotonic() > deadline:
                    raise self._locked_out(server, error) from error
            time.sleep(0.1)

    def _locked_out(self, server: Postmaster, error: Exception) -> EmbeddedPostgresError:
        return EmbeddedPostgresError(
            f"PostgreSQL runs on port {server.port} (process {server.pid}) and does not let us in: {error}\n"
            f"If {self._directory.path / 'password'} was changed, put the former password back; "
            f"otherwise end that process and start again."
        )


def _url(user: str, password: str, port: int, database: str) -> str:
    return f"postgresql://{user}:{quote(password, safe='')}@127.0.0.1:{port}/{database}"


def _create_database(administration: ConnectionInfo) -> None:
    with psycopg.connect(administration.url, autocommit=True, connect_timeout=10) as connection:
        if connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (DATABASE,)).fetchone() is None:
            connection.execute(f"CREATE DATABASE {DATABASE}")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


@contextlib.contextmanager
def _failures_explained(directory: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise EmbeddedPostgresError(
            f"The database in {directory} cannot be used: {error}\n{advice_on(str(error))}".rstrip()
        ) from error


if __name__ == "__main__":
    from tocsin.eventlog.embedded_service import main

    sys.exit(main())
