"""The guard of a supervisor: a process that ends the supervisor's children when the supervisor itself was killed.

It reads on its standard input which process groups live, and acts when that ends, as it does however its writer dies.
It is run by its path, without site packages, and imports nothing of Tocsin: it costs little and cannot be hindered.

A line is ``+ RANK PID SIGNAL GRACE`` (a group led by PID started; it is told to end by SIGNAL and killed GRACE seconds
later; the highest rank ends first) or ``- RANK`` (it has ended).
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterable
from typing import NamedTuple

POLL_SECONDS = 0.02


class Group(NamedTuple):
    """A process group: its leader's process id, the signal that ends it, and the seconds it has for that."""

    pid: int
    stop_signal: int
    grace: float


def groups_alive(lines: Iterable[str]) -> list[Group]:
    """The groups that were started and have not ended once the lines end, those to be stopped first at the front."""
    groups: dict[int, Group] = {}
    for line in lines:
        sign, rank, *rest = line.split()
        if sign == "+":
            groups[int(rank)] = Group(int(rest[0]), int(rest[1]), float(rest[2]))
        else:
            groups.pop(int(rank), None)
    return [groups[rank] for rank in sorted(groups, reverse=True)]


def end(group: Group) -> None:
    """Stop a group by its leader, and kill what is left of it when the leader is gone or its time is up."""
    _signal(os.kill, group.pid, group.stop_signal)
    deadline = time.monotonic() + group.grace
    while _runs(group.pid) and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
    _signal(os.killpg, group.pid, signal.SIGKILL)


def _signal(send: Callable[[int, int], None], pid: int, number: int) -> bool:
    try:
        send(pid, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def _runs(pid: int) -> bool:
    """Whether a process lives. One that is dead and not yet collected by its new parent does not."""
    if sys.platform == "linux":
        try:
            with open(f"/proc/{pid}/stat") as file:  # noqa: PTH123 - pathlib would double the guard's time to start
                return file.read().rpartition(")")[2].split()[0] not in "ZX"
        except OSError:
            return False
    return _signal(os.kill, pid, 0)


def main() -> None:
    """Watch over the groups named on standard input until it ends, then end them."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    for group in groups_alive(sys.stdin):
        end(group)


if __name__ == "__main__":
    main()
