"""The database's time, which everything in the record is dated by, without asking for it at every step."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

from psycopg import Connection
from psycopg_pool import ConnectionPool

ASK_EVERY = 10.0

DRIFT = 1e-4
"""Seconds a second by which two machines' clocks may part."""


class DatabaseClock:
    """Tells the database's time: never ahead of it, and behind by no more than a round trip. Threads share it."""

    def __init__(self, sessions: ConnectionPool[Connection[Any]]) -> None:
        self._sessions = sessions
        self._asked_at = float("-inf")
        # Between them lies what the database's clock shows more than the monotonic one of this process.
        self._bounds = float("-inf"), float("inf")

    def now(self) -> datetime:
        """The time in UTC; asks the database again every ``ASK_EVERY`` seconds."""
        if time.monotonic() - self._asked_at > ASK_EVERY:
            self._ask()
        return self.time_of(time.monotonic())

    def time_of(self, moment: float) -> datetime:
        """The time in UTC at a moment that has passed (monotonic seconds), as far as it is known; asks nobody.

        Taken as early as it can have been: what is recorded afterwards is dated no earlier.
        """
        return datetime.fromtimestamp(moment + self._bounds[0], UTC)

    def hear(self, recorded_at: datetime) -> None:
        """The record has come to ``recorded_at``: whatever is done from now on is dated no earlier."""
        lowest, highest = self._bounds
        told = recorded_at.timestamp() - time.monotonic()
        # The record does not follow a clock that is set back, and is ahead of it for a time.
        if lowest < told <= highest:
            self._bounds = told, highest

    def _ask(self) -> None:
        with self._sessions.connection() as connection:
            before = time.monotonic()
            row = connection.execute("select clock_timestamp()").fetchone()
            after = time.monotonic()
        assert row is not None
        told = row[0].timestamp()
        self._bounds = self._narrowed(told - after, told - before, after)
        self._asked_at = after

    def _narrowed(self, lowest: float, highest: float, now: float) -> tuple[float, float]:
        """What the answer leaves possible of what was possible before: one that took long makes it no worse."""
        parted = (now - self._asked_at) * DRIFT
        low, high = max(lowest, self._bounds[0] - parted), min(highest, self._bounds[1] + parted)
        # Nothing in common: one of the clocks was set.
        return (low, high) if low <= high else (lowest, highest)
