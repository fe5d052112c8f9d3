"""Reading one's own writes: waiting until read models have passed a position."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg import Connection
from psycopg_pool import ConnectionPool

from tocsin.projections.cursors import CHANNEL
from tocsin.projections.registry import schemas

logger = logging.getLogger(__name__)

LOOK_SECONDS = 0.1
"""Between two looks at the cursors where nothing was heard of the projectors."""

LINGER_SECONDS = 2.0
"""How long one who waited for the projectors goes on listening: the next write is seldom far."""

BEHIND_SECONDS = 0.5
"""A read model that needs longer than this for a write is behind, and nobody waits for it."""

_RETRY_SECONDS = 0.1
_REMEMBERED = 1000

_POSITIONS = "select projection, min(position) from projections.cursors group by projection"


class Waiter:
    """Lets any number of threads wait for read models; one thread listens, and only while somebody wants to know."""

    def __init__(self, sessions: ConnectionPool[Connection[Any]]) -> None:
        self._sessions = sessions
        self._changed = threading.Condition()
        self._positions: Mapping[str, int] = {}
        self._waiting = 0
        self._wanted_at = 0.0
        self._unseen: deque[tuple[int, float, tuple[str, ...]]] = deque(maxlen=_REMEMBERED)
        self._closed = False
        self._looker: threading.Thread | None = None

    def wait_for(self, position: int, names: Sequence[str], timeout: float = 2.0) -> bool:
        """Wait at most ``timeout`` seconds until these read models have passed ``position``; whether they have.

        Where one is more than half a second behind with earlier writes, it answers False without waiting: a write is
        done when it is recorded, and a projector that lags is not to slow the writers down.
        """
        wanted = tuple(schemas(names))
        deadline = time.monotonic() + timeout
        with self._changed:
            if self._has_passed(position, wanted):
                return True
            behind = self._behind(wanted)
            self._wanted_at = time.monotonic()
            self._unseen.append((position, self._wanted_at, wanted))
            if behind:
                return False
            return self._wait(position, wanted, deadline)

    def _wait(self, position: int, wanted: Sequence[str], deadline: float) -> bool:
        self._waiting += 1
        self._start()
        self._changed.notify_all()
        try:
            while not self._closed and not self._has_passed(position, wanted):
                left = deadline - time.monotonic()
                if left <= 0:
                    return False
                self._changed.wait(left)
            return self._has_passed(position, wanted)
        finally:
            self._waiting -= 1

    def behind(self, names: Sequence[str]) -> bool:
        """Whether one of these read models has not passed a write that was waited for more than half a second ago."""
        with self._changed:
            return self._behind(schemas(names))

    def _behind(self, wanted: Sequence[str]) -> bool:
        due = time.monotonic() - BEHIND_SECONDS
        return any(since < due and not set(names).isdisjoint(wanted) for _, since, names in self._unseen)

    def _has_passed(self, position: int, wanted: Sequence[str]) -> bool:
        return all(self._positions.get(schema, -1) >= position for schema in wanted)

    def _start(self) -> None:
        if self._looker is None:
            self._looker = threading.Thread(target=self._look_on, name="wait for projections", daemon=True)
            self._looker.start()

    def _look_on(self) -> None:
        while not self._closed:
            with self._changed:
                while not (self._waiting or self._unseen or self._closed):
                    self._changed.wait()
            try:
                self._look_while_wanted()
            except psycopg.Error as error:
                logger.warning("the read models' cursors cannot be read: %s", str(error).strip())
                time.sleep(_RETRY_SECONDS)

    def _look_while_wanted(self) -> None:
        with self._sessions.connection() as connection, _listening(connection):
            while self._is_wanted() and not self._closed:
                self._take_note(_positions(connection))
                _await_news(connection)

    def _is_wanted(self) -> bool:
        return bool(self._waiting or self._unseen) or time.monotonic() < self._wanted_at + LINGER_SECONDS

    def _take_note(self, positions: Mapping[str, int]) -> None:
        with self._changed:
            if positions != self._positions:
                self._positions = positions
                waiting = (one for one in self._unseen if not self._has_passed(one[0], one[2]))
                self._unseen = deque(waiting, maxlen=_REMEMBERED)
                self._changed.notify_all()

    def close(self) -> None:
        """Stop looking; whoever still waits is answered at once."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        if self._looker is not None:
            self._looker.join()


@contextmanager
def _listening(connection: Connection[Any]) -> Iterator[None]:
    connection.execute(f"listen {CHANNEL}".encode())
    try:
        yield
    finally:
        if not connection.closed:
            connection.execute(f"unlisten {CHANNEL}".encode())


def _await_news(connection: Connection[Any]) -> None:
    for _ in connection.notifies(timeout=LOOK_SECONDS, stop_after=1):
        pass


def _positions(connection: Connection[Any]) -> Mapping[str, int]:
    try:
        return dict(connection.execute(_POSITIONS, prepare=True).fetchall())
    except psycopg.errors.UndefinedTable:
        # No projector ever ran.
        return {}
