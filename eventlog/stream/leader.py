"""One leader among the processes that ask for the same office."""

from __future__ import annotations

import hashlib

from psycopg import sql

from tocsin.eventlog.stream.session import Session


class Leadership:
    """An office held by at most one process: an advisory lock on a session that ends when the process freezes.

    A leader that was frozen may not know yet that it was deposed, so what it writes must be fenced as well, by a
    compare-and-set that its successor has made impossible.
    """

    def __init__(self, database_url: str, office: str, wake: str) -> None:
        """Connect; ``wake`` names the channel that ends a ``wait``."""
        digest = hashlib.sha256(f"tocsin {office}".encode()).digest()
        self._lock = int.from_bytes(digest[:8], signed=True)
        self._session = Session(database_url, f"tocsin {office}")
        self._session.connection.execute(sql.SQL("listen {}").format(sql.Identifier(wake)))

    def acquire(self) -> bool:
        """Whether this process leads now. Ask again from time to time while it does not."""
        row = self._session.connection.execute("select pg_try_advisory_lock(%s)", (self._lock,)).fetchone()
        return row is not None and bool(row[0])

    def wait(self, timeout: float) -> None:
        """Return when there is news on the channel, at the latest after ``timeout`` seconds.

        Raises one of ``CONNECTION_LOST`` when the session has ended and the office with it.
        """
        for _ in self._session.connection.notifies(timeout=timeout, stop_after=1):
            pass

    def close(self) -> None:
        """Lay the office down."""
        self._session.close()
