"""The database's time, which all leases and appointments are kept by, without asking for it at every step."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

from psycopg import Connection
from psycopg_pool import ConnectionPool

ASK_EVERY = 10.0


class DatabaseClock:
    """Tells the database's time to within a round trip. Threads share it."""

    def __init__(self, sessions: ConnectionPool[Connection[Any]]) -> None:
        self._sessions = sessions
        self._asked_at = float("-inf")
        self._offset = 0.0

    def now(self) -> datetime:
        """The time in UTC; asks the database again every ``ASK_EVERY`` seconds."""
        if time.monotonic() - self._asked_at > ASK_EVERY:
            self._ask()
        return datetime.fromtimestamp(time.monotonic() + self._offset, UTC)

    def _ask(self) -> None:
        with self._sessions.connection() as connection:
            before = time.monotonic()
            row = connection.execute("select clock_timestamp()").fetchone()
            after = time.monotonic()
        assert row is not None
        self._offset = row[0].timestamp() - (before + after) / 2
        self._asked_at = after
