"""The planner as a process: it consumes the record's events for sends that start, and plans several at a time."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from uuid import UUID

from tocsin.domain.audience import Audience
from tocsin.domain.catalog import NAMES
from tocsin.domain.events.send import SendStarted
from tocsin.eventlog.record import Record
from tocsin.eventlog.stream.port import EVENTS, Stream
from tocsin.eventlog.unit import VersionConflict
from tocsin.projections.audience import AudienceRow, TooEarly, resolve
from tocsin.workers.clock import DatabaseClock
from tocsin.workers.groups import PLANNER
from tocsin.workers.intake import Intake, Task
from tocsin.workers.planner import Interrupted, Planner, Resolve
from tocsin.workers.planning import chunk_size
from tocsin.workers.runtime import DATABASE_AWAY, RETRY_EVERY, note_absence

log = logging.getLogger(__name__)

STARTED = NAMES[SendStarted][0]

AT_A_TIME = 4
"""Sends planned side by side, so that an alarm does not wait until a newsletter's audience is frozen."""

LOOK_AGAIN = 0.01
LONGEST_PAUSE = 30.0


def run_planner(
    record: Record, stream: Stream, stop: threading.Event, *, size: Callable[[int], int] = chunk_size
) -> None:
    """Plan sends as they start, until ``stop`` is set. Raises StaleEpoch where the record was restored."""
    clock = DatabaseClock(record.sessions)
    planner = Planner(record, resolver(record), clock.now, stop.is_set, size)
    with ThreadPoolExecutor(AT_A_TIME, thread_name_prefix="plan") as threads:

        def take(task: Task) -> None:
            threads.submit(_handle, planner, task, stop)

        intake = Intake(
            stream,
            record.sessions,
            EVENTS,
            PLANNER,
            take,
            window=AT_A_TIME * 8,
            limit=5000,
            wanted=lambda event: event.topic == STARTED,
        )
        intake.start()
        while not stop.wait(0.25) and intake.fault is None:
            pass
        stop.set()
        intake.close()
    if intake.fault is not None:
        raise intake.fault


def resolver(record: Record) -> Resolve:
    """How a planner finds audiences: in the read model, over sessions of the record's."""

    @contextmanager
    def resolved(app_id: UUID, audience: Audience, as_of: int) -> Iterator[Iterable[AudienceRow]]:
        with record.sessions.connection() as connection:
            rows = resolve(connection, app_id, audience, as_of, record.keyring.digest)
            assert isinstance(rows, Generator)
            # The transaction of its cursor must not outlive the loan of the session.
            with closing(rows):
                yield rows

    return resolved


def _handle(planner: Planner, task: Task, stop: threading.Event) -> None:
    """Plan one send, however often it takes: its task stays unfinished until it is planned."""
    failures = 0
    pause = 0.0
    while not stop.wait(pause):
        try:
            planner.plan(task.event.originator_id)
        except TooEarly:
            pause = LOOK_AGAIN
        except Interrupted:
            return
        except VersionConflict:
            log.info("send %s was stopped, or another planner is at it", task.event.originator_id)
            pause = RETRY_EVERY
        except DATABASE_AWAY as away:
            note_absence(log, "the database is away, planning again", away)
            pause = RETRY_EVERY
        except Exception:
            log.exception("send %s cannot be planned, trying again", task.event.originator_id)
            failures += 1
            pause = min(RETRY_EVERY * (1 << failures), LONGEST_PAUSE)
        else:
            task.finish()
            return
