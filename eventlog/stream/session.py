"""A database session that proves its process alive: what it locked is free again when the process dies or freezes."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable

import psycopg
from psycopg import sql

from tocsin.eventlog import database

logger = logging.getLogger(__name__)

CONNECTION_LOST = (psycopg.OperationalError, psycopg.InterfaceError)
"""What a statement raises when the server went away or ended the session."""

FROZEN_AFTER = 5.0
PING_EVERY = 1.0


class Session:
    """One autocommitting connection, pinged in the background.

    The server closes it ``FROZEN_AFTER`` seconds after the last ping: session-level advisory locks are released then
    without any help from the process. The connection must reach the server itself or a pooler in session mode.
    """

    def __init__(self, database_url: str, name: str, is_alive: Callable[[], bool] = lambda: True) -> None:
        """Connect as ``name`` (shown in ``pg_stat_activity``); pings stop once ``is_alive`` answers false."""
        self.connection = connect(database_url, name)
        self.connection.execute(sql.SQL("set idle_session_timeout = {}").format(int(FROZEN_AFTER * 1000)))
        self._is_alive = is_alive
        self._closed = threading.Event()
        self._pings = threading.Thread(target=self._ping, name=f"{name} ping", daemon=True)
        self._pings.start()

    def _ping(self) -> None:
        while not self._closed.wait(PING_EVERY):
            if not self._is_alive():
                continue
            try:
                self.connection.execute("select")
            except CONNECTION_LOST:
                return

    def close(self, farewell: str | None = None) -> None:
        """Release every lock at once and disconnect; ``farewell`` names a channel to notify in between."""
        self._closed.set()
        with contextlib.suppress(*CONNECTION_LOST):
            self.connection.execute("select pg_advisory_unlock_all()")
            if farewell is not None:
                self.connection.execute("select pg_notify(%s, '')", (farewell,))
        self.connection.close()
        self._pings.join()


def connect(database_url: str, name: str) -> psycopg.Connection:
    """An autocommitting connection that notices a vanished server within half a minute."""
    return database.connect(
        database_url,
        application_name=name[:63],
        keepalives_idle=10,
        keepalives_interval=5,
        keepalives_count=3,
        tcp_user_timeout=20_000,
    )
