"""One named child process: how it is to be run, and the process that runs now."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import IO

from tocsin.liveness import Liveness
from tocsin.logs import LogWriter


@dataclass(frozen=True)
class ProcessSpec:
    """How a process is run and ended.

    ``env`` is added to our own environment. ``depends_on`` names the processes that must be ready before this one
    starts, and that end only after it. ``ready`` says whether it can do its work, within about a second, or that it
    never will (``NeverReady``); without it, a process is ready once it runs. One that ``says_when_up`` (``READY`` of
    ``tocsin.eventlog.watchdog``) is not asked for before it did. Pauses between restarts double from ``first_pause`` to
    ``longest_pause`` and fall back after ``steady_after`` (all in seconds). ``stop_signal`` asks it to end, which may
    take ``grace`` seconds before its whole group is killed. ``forced_signal`` ends it when the user will not wait: a
    process that owns others outside its group must be left the chance to end those. ``frozen_after`` seconds without a
    sign of life it is killed (None: it gives none); see ``tocsin.liveness``.
    """

    name: str
    argv: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict)
    depends_on: Sequence[str] = ()
    ready: Callable[[], bool] | None = None
    says_when_up: bool = False
    first_pause: float = 0.5
    longest_pause: float = 30.0
    steady_after: float = 10.0
    stop_signal: signal.Signals = signal.SIGTERM
    grace: float = 10.0
    forced_signal: signal.Signals = signal.SIGKILL
    frozen_after: float | None = None


class State(StrEnum):
    """Where a process stands."""

    WAITING = "waiting"
    """for what it depends on"""
    STARTING = "starting"
    READY = "ready"
    PAUSING = "pausing"
    """between its end and its next start"""
    STOPPING = "stopping"
    STOPPED = "stopped"


@dataclass(frozen=True)
class ProcessStatus:
    """A process as others may see it; ``since`` is when it came into its state, ``restarts`` counts since our start."""

    name: str
    pid: int | None
    state: State
    restarts: int
    since: datetime


class SupervisedProcess:
    """The running of one spec: its process, if any, and its state."""

    def __init__(self, spec: ProcessSpec, writer: LogWriter) -> None:
        self.spec = spec
        self.restarts = 0
        self._writer = writer
        self._process: subprocess.Popen[str] | None = None
        self._reader: threading.Thread | None = None
        self._liveness: Liveness | None = None
        self._state = State.WAITING
        self._since = datetime.now(UTC)

    @property
    def state(self) -> State:
        return self._state

    @state.setter
    def state(self, state: State) -> None:
        self._state, self._since = state, datetime.now(UTC)

    @property
    def pid(self) -> int | None:
        """The process id while the process runs; it also names its process group."""
        return self._process.pid if self._process is not None else None

    def status(self) -> ProcessStatus:
        return ProcessStatus(self.spec.name, self.pid, self._state, self.restarts, self._since)

    def spawn(self) -> int:
        """Start the process in a session of its own, so that Ctrl-C reaches us alone. Raises OSError."""
        liveness = Liveness()
        try:
            process = subprocess.Popen(
                self.spec.argv,
                env={"PYTHONUNBUFFERED": "1", **os.environ, **self.spec.env, **liveness.environment},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                pass_fds=(liveness.voice,),
                text=True,
                errors="replace",
                start_new_session=True,
            )
        except BaseException:
            liveness.close()
            raise
        finally:
            liveness.leave_to_process()
        assert process.stdout is not None
        self._process, self._liveness = process, liveness
        self._reader = threading.Thread(target=self._forward, args=(process.stdout,), daemon=True)
        self._reader.start()
        return process.pid

    def ended(self) -> int | None:
        """The exit status once the process has ended (negative: the signal that killed it), None before.

        What is left of its group is killed: a restart must not meet its own orphans.
        """
        if self._process is None or self._process.poll() is None:
            return None
        process, self._process = self._process, None
        if self._liveness is not None:
            self._liveness.close()
            self._liveness = None
        self._signal_group(process.pid, signal.SIGKILL)
        if self._reader is not None:
            # Its last words are often why it ended. A stranger that holds the pipe open is not waited for.
            self._reader.join(1.0)
        return process.returncode

    @property
    def is_up(self) -> bool:
        """Whether the process has come up, as far as it was to say so."""
        return not self.spec.says_when_up or (self._liveness is not None and self._liveness.has_come_up)

    def is_frozen(self) -> bool:
        """Whether the process runs and has given no sign of life for too long. To be asked again and again.

        Answered with yes, it is given the same time again.
        """
        if self._process is None or self._liveness is None:
            return False
        self._liveness.listen()
        limit = self.spec.frozen_after
        if limit is None or not self._liveness.is_frozen(self._process.pid, limit):
            return False
        self._liveness.give_time()
        return True

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the process alone; what it started is its own business."""
        if self._process is not None:
            self._process.send_signal(number)

    def kill(self) -> None:
        """Kill the process and all of its group."""
        if self._process is not None:
            self._signal_group(self._process.pid, signal.SIGKILL)

    def _signal_group(self, group: int, number: signal.Signals) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(group, number)

    def _forward(self, output: IO[str]) -> None:
        with output:
            for line in output:
                self._writer.write_line(self.spec.name, line.rstrip("\n"))


def described(exit_status: int) -> str:
    """An exit status of ``subprocess`` in words."""
    if exit_status >= 0:
        return f"ended with status {exit_status}"
    try:
        return f"was killed by {signal.Signals(-exit_status).name}"
    except ValueError:
        return f"was killed by signal {-exit_status}"
