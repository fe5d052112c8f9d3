"""``tocsin up`` as a user runs it: a process with a data directory, to be looked at, stopped and killed."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import psycopg
import requests
from embedded.processes import postmaster_pid
from living import children_of, command_of, described, with_descendants
from patience import PATIENCE, eventually

from tocsin.eventlog.embedded import EmbeddedPostgres
from tocsin.eventlog.record import Record
from tocsin.projections.registry import NAMES, passed
from tocsin.sandbox.handle import SandboxHandle

T = TypeVar("T")

_TOCSIN = str(Path(sys.executable).with_name("tocsin"))


class Instance:
    """One data directory and, while it runs, the supervisor on it. Commands are run where the data directory lies."""

    def __init__(self, directory: Path, log: Path, *options: str) -> None:
        self.directory = directory
        self.log = log
        self._options = options
        self._supervisor: subprocess.Popen[bytes] | None = None

    def start(self, port: int = 0) -> None:
        """Start everything and wait until it says that it is up."""
        said = self.log.stat().st_size if self.log.exists() else 0
        command = [_TOCSIN, "up", "--data", str(self.directory), "--port", str(port), *self._options]
        with self.log.open("ab") as log:
            self._supervisor = subprocess.Popen(
                command, stdout=log, stderr=log, env=_environment(), cwd=self.directory.parent
            )
        eventually(lambda: self._is_up(said), lambda: f"it is up; {self.how_it_stands()}")

    def _is_up(self, said: int) -> bool:
        assert self.supervisor.poll() is None, f"it has ended: {self.log.read_text()[said:]}"
        with self.log.open("rb") as log:
            log.seek(said)
            return b"for scripts" in log.read()

    @property
    def supervisor(self) -> subprocess.Popen[bytes]:
        """The process a user started."""
        assert self._supervisor is not None
        return self._supervisor

    def interrupt(self) -> int:
        """Ctrl-C; the exit status once it has ended."""
        everybody = with_descendants(self.supervisor.pid)
        self.supervisor.send_signal(signal.SIGINT)
        eventually(
            lambda: self.supervisor.poll() is not None,
            lambda: f"it ends; still there:{described(everybody)}\n{self.how_it_stands()}",
        )
        return self.supervisor.returncode

    def close(self) -> None:
        """Stop what still runs and delete the database."""
        if self._supervisor is not None and self._supervisor.poll() is None:
            self.interrupt()
        EmbeddedPostgres(self.directory / "postgres").destroy()

    def kill(self, name: str) -> None:
        """SIGKILL one process and nothing else."""
        os.kill(self.pid(name), signal.SIGKILL)
        if name == "supervisor":
            self.supervisor.wait()

    def pid(self, name: str) -> int:
        """Of a supervised process, or of ``supervisor``, ``guard``, ``postmaster``, ``api-worker``."""
        match name:
            case "supervisor":
                return self.supervisor.pid
            case "postmaster":
                return postmaster_pid(self.directory / "postgres")
            case "api-worker":
                return min(eventually(lambda: children_of(self.pid("api")), "the API has a worker"))
            case "guard":
                return next(pid for pid in children_of(self.supervisor.pid) if "supervisor_guard.py" in command_of(pid))
            case _:
                return int(eventually(lambda: self.processes()[name]["pid"], f"{name} runs"))

    def processes(self) -> dict[str, dict[str, Any]]:
        """What the supervisor says of its processes, by name; nothing before its first start."""
        file = self.directory / "processes.json"
        listed = json.loads(file.read_text())["processes"] if file.exists() else []
        return {process["name"]: process for process in listed}

    def is_whole(self) -> bool:
        """Whether every process is ready."""
        return all(process["state"] == "ready" for process in self.processes().values())

    def await_whole(self) -> None:
        """Wait until every process is ready."""
        eventually(self.is_whole, lambda: f"every process is ready; {self.how_it_stands()}")

    def how_it_stands(self) -> str:
        """What its processes do and what it said last, for a test that fails."""
        found = {name: f"{one['state']}, {one['restarts']} restarts" for name, one in self.processes().items()}
        return f"its processes: {found}\nits log ends: {self.log.read_text(errors='replace')[-3000:]}"

    def everybody(self) -> set[int]:
        """The supervisor, the postmaster, and every process below them."""
        return with_descendants(self.supervisor.pid) | self.database()

    def database(self) -> set[int]:
        """The postmaster and its children, whichever process has started it."""
        return with_descendants(self.pid("postmaster"))

    @property
    def environment_file(self) -> Path:
        """What ``tocsin up --sandbox`` writes for scripts."""
        return self.directory / "sandbox.env"

    def environment(self) -> dict[str, str]:
        """Its content."""
        return dict(line.split("=", 1) for line in self.environment_file.read_text().splitlines())

    @property
    def sandbox(self) -> SandboxHandle:
        """The supervised sandbox."""
        return SandboxHandle(json.loads((self.directory / "sandbox" / "providers.json").read_text()))

    def call(self, method: str, path: str, *, may_be_away: bool = False, **options: Any) -> Any:
        """One call of the API under ``/v1`` as its admin; the JSON it answers.

        ``may_be_away``: a part may have been killed just now, and a 503 that says so is None, as is what no read model
        has yet.
        """
        known = self.environment()
        headers = {"Authorization": f"Bearer {known['TOCSIN_ADMIN_TOKEN']}", **options.pop("headers", {})}
        answer = self.request(method, f"{known['TOCSIN_URL']}/v1{path}", headers=headers, **options)
        if may_be_away and answer.status_code in (404, 503):
            return None
        assert answer.ok, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else None

    def request(self, method: str, url: str, **options: Any) -> requests.Response:
        """One request by whoever speaks to it. What it wrote can be read by the next, however slow the machine is."""
        answer = requests.request(method, url, **{"timeout": PATIENCE, **options})
        if "Tocsin-Lag" in answer.headers:
            position = int(answer.headers["Tocsin-Position"])
            eventually(
                lambda: self._has_folded(position), lambda: f"position {position} is readable; {self.how_it_stands()}"
            )
        return answer

    def _has_folded(self, position: int) -> bool:
        """Whether every read model has passed a position."""
        try:
            with psycopg.connect(self.database_url(), autocommit=True) as connection:
                return passed(connection, NAMES) >= position
        except psycopg.OperationalError:
            return False

    def import_devices(self, app_id: str, lines: list[str]) -> list[dict[str, Any]]:
        """Import devices, one to a line; what became of each line."""
        known = self.environment()
        answer = self.request(
            "POST",
            f"{known['TOCSIN_URL']}/v1/apps/{app_id}/devices/import",
            data="\n".join(lines).encode(),
            headers={"Authorization": f"Bearer {known['TOCSIN_ADMIN_TOKEN']}", "Content-Type": "application/x-ndjson"},
        )
        assert answer.ok, answer.text
        return [line for line in map(json.loads, answer.text.splitlines()) if "line" in line]

    @contextmanager
    def record(self) -> Iterator[Record]:
        """The record itself, for who trusts no read model."""
        record = Record.open(self.database_url(), self.directory / "master.key", readers=2)
        try:
            yield record
        finally:
            record.close()

    def database_url(self) -> str:
        """The superuser's way to the embedded server, once it runs."""
        server = EmbeddedPostgres(self.directory / "postgres")
        return eventually(server.connection, "PostgreSQL runs").url

    def run(self, *arguments: str, data: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
        """Another command on the same data, or on other."""
        command = [_TOCSIN, *arguments, "--data", str(data or self.directory)]
        return subprocess.run(
            command,
            env=_environment() | environment,
            cwd=self.directory.parent,
            capture_output=True,
            text=True,
            check=False,
        )


def is_private(file: Path) -> bool:
    """Whether nobody but its owner may read a file."""
    return stat.S_IMODE(file.stat().st_mode) == 0o600


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("TOCSIN_")}
