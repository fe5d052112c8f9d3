"""One PostgreSQL server process: found by its lock file, started, waited for and stopped."""

from __future__ import annotations

import logging
import os
import re
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from tocsin.eventlog.embedded_cluster import Cluster
from tocsin.eventlog.embedded_errors import EmbeddedPostgresError, StartFailed

logger = logging.getLogger(__name__)

POLL_SECONDS = 0.02
PROGRESS_SECONDS = 10.0

# For a moment after a server was killed its children still hold the shared memory, and its lock file remains.
_PASSING = re.compile(
    r"lock file .* already exists|pre-existing shared memory block|could not bind|could not create any"
)


@dataclass(frozen=True)
class Postmaster:
    """A live server of one data directory, started by us or found there."""

    pid: int
    port: int
    status: str
    pgdata: Path

    def refreshed(self) -> Postmaster | None:
        """The same server as it is now; None once it is gone or another has taken its place."""
        now = find_postmaster(self.pgdata)
        return now if now is not None and now.pid == self.pid else None


def find_postmaster(pgdata: Path) -> Postmaster | None:
    """The server that runs on the data directory, by its ``postmaster.pid`` (its lines: PostgreSQL, miscadmin.h).

    A lock file whose process is gone, or is now some other program, is no server.
    """
    try:
        lines = (pgdata / "postmaster.pid").read_text().splitlines()
    except (FileNotFoundError, NotADirectoryError):
        return None
    if not lines or not lines[0].strip().isdigit() or not _serves(int(lines[0]), pgdata):
        return None
    port = int(lines[3]) if len(lines) > 3 and lines[3].strip().isdigit() else 0
    return Postmaster(int(lines[0]), port, lines[7].strip() if len(lines) > 7 else "starting", pgdata)


def _serves(pid: int, pgdata: Path) -> bool:
    arguments = _command_line(pid)
    if not arguments or Path(arguments[0]).name != "postgres" or "-D" not in arguments[:-1]:
        return False
    directory = Path(arguments[arguments.index("-D") + 1])
    return directory.exists() and directory.samefile(pgdata)


def _command_line(pid: int) -> list[str]:
    """A process's arguments; empty for one that is gone or a zombie. Readable whoever owns the process."""
    if Path("/proc/self/cmdline").exists():
        try:
            return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").rstrip("\0").split("\0")
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            return []
    listed = subprocess.run(["ps", "-o", "command=", "-p", str(pid)], capture_output=True, text=True, check=False)
    program, found, directory = listed.stdout.strip().partition(" -D ")
    return [program, "-D", directory] if found else []


class Launcher:
    """Starts servers on a cluster and stops them, reaping those it started."""

    def __init__(self, startup_log: Path) -> None:
        self._startup_log = startup_log
        self._children: list[subprocess.Popen[bytes]] = []

    def reap(self) -> None:
        """Let go of our dead servers: a zombie's process id would keep PostgreSQL from starting anew."""
        self._children = [child for child in self._children if child.poll() is None]

    def launch(self, cluster: Cluster) -> Postmaster | None:
        """Start a server and wait until it takes connections.

        None means that it failed for a reason that passes by itself: try again. Raises StartFailed for any other.
        """
        self.reap()
        _drop_reused_lock_file(cluster.pgdata)
        logs = _Logs(self._startup_log, cluster.pgdata / "log")
        child = self._spawn(cluster)
        next_word = time.monotonic() + PROGRESS_SECONDS
        while child.poll() is None:
            if time.monotonic() > next_word:
                logger.info("PostgreSQL is still starting: it repeats what its log holds since the last checkpoint")
                next_word += PROGRESS_SECONDS
            server = find_postmaster(cluster.pgdata)
            if server is not None and server.pid == child.pid and server.status == "ready":
                return server
            time.sleep(POLL_SECONDS)
        said = logs.since_then()
        if _PASSING.search(said):
            logger.info("PostgreSQL cannot start yet: %s", said.strip())
            return None
        raise StartFailed(f"Starting PostgreSQL on {cluster.pgdata}", said)

    def _spawn(self, cluster: Cluster) -> subprocess.Popen[bytes]:
        with self._startup_log.open("wb") as log:
            child = subprocess.Popen(
                [cluster.binaries.program("postgres"), "-D", cluster.pgdata],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # A session of its own: Ctrl-C at a terminal must not reach it before its clients have ended.
                start_new_session=True,
                **cluster.account.process_options(),
            )
        self._children.append(child)
        return child

    def stop(self, server: Postmaster, grace: float) -> None:
        """Fast shutdown; after ``grace`` seconds an immediate one, and at last a kill. The log repairs either."""
        for order, seconds in ((signal.SIGINT, grace), (signal.SIGQUIT, 10.0), (signal.SIGKILL, 10.0)):
            try:
                os.kill(server.pid, order)
            except ProcessLookupError:
                return self.reap()
            if self._gone_within(seconds, server):
                return None
            logger.warning("PostgreSQL (process %s) has not ended %s s after %s", server.pid, seconds, order.name)
        raise EmbeddedPostgresError(f"PostgreSQL (process {server.pid}) cannot be ended. Restart the machine.")

    def _gone_within(self, seconds: float, server: Postmaster) -> bool:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self.reap()
            if _has_ended(server.pid):
                return True
            time.sleep(POLL_SECONDS)
        return False


def _has_ended(pid: int) -> bool:
    """Whether a process is gone, or a zombie. One that is on its way out has no arguments left and is neither."""
    try:
        if Path("/proc/self/stat").exists():
            return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
        os.kill(pid, 0)
    except (FileNotFoundError, ProcessLookupError):
        return True
    return False


def _drop_reused_lock_file(pgdata: Path) -> None:
    """Remove a lock file whose process id now belongs to another program, as after a restart of a container.

    PostgreSQL cannot tell the two apart and would refuse to start for ever. One left by a dead process it handles.
    """
    file = pgdata / "postmaster.pid"
    if find_postmaster(pgdata) is None and _names_a_live_process(file):
        logger.info("removing the lock file of a server that is gone: %s", file)
        file.unlink()


def _names_a_live_process(file: Path) -> bool:
    try:
        os.kill(abs(int(file.read_text().splitlines()[0])), 0)
    except PermissionError:
        return True
    except (FileNotFoundError, ProcessLookupError, IndexError, ValueError):
        return False
    return True


class _Logs:
    """What the server writes from now on: to its standard error, and once its log collector runs, to a file."""

    def __init__(self, startup_log: Path, directory: Path) -> None:
        self._startup_log = startup_log
        self._directory = directory
        self._sizes = {file: file.stat().st_size for file in directory.glob("*.log")}

    def since_then(self) -> str:
        files = sorted(self._directory.glob("*.log"))
        texts = [self._startup_log.read_text(errors="replace"), *(self._news_of(file) for file in files)]
        return "\n".join(line for text in texts for line in text.splitlines()[-20:])

    def _news_of(self, file: Path) -> str:
        with file.open("rb") as handle:
            handle.seek(min(self._sizes.get(file, 0), file.stat().st_size))
            return handle.read().decode(errors="replace")
