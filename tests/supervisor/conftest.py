"""A supervisor as a process of its own over roles that note what happens to them."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from living import await_end, children_of, command_of
from patience import PATIENCE, eventually

from tocsin.eventlog.embedded import EmbeddedPostgres
from tocsin.supervisor import read_status


class Supervised:
    """One supervisor under test; ``directory`` holds its roles' journal and its status file."""

    def __init__(self, directory: Path, roles: tuple[str, ...], output: int) -> None:
        self.directory = directory
        (directory / "journal").touch()
        command = [sys.executable, str(Path(__file__).with_name("run.py")), str(directory), *roles]
        self.process = subprocess.Popen(
            command, stdout=output, stderr=subprocess.STDOUT, text=True, start_new_session=True
        )

    def journal(self) -> list[tuple[str, str, int]]:
        """What was noted so far: role, what happened, process id."""
        lines = (self.directory / "journal").read_text().splitlines()
        return [(words[0], words[1], int(words[2])) for words in map(str.split, lines)]

    def events(self) -> list[str]:
        return [f"{name} {what}" for name, what, _ in self.journal()]

    def pids(self) -> set[int]:
        """Every process that took part, offspring included."""
        return {pid for _, _, pid in self.journal()}

    def pid_of(self, role: str) -> int:
        return [pid for name, what, pid in self.journal() if name == role and what == "started"][-1]

    def status(self) -> dict[str, dict[str, Any]]:
        listed = json.loads((self.directory / "processes.json").read_text())["processes"]
        return {process["name"]: process for process in listed}

    def described(self) -> str:
        """How things stand, for a test that waits in vain."""
        return f"the supervisor carries on: {self.events()}, {read_status(self.directory / 'processes.json')}"

    def wait_until_ready(self) -> None:
        eventually((self.directory / "all.ready").exists, lambda: f"all are ready: {self.events()}")

    def finish(self) -> str:
        """Wait for the supervisor's end; all it put out."""
        return self.process.communicate(timeout=PATIENCE)[0]


Supervise = Callable[..., Supervised]


@pytest.fixture
def supervise(tmp_path: Path) -> Iterator[Supervise]:
    """Starts a supervisor over the roles described; see run.py."""
    running: list[Supervised] = []

    def start(*roles: str, output: int = subprocess.PIPE) -> Supervised:
        running.append(Supervised(tmp_path, roles, output))
        return running[-1]

    yield start
    for supervised in running:
        supervised.process.kill()
        supervised.process.communicate()
        await_end(supervised.pids(), "the roles of a killed supervisor")


@pytest.fixture
def data_dir() -> Iterator[Path]:
    """Where a test keeps a database server of its own, which is gone after the test whatever happened."""
    room = Path(tempfile.mkdtemp(prefix="tocsin-supervised-"))
    room.chmod(0o711)
    yield room / "data"
    EmbeddedPostgres(room / "data").destroy()
    shutil.rmtree(room)


def guards_of(supervisor: int) -> set[int]:
    """The process ids of a supervisor's living guards."""
    return {child for child in children_of(supervisor) if "supervisor_guard" in command_of(child)}


def read_all(terminal: int) -> bytes:
    """What was written to a terminal whose other end is closed; closes this one. It comes piece by piece (pty(7))."""
    found = b""
    with os.fdopen(terminal, "rb", buffering=0) as ours, suppress(OSError):
        while piece := ours.read(4096):
            found += piece
    return found


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
