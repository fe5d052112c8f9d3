"""Runs Tocsin's roles as child processes: starts them in order, restarts what ends or freezes, stops them in order."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from graphlib import TopologicalSorter
from pathlib import Path
from types import FrameType
from typing import TextIO

from tocsin import supervisor_guard
from tocsin.logs import LogWriter
from tocsin.supervised import ProcessSpec, ProcessStatus, State, SupervisedProcess, described

__all__ = ["NeverReady", "ProcessSpec", "ProcessStatus", "State", "Supervisor", "read_status"]

logger = logging.getLogger(__name__)

TICK_SECONDS = 0.05
READINESS_SECONDS = 0.2
PATIENCE_SECONDS = 15.0
FORCED_SECONDS = 5.0


class NeverReady(Exception):
    """A process is up and will never be ready, whatever is tried. The message says why, and what to do."""


class Supervisor:
    """Keeps a set of processes running until it is told to stop.

    They end with it however it ends: a guard process outlives it for as long as it takes to stop them.
    """

    def __init__(
        self,
        specs: Sequence[ProcessSpec],
        *,
        status_file: Path | None = None,
        output: TextIO | None = None,
        on_ready: Callable[[], None] | None = None,
    ) -> None:
        """``status_file`` shows the processes to others. ``output`` takes their lines (default: standard error).

        ``on_ready`` is called once, when all are ready for the first time. Raises ValueError for specs that name each
        other in a circle, twice, or not at all.
        """
        writer = LogWriter(output or sys.stderr)
        self._order = [_Keeper(SupervisedProcess(spec, writer)) for spec in _in_order_of_start(specs)]
        self._named = {keeper.name: keeper for keeper in self._order}
        self._status_file = status_file
        self._on_ready = on_ready
        self._published: tuple[ProcessStatus, ...] = ()
        self._requests = 0
        self._wake = threading.Event()

    def run(self) -> int:
        """Run everything until SIGINT, SIGTERM, SIGHUP or ``stop``; a second SIGINT or SIGTERM does not wait.

        Returns the exit status for our own process: 0 after a clean stop, 1 when anything had to be killed. Raises
        NeverReady, once everything is stopped, where a process's ``ready`` raised it.
        """
        with _Guard(self._order) as guard, self._signals_handled():
            try:
                while not self._requests:
                    guard.restart_if_dead()
                    for keeper in self._order:
                        keeper.tend(self._startable(keeper), guard)
                    self._look_around()
                    self._wake.wait(TICK_SECONDS)
            except NeverReady:
                self._stop_all(guard)
                raise
            return self._stop_all(guard)

    def stop(self) -> None:
        """Ask for a clean stop, from any thread; asked a second time, for a quick one."""
        self._requests += 1
        self._wake.set()

    def status(self) -> tuple[ProcessStatus, ...]:
        """Every process as it stands, in order of start."""
        return tuple(keeper.process.status() for keeper in self._order)

    def _startable(self, keeper: _Keeper) -> bool:
        return all(self._named[name].process.state is State.READY for name in keeper.process.spec.depends_on)

    def _stoppable(self, keeper: _Keeper) -> bool:
        return not any(
            keeper.name in other.process.spec.depends_on and other.process.state is not State.STOPPED
            for other in self._order
        )

    def _stop_all(self, guard: _Guard) -> int:
        logger.info("stopping; press Ctrl-C again to stop at once")
        self._wake.clear()
        forced = False
        while any(keeper.process.state is not State.STOPPED for keeper in self._order):
            if self._requests > 1 and not forced:
                forced = True
                logger.warning("stopping at once")
                for keeper in self._order:
                    keeper.force()
            for keeper in reversed(self._order):
                keeper.wind_down(self._stoppable(keeper), guard)
            self._look_around()
            self._wake.wait(TICK_SECONDS)
        logger.info("all processes have ended")
        return int(forced or any(keeper.was_killed for keeper in self._order))

    def _look_around(self) -> None:
        status = self.status()
        if status != self._published:
            self._published = status
            self._publish(status)
        if self._on_ready is not None and all(each.state is State.READY for each in status):
            called, self._on_ready = self._on_ready, None
            called()

    def _publish(self, status: tuple[ProcessStatus, ...]) -> None:
        if self._status_file is None:
            return
        listed = [
            {"name": s.name, "pid": s.pid, "state": s.state, "restarts": s.restarts, "since": s.since.isoformat()}
            for s in status
        ]
        try:
            temporary = self._status_file.with_name(f".{self._status_file.name}-{os.getpid()}")
            temporary.write_text(json.dumps({"supervisor": os.getpid(), "processes": listed}, indent=1) + "\n")
            temporary.rename(self._status_file)
        except OSError as error:
            logger.warning("the state of the processes cannot be written to %s: %s", self._status_file, error)

    @contextmanager
    def _signals_handled(self) -> Iterator[None]:
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        former = [signal.signal(number, self._on_signal) for number in numbers]
        try:
            yield
        finally:
            for number, handler in zip(numbers, former, strict=True):
                signal.signal(number, handler)

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        # A terminal that closes sends SIGHUP after SIGINT; only what a person repeats means "do not wait". Nothing is
        # woken up: this may run in the midst of the main thread's own wait for it, whose lock it must not ask for.
        if number != signal.SIGHUP or not self._requests:
            self._requests += 1


class _Keeper:
    """Decides what happens to one process next."""

    def __init__(self, process: SupervisedProcess) -> None:
        self.process = process
        self.name = process.spec.name
        self.was_killed = False
        self._pause = process.spec.first_pause
        self._in_the_way = ""
        self._started = self._next = self._deadline = 0.0

    def tend(self, startable: bool, guard: _Guard) -> None:
        """Start the process when its time has come, notice that it is ready, or that it has ended."""
        state, now = self.process.state, time.monotonic()
        if state is State.WAITING and startable:
            self._start(guard)
        elif state is State.PAUSING and now >= self._next:
            self.process.state = State.WAITING
        elif state in (State.STARTING, State.READY):
            ended = self.process.ended()
            if ended is not None:
                guard.forget(self)
                self._schedule_restart(described(ended))
            elif self.process.is_frozen():
                self._end_frozen()
            elif state is State.STARTING and now >= self._next:
                self._ask_whether_ready(now)

    def _start(self, guard: _Guard) -> None:
        self._started = self._next = time.monotonic()
        self._deadline = self._started + PATIENCE_SECONDS
        try:
            self.process.spawn()
        except OSError as error:
            self._schedule_restart(f"cannot be started: {error}")
        else:
            guard.remember(self)
            self.process.state = State.STARTING

    def _end_frozen(self) -> None:
        logger.error(
            "%s has given no sign of life for %g s, nor used the processor: it is frozen, and is killed",
            self.name,
            self.process.spec.frozen_after,
        )
        self.process.kill()

    def _ask_whether_ready(self, now: float) -> None:
        if self._is_ready():
            self.process.state = State.READY
            logger.info("%s is ready", self.name)
            return
        self._next = now + READINESS_SECONDS
        if now > self._deadline:
            logger.warning(
                "%s runs for %.0f s and is not ready yet%s", self.name, now - self._started, self._in_the_way
            )
            self._deadline = now + PATIENCE_SECONDS

    def _is_ready(self) -> bool:
        ready, self._in_the_way = self.process.spec.ready, ""
        try:
            return self.process.is_up and (ready is None or ready())
        except NeverReady:
            raise
        except Exception as error:  # a check fails in its own way while its process is not up
            self._in_the_way = f": {error}"
            return False

    def _schedule_restart(self, what_happened: str) -> None:
        spec, now = self.process.spec, time.monotonic()
        if now - self._started >= spec.steady_after:
            self._pause = spec.first_pause
        self.process.restarts += 1
        self.process.state = State.PAUSING
        logger.error("%s %s; restart %s in %g s", self.name, what_happened, self.process.restarts, self._pause)
        self._next = now + self._pause
        self._pause = min(2 * self._pause, spec.longest_pause)

    def wind_down(self, stoppable: bool, guard: _Guard) -> None:
        """Ask the process to end once nothing needs it any more; kill it when its grace is over."""
        if self.process.pid is None:
            if self.process.state is not State.STOPPED:
                self.process.state = State.STOPPED
        elif self.process.ended() is not None:
            guard.forget(self)
            self.process.state = State.STOPPED
        elif self.process.state is not State.STOPPING and stoppable:
            self._ask_to_end(self.process.spec.stop_signal, self.process.spec.grace)
        elif self.process.state is State.STOPPING and time.monotonic() > self._deadline and not self.was_killed:
            logger.warning("%s has not ended in time and is killed", self.name)
            self.was_killed = True
            self.process.kill()

    def force(self) -> None:
        """End the process at once, without regard to order."""
        if self.process.pid is not None:
            self._ask_to_end(self.process.spec.forced_signal, FORCED_SECONDS)

    def _ask_to_end(self, number: signal.Signals, grace: float) -> None:
        self.process.send(number)
        self.process.state = State.STOPPING
        self._deadline = time.monotonic() + grace


class _Guard:
    """Our end of the guard process; see ``tocsin.supervisor_guard``."""

    def __init__(self, order: Sequence[_Keeper]) -> None:
        self._ranks = {keeper.name: rank for rank, keeper in enumerate(order)}
        self._living: dict[str, _Keeper] = {}
        self._process = self._spawned()

    def remember(self, keeper: _Keeper) -> None:
        """Leave the process to the guard, should we be killed."""
        self._living[keeper.name] = keeper
        spec = keeper.process.spec
        self._tell(f"+ {self._ranks[keeper.name]} {keeper.process.pid} {int(spec.stop_signal)} {spec.grace}\n")

    def forget(self, keeper: _Keeper) -> None:
        """The process has ended; its number may soon be another's."""
        self._living.pop(keeper.name, None)
        self._tell(f"- {self._ranks[keeper.name]}\n")

    def restart_if_dead(self) -> None:
        """Put a new guard in the place of one that was killed."""
        if self._process.poll() is not None:
            logger.error("the guard %s; starting another", described(self._process.returncode))
            self._process = self._spawned()
            for keeper in list(self._living.values()):
                self.remember(keeper)

    def _spawned(self) -> subprocess.Popen[bytes]:
        script = Path(supervisor_guard.__file__)
        command = [sys.executable, "-I", "-S", str(script)]
        return subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True, bufsize=0)

    def _tell(self, line: str) -> None:
        assert self._process.stdin is not None
        # One write, which a pipe takes whole: our death cannot cut a line in two. A dead guard is told again later.
        with suppress(BrokenPipeError):
            self._process.stdin.write(line.encode())

    def __enter__(self) -> _Guard:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


def _in_order_of_start(specs: Sequence[ProcessSpec]) -> list[ProcessSpec]:
    named = {spec.name: spec for spec in specs}
    if len(named) != len(specs):
        raise ValueError("two processes have the same name")
    unknown = {name for spec in specs for name in spec.depends_on} - named.keys()
    if unknown:
        raise ValueError(f"no process is named {', '.join(sorted(unknown))}")
    return [named[name] for name in TopologicalSorter({spec.name: spec.depends_on for spec in specs}).static_order()]


def read_status(status_file: Path) -> tuple[ProcessStatus, ...]:
    """What a supervisor last wrote to its status file; empty where there is none."""
    try:
        listed = json.loads(status_file.read_text())["processes"]
    except FileNotFoundError:
        return ()
    return tuple(
        ProcessStatus(p["name"], p["pid"], State(p["state"]), p["restarts"], datetime.fromisoformat(p["since"]))
        for p in listed
    )
