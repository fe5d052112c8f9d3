"""A pool at work: the requests that wait for their turn, and the connections they go out on."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

import pycurl

from tocsin.workers.providers.connections import Connections, Waiting, unsent
from tocsin.workers.providers.exchange import HttpResult, Pool

log = logging.getLogger(__name__)

NO_WAY = frozenset({"resolve", "connect", "tls", "certificate"})
"""Causes for which no connection can be had."""


class Pools:
    """The pools of one credential: a lane's is made when it is first needed, and stays the same."""

    def __init__(self, make: Callable[[str], Pool]) -> None:
        self._make = make
        self._by_lane: dict[str, Pool] = {}

    def of(self, lane: str) -> Pool:
        """The pool of ``lane``."""
        pool = self._by_lane.get(lane)
        if pool is None:
            pool = self._by_lane[lane] = self._make(lane)
        return pool


class Traffic:
    """Everything of one pool to one host, on the transport's thread.

    Connections on which nothing is answered any more get no new requests: a new set takes their place, and they are
    closed when the last of theirs has ended.
    """

    def __init__(self, pool: Pool, connect: Callable[[], Connections]) -> None:
        self._pool = pool
        self._connect = connect
        self._waiting: deque[Waiting] = deque()
        self._current = connect()
        self._leaving: list[Connections] = []
        self.last_used = time.monotonic()

    @property
    def busy(self) -> bool:
        """Whether a request is under way or waits for its turn."""
        return bool(self._waiting or self._current or self._leaving)

    @property
    def proven(self) -> bool:
        """Whether the connections in use have ever given an answer."""
        return self._current.last_answer is not None

    @property
    def wake_at(self) -> float | None:
        """Monotonic seconds at which ``start`` and ``run_timers`` must be called, None for never."""
        due = [at for connections in (self._current, *self._leaving) if (at := connections.wake_at) is not None]
        if self._waiting:
            due.append(self._waiting[0].deadline)
        return min(due) if due else None

    def add(self, waiting: Waiting) -> None:
        """Queue a request; ``start`` begins as many as the pool may have in flight."""
        self._waiting.append(waiting)

    def start(self) -> Iterator[tuple[Any, HttpResult]]:
        """Begin waiting requests. Yields (sink, result) for those that cannot begin any more."""
        now = time.monotonic()
        if self._waiting and self._current.hung_up():
            self._replace()
        while self._waiting and (self._current.has_room or self._waiting[0].deadline <= now):
            waiting = self._waiting.popleft()
            self.last_used = now
            if waiting.deadline <= now:
                yield waiting.sink, unsent(waiting.tag, "timeout", "the time-out passed before it was its turn")
                continue
            try:
                self._current.begin(waiting, waiting.deadline - now)
            except (pycurl.error, ValueError, TypeError) as refused:
                # A request libcurl will not even take must not end the thread that carries all the others.
                yield waiting.sink, unsent(waiting.tag, "invalid", f"not a request that can be sent: {refused}")

    def _replace(self) -> None:
        self._leaving.append(self._current)
        self._current = self._connect()

    def run_timers(self, now: float) -> None:
        """Let libcurl do what is due at ``now`` (monotonic seconds)."""
        for connections in (self._current, *self._leaving):
            connections.run_timer(now)

    def finished(self) -> Iterator[tuple[Any, HttpResult]]:
        """(sink, result) of every transfer that has ended since the last call."""
        for connections in (self._current, *self._leaving):
            for sink, result in connections.finished():
                yield sink, result
                if result.cause in NO_WAY and not self._current.trusted:
                    yield from self._give_up(result)
        if self._current.stalled:
            log.warning("%s: no answers on its connections any more, opening new ones", self._pool.owner)
            self._replace()
        for connections in [left for left in self._leaving if not left]:
            self._leaving.remove(connections)
            connections.close()

    def _give_up(self, result: HttpResult) -> Iterator[tuple[Any, HttpResult]]:
        """What kept one request from being sent keeps those that wait for it as well; they need not all try."""
        while self._waiting:
            waiting = self._waiting.popleft()
            yield waiting.sink, unsent(waiting.tag, result.cause, result.error)

    def close(self) -> Iterator[tuple[Any, HttpResult]]:
        """Drop every connection. Yields (sink, result) of what had not ended: sent is in doubt, waiting is not sent."""
        for connections in (self._current, *self._leaving):
            yield from connections.finished()
            yield from connections.abort()
            connections.close()
        while self._waiting:
            waiting = self._waiting.popleft()
            yield waiting.sink, unsent(waiting.tag, "closed", "the transport was closed")
