"""The connection pools of one credential: one for each lane."""

from __future__ import annotations

from collections.abc import Callable

from tocsin.workers.providers.exchange import Pool


class Pools:
    """Makes a lane's pool when it is first needed, and always gives the same one."""

    def __init__(self, make: Callable[[str], Pool]) -> None:
        self._make = make
        self._by_lane: dict[str, Pool] = {}

    def of(self, lane: str) -> Pool:
        """The pool of ``lane``."""
        pool = self._by_lane.get(lane)
        if pool is None:
            pool = self._by_lane[lane] = self._make(lane)
        return pool
