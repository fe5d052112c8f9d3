"""Connections to PostgreSQL, each acting as the application's restricted role whoever logged in."""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg import Connection
from psycopg_pool import ConnectionPool

ROLE = "tocsin_app"
WRITE_TIMEOUT = 5
"""Seconds after which the server ends a writer's transaction, and with it the lock a frozen writer would hold."""


def configure(connection: Connection[Any], *, write_timeout: float | None = None) -> None:
    """Put a new session into the state all of Tocsin's code counts on: autocommit, UTC, the restricted role."""
    connection.autocommit = True
    connection.execute(f"set role {ROLE}".encode())
    connection.execute("set timezone to 'UTC'")
    connection.execute("set search_path to ''")
    if write_timeout is not None:
        milliseconds = int(write_timeout * 1000)
        connection.execute(f"set transaction_timeout to {milliseconds}".encode())
        connection.execute(f"set lock_timeout to {milliseconds}".encode())


def connect(database_url: str, *, write_timeout: float | None = None, **parameters: Any) -> Connection[Any]:
    """One connection of one's own. ``write_timeout``: seconds a transaction may last, for sessions that append.

    ``parameters`` are libpq's (``application_name``, ``keepalives``, …).
    """
    connection = psycopg.connect(database_url, **{"connect_timeout": 5, **parameters})
    configure(connection, write_timeout=write_timeout)
    return connection


def pool(
    database_url: str, *, size: int, write_timeout: float | None = None, name: str = "tocsin"
) -> ConnectionPool[Connection[Any]]:
    """A pool of at most ``size`` connections, opened as they are needed and checked before use."""

    def configure_session(connection: Connection[Any]) -> None:
        configure(connection, write_timeout=write_timeout)

    return ConnectionPool(
        database_url,
        min_size=0,
        max_size=size,
        open=True,
        configure=configure_session,
        check=ConnectionPool.check_connection,
        kwargs={"connect_timeout": 5, "application_name": name},
        name=name,
        timeout=10,
    )
