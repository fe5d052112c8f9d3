"""What every worker process has in common: it outlives a database that is away for a while."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

import psycopg
from eventsourcing.persistence import OperationalError
from psycopg.errors import UndefinedTable
from psycopg_pool import PoolTimeout

from tocsin.domain.errors import Unavailable
from tocsin.eventlog.watchdog import watched

log = logging.getLogger(__name__)

DATABASE_AWAY = (
    OperationalError,
    Unavailable,
    psycopg.OperationalError,
    psycopg.InterfaceError,
    PoolTimeout,
    UndefinedTable,
)
"""What a statement, an append or a command raises while the database cannot be reached, has ended the session, or has
no read models yet because no projector has ever run. What it refuses for its content (``Unacceptable``) is not among
them: that would be refused again."""

RETRY_EVERY = 0.5


def note_absence(log: logging.Logger, consequence: str, away: Exception) -> None:
    """Log one of ``DATABASE_AWAY``. That the read models are not made yet is no fault: the projector is starting."""
    if isinstance(away, UndefinedTable):
        log.info("%s: the read models are not made yet", consequence)
    else:
        log.warning("%s: %s", consequence, str(away).strip().partition("\n")[0])


def persist(name: str, stop: threading.Event, turn: Callable[[], float]) -> None:
    """Call ``turn`` until ``stop`` is set, each time after the seconds the last call asked for.

    While the database is away it keeps trying. The thread is watched over as ``name``. Raises whatever else ``turn``
    raises.
    """
    pause = 0.0
    with watched(name):
        while not stop.wait(pause):
            try:
                pause = turn()
            except DATABASE_AWAY as away:
                note_absence(log, "the database is away, trying again", away)
                pause = RETRY_EVERY
