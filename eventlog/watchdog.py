"""Signs of life of a process: it tells its supervisor that it runs, and ends itself where one of its threads is stuck.

Busy is not stuck, and a false alarm is worse than none. A thread that is watched wakes by itself every few seconds
whatever happens, so one that has used no processor time at all for ``STUCK_AFTER`` looks waits for something that does
not come. It may be the database, which may take as long as it likes: while a statement has been under way for most of
that time, nobody is stuck. Looks are counted, not seconds: a machine that sleeps or stands still lets nobody look.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from tocsin.eventlog.database import sessions_at_work

logger = logging.getLogger(__name__)

VARIABLE = "TOCSIN_SIGNS_OF_LIFE"
"""Names the descriptor of a supervisor's pipe to a process that is started by one."""

SIGN, READY = b".", b"!"
"""What goes through that pipe: the process lives; it has come up."""

LOOK_EVERY = 1.0
STUCK_AFTER = 300
"""Looks."""

STUCK_STATUS = 70
"""The exit status of a process that ended itself because it was stuck (``EX_SOFTWARE`` in sysexits.h)."""


@dataclass(slots=True, eq=False)
class _Watched:
    """A thread: since how many looks it has not moved, and up to which of them that was the database's doing."""

    name: str
    clock: int
    used: float = -1.0
    still: int = 0
    excused: int = 0


_lock = threading.Lock()
_threads: list[_Watched] = []


@contextmanager
def watched(name: str) -> Iterator[None]:
    """Watch over the calling thread meanwhile, which must wake by itself every few seconds, if only to look around.

    Where the system tells no thread's processor time (macOS), nobody is watched.
    """
    if not hasattr(time, "pthread_getcpuclockid"):
        yield
        return
    thread = _Watched(name, time.pthread_getcpuclockid(threading.get_ident()))
    with _lock:
        _threads.append(thread)
    try:
        yield
    finally:
        with _lock:
            _threads.remove(thread)


def watched_now() -> list[str]:
    """The names of the threads that are watched over."""
    with _lock:
        return sorted(thread.name for thread in _threads)


def start() -> None:
    """Give signs of life and look after the threads that are watched, until the process ends."""
    threading.Thread(target=_watch, args=(threading.Event(),), name="watchdog", daemon=True).start()


@contextmanager
def meanwhile() -> Iterator[None]:
    """As ``start``, but only for as long as this lasts: for a process that is about to fork."""
    enough = threading.Event()
    thread = threading.Thread(target=_watch, args=(enough,), name="watchdog", daemon=True)
    thread.start()
    try:
        yield
    finally:
        enough.set()
        thread.join()


def give_sign(sign: bytes = SIGN) -> None:
    """Tell the supervisor, if there is one. Never waits for it."""
    descriptor = os.environ.get(VARIABLE, "")
    if descriptor.isdigit():
        with suppress(OSError):
            os.write(int(descriptor), sign)


def _watch(enough: threading.Event) -> None:
    at_work: dict[int, int] = {}
    while True:
        stuck = _look(at_work)
        if stuck:
            _end(stuck)
        give_sign()
        if enough.wait(LOOK_EVERY):
            return


def _look(at_work: dict[int, int]) -> list[_Watched]:
    """The threads that are stuck. ``at_work``: in how many looks on end a session was found at work."""
    found = {session: at_work.get(session, 0) + 1 for session in sessions_at_work()}
    at_work.clear()
    at_work.update(found)
    longest = max(found.values(), default=0)
    with _lock:
        for thread in _threads:
            _look_at(thread, longest)
        return [thread for thread in _threads if thread.still - thread.excused >= STUCK_AFTER]


def _look_at(thread: _Watched, longest: int) -> None:
    used = time.clock_gettime(thread.clock)
    if used != thread.used:
        thread.used, thread.still, thread.excused = used, 0, 0
        return
    thread.still += 1
    if 2 * longest >= thread.still:
        thread.excused = thread.still


def _end(stuck: list[_Watched]) -> None:
    logger.critical(
        "%s stands still for %.0f s, and the database keeps nobody waiting: this process ends, to be started again. "
        "It stood here:\n%s",
        *(" and ".join(thread.name for thread in stuck), STUCK_AFTER * LOOK_EVERY, _where_everybody_stands()),
    )
    # What is stuck would be waited for at any other end.
    os._exit(STUCK_STATUS)


def _where_everybody_stands() -> str:
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    return "".join(
        f"{names.get(ident, ident)}:\n{''.join(traceback.format_stack(frame))}"
        for ident, frame in sys._current_frames().items()
        if ident != threading.get_ident()
    )
