"""Reading one's own writes: waiting until read models have passed a position."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg import Connection
from psycopg_pool import ConnectionPool

from tocsin.projections import cursors
from tocsin.projections.cursors import CHANNEL, News, Places
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


@dataclass(frozen=True, slots=True, eq=False)
class _Write:
    """A write that these schemas had not passed at ``since``. ``over``: there is nothing more to wait for."""

    position: int
    wanted: Sequence[str]
    since: float
    over: threading.Event = field(default_factory=threading.Event)


class Waiter:
    """Lets any number of threads wait for read models; one thread listens, and only while somebody wants to know."""

    def __init__(self, sessions: ConnectionPool[Connection[Any]]) -> None:
        self._sessions = sessions
        self._lock = threading.Lock()
        self._wanted = threading.Condition(self._lock)
        self._places: Places = {}
        self._positions: dict[str, int] = {}
        self._waiting: set[_Write] = set()
        self._wanted_at = 0.0
        self._unseen: deque[_Write] = deque(maxlen=_REMEMBERED)
        self._closed = False
        self._looker: threading.Thread | None = None

    def wait_for(self, position: int, names: Sequence[str], timeout: float = 2.0) -> bool:
        """Wait at most ``timeout`` seconds until these read models have passed ``position``; whether they have.

        Where one is more than half a second behind with earlier writes, it answers False without waiting: a write is
        done when it is recorded, and a projector that lags is not to slow the writers down.
        """
        wanted = schemas(names)
        with self._lock:
            if self._has_passed(position, wanted):
                return True
            behind = self._behind(wanted)
            write = _Write(position, wanted, time.monotonic())
            self._wanted_at = write.since
            self._unseen.append(write)
            if behind or self._closed:
                return False
            self._waiting.add(write)
            self._start()
        write.over.wait(timeout)
        with self._lock:
            self._waiting.discard(write)
            return self._has_passed(position, wanted)

    def behind(self, names: Sequence[str]) -> bool:
        """Whether one of these read models has not passed a write that was waited for more than half a second ago."""
        with self._lock:
            return self._behind(schemas(names))

    def _behind(self, wanted: Sequence[str]) -> bool:
        due = time.monotonic() - BEHIND_SECONDS
        return any(write.since < due and not set(write.wanted).isdisjoint(wanted) for write in self._unseen)

    def _has_passed(self, position: int, wanted: Iterable[str]) -> bool:
        return all(self._positions.get(schema, -1) >= position for schema in wanted)

    def _start(self) -> None:
        if self._looker is None:
            self._looker = threading.Thread(target=self._look_on, name="wait for projections", daemon=True)
            self._looker.start()
        self._wanted.notify()

    def _look_on(self) -> None:
        while not self._closed:
            with self._lock:
                while not (self._waiting or self._unseen or self._closed):
                    self._wanted.wait()
            try:
                self._look_while_wanted()
            except psycopg.Error as error:
                logger.warning("the read models' cursors cannot be read: %s", str(error).strip())
                time.sleep(_RETRY_SECONDS)

    def _look_while_wanted(self) -> None:
        with self._sessions.connection() as connection, _listening(connection):
            self._look(connection)
            while self._is_wanted() and not self._closed:
                told = [cursors.heard(one.payload) for one in connection.notifies(timeout=LOOK_SECONDS, stop_after=1)]
                if told and all(told):
                    self._take_note([news for each in told for news in each])
                else:
                    self._look(connection)

    def _is_wanted(self) -> bool:
        return bool(self._waiting or self._unseen) or time.monotonic() < self._wanted_at + LINGER_SECONDS

    def _look(self, connection: Connection[Any]) -> None:
        found = cursors.places(connection)
        with self._lock:
            self._places = found
            self._positions = {schema: min(places.values()) for schema, places in found.items()}
            self._tell()

    def _take_note(self, news: News) -> None:
        """Of moves as they are told; what is older than the last look may come after it."""
        with self._lock:
            for position, moved, partitions in news:
                for schema in moved:
                    places = self._places.setdefault(schema, {})
                    places.update({one: max(position, places.get(one, position)) for one in partitions})
                    self._positions[schema] = min(places.values())
            self._tell()

    def _tell(self) -> None:
        """Wake those who waited for this, and no others."""
        for write in self._waiting:
            if self._has_passed(write.position, write.wanted):
                write.over.set()
        unseen = (write for write in self._unseen if not self._has_passed(write.position, write.wanted))
        self._unseen = deque(unseen, maxlen=_REMEMBERED)

    def close(self) -> None:
        """Stop looking; whoever still waits is answered at once."""
        with self._lock:
            self._closed = True
            for write in self._waiting:
                write.over.set()
            self._wanted.notify()
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
