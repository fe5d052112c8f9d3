"""Sends being planned side by side, and those whose planning failed, which are tried again and hold up no others.

A send whose planning fails is not kept hold of in the stream, where it would keep others from being read. The agenda
tells of it as long as it has no audience, also to the next process where this one ends.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

from tocsin.eventlog.record import Record
from tocsin.eventlog.unit import VersionConflict
from tocsin.eventlog.watchdog import watched
from tocsin.projections.agenda import unplanned
from tocsin.projections.audience import TooEarly
from tocsin.workers.planner import Interrupted, Planner
from tocsin.workers.runtime import DATABASE_AWAY, RETRY_EVERY, note_absence
from tocsin.workers.setbacks import Setbacks

log = logging.getLogger(__name__)

AT_A_TIME = 4
"""Sends planned side by side, so that an alarm does not wait until a newsletter's audience is frozen."""

AGAIN_AT_A_TIME = 2
"""On threads of their own, so that however many cannot be planned, those that can never wait for them."""

LOOK_AGAIN = 0.01

LOOK_FOR_OVERDUE_EVERY = 15.0
OVERDUE_AT_ONCE = 100


class Attempts:
    """Plans sends on threads until ``stop`` is set. Every method but ``close`` may be called from any thread."""

    def __init__(self, planner: Planner, record: Record, stop: threading.Event) -> None:
        self._planner = planner
        self._record = record
        self._stop = stop
        self._first = ThreadPoolExecutor(AT_A_TIME, thread_name_prefix="plan")
        self._again = ThreadPoolExecutor(AGAIN_AT_A_TIME, thread_name_prefix="plan again")
        self._lock = threading.Lock()
        self._under_way: set[UUID] = set()
        self._setbacks: Setbacks[UUID] = Setbacks()
        self._overdue_at = 0.0

    def begin(self, send_id: UUID, tried: Callable[[], None]) -> None:
        """Plan a send that has started. ``tried`` is called once it is planned, or will be looked after here."""
        self._submit(self._first, send_id, tried)

    def go_on(self) -> None:
        """Try again what it is time for, and what lies about planned by nobody. To be called again and again."""
        if time.monotonic() >= self._overdue_at:
            self._overdue_at = time.monotonic() + LOOK_FOR_OVERDUE_EVERY
            self._take_up_overdue()
        with self._lock:
            ready = [send_id for send_id in self._setbacks.ready() if send_id not in self._under_way]
        for send_id in ready:
            self._submit(self._again, send_id, lambda: None)

    def close(self) -> None:
        """Wait for the threads, once ``stop`` is set."""
        self._first.shutdown()
        self._again.shutdown(cancel_futures=True)

    def _take_up_overdue(self) -> None:
        with self._lock:
            known = self._under_way | self._setbacks.known()
        try:
            with self._record.sessions.connection() as connection:
                found = unplanned(connection, OVERDUE_AT_ONCE, known)
        except DATABASE_AWAY as away:
            note_absence(log, "the database is away, looking for overdue sends later", away)
            return
        for send_id in found:
            log.warning("send %s was started a while ago and is not planned", send_id)
            self._submit(self._again, send_id, lambda: None)

    def _submit(self, threads: ThreadPoolExecutor, send_id: UUID, tried: Callable[[], None]) -> None:
        with self._lock:
            is_new = send_id not in self._under_way
            self._under_way.add(send_id)
        if is_new:
            threads.submit(self._carry_out, send_id, tried)
        else:
            tried()

    def _carry_out(self, send_id: UUID, tried: Callable[[], None]) -> None:
        with watched(f"plan {send_id}"):
            planned_or_put_off = self._try(send_id)
        if planned_or_put_off:
            tried()

    def _try(self, send_id: UUID) -> bool:
        """Plan one send; False where the process stopped before that was tried."""
        pause = 0.0
        while not self._stop.wait(pause):
            try:
                self._planner.plan(send_id)
            except TooEarly:
                pause = LOOK_AGAIN
            except Interrupted:
                return False
            except VersionConflict:
                log.info("send %s was stopped, or another planner is at it", send_id)
                self._put_off(send_id)
                return True
            except DATABASE_AWAY as away:
                note_absence(log, "the database is away, planning again", away)
                pause = RETRY_EVERY
            except Exception:
                self._fail(send_id)
                return True
            else:
                with self._lock:
                    self._under_way.discard(send_id)
                    self._setbacks.forget(send_id)
                return True
        return False

    def _fail(self, send_id: UUID) -> None:
        log.exception("send %s cannot be planned, trying again in %.0f s", send_id, self._put_off(send_id))

    def _put_off(self, send_id: UUID) -> float:
        with self._lock:
            self._under_way.discard(send_id)
            return self._setbacks.note(send_id)
