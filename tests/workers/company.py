"""The roles that carry a send, as threads to watch or as processes to kill."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from scene import Scene

from tocsin.eventlog.record import Record
from tocsin.eventlog.stream.port import Stream
from tocsin.projections import runner
from tocsin.projections.registry import NAMES
from tocsin.workers.delivery.drafts import Terms
from tocsin.workers.delivery.process import run_delivery, worker_name
from tocsin.workers.planner_process import run_planner
from tocsin.workers.scheduler import run_scheduler

log = logging.getLogger(__name__)

PROVIDERS = ("apns", "fcm", "wns")

BRIEF = {"lease": 5.0, "answer_within": 3.0, "slack": 1.0}
"""Terms for tests that wait for a lease to end."""

LASTING = {"lease": 60.0, "answer_within": 30.0, "slack": 5.0}
"""Terms for tests in which no lease may end, however busy the machine is."""


@contextmanager
def running(role: Callable[..., None], *arguments: Any, **named: Any) -> Iterator[threading.Event]:
    """A role on a thread, told to stop at the end of the block. What it raises is raised there."""
    stop = threading.Event()
    faults: list[BaseException] = []

    def run() -> None:
        try:
            role(*arguments, stop=stop, **named)
        except BaseException as fault:
            log.exception("%s ended", role.__name__)
            faults.append(fault)

    thread = threading.Thread(target=run, name=role.__name__)
    thread.start()
    try:
        yield stop
    finally:
        stop.set()
        thread.join()
    if faults:
        raise faults[0]


def project(record: Record, stream: Stream, stop: threading.Event) -> None:
    """Every read model."""
    runner.run(stream, record, NAMES, stop)


@contextmanager
def deciding(scene: Scene, stream: Stream, chunk_size: int = 100) -> Iterator[None]:
    """All roles but delivery."""
    with ExitStack() as roles:
        roles.enter_context(running(project, scene.record, stream))
        roles.enter_context(running(run_planner, scene.record, stream, size=lambda _: chunk_size))
        roles.enter_context(running(run_scheduler, scene.record, scene.database_url))
        yield


@contextmanager
def delivering(scene: Scene, stream: Stream, **terms: Any) -> Iterator[threading.Event]:
    """One delivery worker for all providers."""
    agreed = Terms(worker_name(), **terms)
    with running(run_delivery, scene.record, stream, providers=PROVIDERS, terms=agreed) as stop:
        yield stop


class Staff:
    """Roles as processes."""

    def __init__(self, scene: Scene, chunk_size: int = 100) -> None:
        self._scene = scene
        self._chunk_size = chunk_size
        self._processes: list[subprocess.Popen[bytes]] = []

    def start(self, role: str, **terms: float) -> subprocess.Popen[bytes]:
        """Start one; ``terms``: of a delivery worker, where they are not the brief ones."""
        arguments = {
            "role": role,
            "database_url": self._scene.database_url,
            "key_file": str(self._scene.key_file),
            "providers": PROVIDERS,
            "terms": BRIEF | terms,
            "chunk_size": self._chunk_size,
        }
        file = Path(__file__).with_name("role.py")
        process = subprocess.Popen([sys.executable, str(file), json.dumps(arguments)])
        self._processes.append(process)
        return process

    def kill(self, process: subprocess.Popen[bytes]) -> None:
        """As the kernel does when memory runs out: no last words."""
        process.kill()
        process.wait()

    def freeze(self, process: subprocess.Popen[bytes]) -> None:
        """Stop it where it stands."""
        os.kill(process.pid, signal.SIGSTOP)

    def thaw(self, process: subprocess.Popen[bytes]) -> None:
        """Let it go on."""
        os.kill(process.pid, signal.SIGCONT)

    def close(self) -> None:
        """Send everybody home."""
        for process in self._processes:
            if process.poll() is None:
                self.thaw(process)
                process.terminate()
        for process in self._processes:
            process.wait()
