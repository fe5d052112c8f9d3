"""Connections to PostgreSQL, each acting as the application's restricted role whoever logged in."""

from __future__ import annotations

import logging
import select
import threading
from typing import Any
from weakref import WeakSet

import psycopg
from psycopg import Connection
from psycopg.pq import TransactionStatus
from psycopg_pool import ConnectionPool

logger = logging.getLogger(__name__)

ROLE = "tocsin_app"
WRITE_TIMEOUT = 5
"""Seconds a writer may hold the head's lock once it has it, and seconds it waits for it before it looks who does."""

CONNECT_SECONDS = 5
"""How long a caller waits for a session before it is told that the database is away."""

# A host that vanished answers nothing at all: without these a caller would wait for it for hours.
_PATIENCE = {
    "connect_timeout": CONNECT_SECONDS,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
}

# A session that waits for its client in the middle of a COPY minds no time-out of the server's own: it acts on being
# terminated and nothing else (ProcessClientReadInterrupt in postgres.c). Whoever waits for it has to do that. Sessions
# that wait for the lock themselves, or work, wait for something other than their client.
_END_FROZEN_WRITER = """
    select pid, pg_terminate_backend(pid) from pg_stat_activity
    where wait_event_type = 'Client'
      and state_change < clock_timestamp() - current_setting('tocsin.holding_time')::interval
      and pid in (select l.pid from pg_locks l join pg_database d on d.oid = l.database
                  where d.datname = current_database() and l.relation = 'record.head'::regclass and l.granted
                    and l.mode in ('RowShareLock', 'RowExclusiveLock'))
"""


_lock = threading.Lock()
_sessions: WeakSet[Connection[Any]] = WeakSet()


def sessions_at_work() -> list[int]:
    """Of this process's sessions those with a statement under way now, each by a number of its own while it lasts."""
    with _lock:
        return [id(one) for one in _sessions if one.pgconn.transaction_status == TransactionStatus.ACTIVE]


def configure(connection: Connection[Any], *, write_timeout: float | None = None) -> None:
    """Put a new session into the state all of Tocsin's code counts on: autocommit, UTC, the restricted role."""
    with _lock:
        _sessions.add(connection)
    connection.autocommit = True
    connection.execute(f"set role {ROLE}".encode())
    connection.execute("set timezone to 'UTC'")
    connection.execute("set search_path to ''")
    if write_timeout is not None:
        milliseconds = int(write_timeout * 1000)
        connection.execute(f"set lock_timeout to {milliseconds}".encode())
        connection.execute(f"set tocsin.holding_time to '{milliseconds}ms'".encode())


def connect(database_url: str, *, write_timeout: float | None = None, **parameters: Any) -> Connection[Any]:
    """One connection of one's own. ``write_timeout``: seconds a transaction may last, for sessions that append.

    ``parameters`` are libpq's (``application_name``, ``keepalives``, …).
    """
    connection = psycopg.connect(database_url, **{**_PATIENCE, **parameters})
    configure(connection, write_timeout=write_timeout)
    return connection


def end_frozen_writer(connection: Connection[Any]) -> list[int]:
    """End the session that holds the head's lock while its client stands still; the processes ended, by their number.

    ``connection`` is one made with a ``write_timeout``: that is how long standing still is suffered.
    """
    with connection.transaction():
        # A session may end those of the role that logged in, which all of Tocsin's do, and not the restricted role's.
        connection.execute("set local role none")
        ended = [pid for pid, done in connection.execute(_END_FROZEN_WRITER.encode()) if done]
    for pid in ended:
        logger.warning("ended a writer's session that stood still with the record locked (server process %d)", pid)
    return ended


def pool(
    database_url: str, *, size: int, write_timeout: float | None = None, name: str = "tocsin"
) -> ConnectionPool[Connection[Any]]:
    """A pool of at most ``size`` connections, opened as they are needed; one that the server ended is not given out."""

    def configure_session(connection: Connection[Any]) -> None:
        configure(connection, write_timeout=write_timeout)

    return ConnectionPool(
        database_url,
        min_size=0,
        max_size=size,
        open=True,
        configure=configure_session,
        check=_check,
        kwargs={**_PATIENCE, "application_name": name},
        name=name,
        timeout=CONNECT_SECONDS,
        # It pauses longer after each failure, for five minutes if let, and nobody else tries meanwhile: a database
        # that is back would stay unused for as long again as it was away.
        reconnect_timeout=CONNECT_SECONDS,
    )


def _check(connection: Connection[Any]) -> None:
    """Raises OperationalError for a session that is no more.

    While it rests the server says nothing but its farewell: only where there is something to read it has to be asked,
    which for a short statement costs as much again as the statement.
    """
    poll = select.poll()
    poll.register(connection, select.POLLIN)
    if poll.poll(0):
        ConnectionPool.check_connection(connection)
