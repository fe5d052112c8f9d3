"""The planner as a process: it consumes the record's events for sends that start, and plans several at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing, contextmanager
from uuid import UUID

from tocsin.domain.audience import Audience
from tocsin.domain.catalog import NAMES
from tocsin.domain.events.send import SendStarted
from tocsin.eventlog.record import Record
from tocsin.eventlog.stream.port import EVENTS, Stream
from tocsin.eventlog.watchdog import watched
from tocsin.projections.audience import AudienceRow, resolve
from tocsin.workers.attempts import AT_A_TIME, Attempts
from tocsin.workers.clock import DatabaseClock
from tocsin.workers.groups import PLANNER
from tocsin.workers.intake import Intake
from tocsin.workers.planner import Planner, Resolve
from tocsin.workers.planning import chunk_size

STARTED = NAMES[SendStarted][0]

LOOK_EVERY = 0.25


def run_planner(
    record: Record, stream: Stream, stop: threading.Event, *, size: Callable[[int], int] = chunk_size
) -> None:
    """Plan sends as they start, until ``stop`` is set. Raises StaleEpoch where the record was restored."""
    clock = DatabaseClock(record.sessions)
    planner = Planner(record, resolver(record), clock.now, stop.is_set, size)
    with closing(Attempts(planner, record, stop)) as attempts:
        intake = Intake(
            stream,
            record.sessions,
            EVENTS,
            PLANNER,
            lambda task: attempts.begin(task.event.originator_id, task.finish),
            window=AT_A_TIME * 8,
            limit=5000,
            wanted=lambda event: event.topic == STARTED,
        )
        intake.start()
        with watched("planner"):
            while not stop.wait(LOOK_EVERY) and intake.fault is None:
                attempts.go_on()
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
