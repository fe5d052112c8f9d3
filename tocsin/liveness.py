"""Whether a process that was started here still lives, though nobody has seen it end."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from tocsin.eventlog.watchdog import READY, VARIABLE

MOST_AT_ONCE = 0.2
"""Seconds of silence that count between two looks, which are much closer together where all is well."""


class Liveness:
    """The signs of life of one process, heard through a pipe (``tocsin.eventlog.watchdog``).

    A false alarm is worse than none. So silence counts as far as we ourselves were at work, not while the machine
    slept or had no time for us; and one that is silent because it computes, as its processor time tells, is not frozen.
    Of a process that has given no sign yet nothing is said.
    """

    def __init__(self) -> None:
        self._ears, self.voice = os.pipe()
        for descriptor in (self._ears, self.voice):
            os.set_blocking(descriptor, False)
        self.has_come_up = False
        self._has_given_sign = False
        self._silence = 0.0
        self._looked_at = time.monotonic()
        self._processor_time: str | None = None

    @property
    def environment(self) -> Mapping[str, str]:
        """What the process is told of its end of the pipe, the descriptor ``voice``, which it is to inherit."""
        return {VARIABLE: str(self.voice)}

    def leave_to_process(self) -> None:
        """The process was started, or never will be: its end of the pipe is its own."""
        os.close(self.voice)

    def close(self) -> None:
        """The process has ended."""
        os.close(self._ears)

    def listen(self) -> None:
        """Take in what the process has told since the last time. To be called again and again."""
        now = time.monotonic()
        self._silence += min(now - self._looked_at, MOST_AT_ONCE)
        self._looked_at = now
        signs = b""
        with suppress(BlockingIOError):
            signs = os.read(self._ears, 65_536)
        if signs:
            self._has_given_sign = True
            self.has_come_up = self.has_come_up or READY in signs
            self.give_time()

    def give_time(self) -> None:
        """Count anew."""
        self._silence, self._processor_time = 0.0, None

    def is_frozen(self, pid: int, after: float) -> bool:
        """Whether the process was silent through ``after`` seconds, and used no processor time in their second half."""
        if not self._has_given_sign or self._silence < after / 2:
            return False
        if self._processor_time is None:
            self._processor_time = _processor_time(pid)
        if self._silence < after:
            return False
        if _processor_time(pid) == self._processor_time:
            return True
        self.give_time()
        return False


def _processor_time(pid: int) -> str:
    """What all threads of a process have used, to be compared; where the system does not tell, always the same."""
    try:
        # The fields utime and stime; the command's name before them may hold anything (the manual, proc_pid_stat(5)).
        return " ".join(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13])
    except OSError:
        return ""
