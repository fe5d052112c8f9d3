"""How often one address may call: so many requests in a minute that begins with its first.

Each process counts what it serves itself.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from math import ceil
from typing import cast

from flask import current_app, g

from tocsin.api.dialects.thinkbit.errors import TOO_MANY, Throttled

EXTENSION = "thinkbit-throttle"
WINDOW = 60.0
"""Seconds."""

MOST_ADDRESSES = 10_000


@dataclass(frozen=True, slots=True)
class Allowance:
    """What an address has left. ``seconds``: until it has all again."""

    limit: int
    remaining: int
    seconds: int
    exceeded: bool


class Throttle:
    """Counts by address."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._windows: dict[str, tuple[float, int]] = {}

    def count(self, address: str, limit: int) -> Allowance:
        """Count one more request, unless the limit is reached."""
        now = time.monotonic()
        with self._lock:
            ends, used = self._windows.get(address, (0.0, 0))
            if ends <= now:
                self._make_room(now)
                ends, used = now + WINDOW, 0
            exceeded = used >= limit
            self._windows[address] = ends, used + (not exceeded)
            return Allowance(limit, max(limit - used - 1, 0), ceil(ends - now), exceeded)

    def _make_room(self, now: float) -> None:
        if len(self._windows) >= MOST_ADDRESSES:
            self._windows = {address: window for address, window in self._windows.items() if window[0] > now}
        while len(self._windows) >= MOST_ADDRESSES:
            self._windows.pop(next(iter(self._windows)))


def count(address: str, limit: int) -> None:
    """Count this request. Raises Throttled."""
    g.allowance = allowance = cast(Throttle, current_app.extensions[EXTENSION]).count(address, limit)
    if allowance.exceeded:
        raise Throttled(TOO_MANY, retry_after=allowance.seconds)


def headers() -> dict[str, str]:
    """What the answer to this request says of it; nothing where it was not counted."""
    allowance: Allowance | None = g.get("allowance")
    if allowance is None:
        return {}
    said = {"X-RateLimit-Limit": str(allowance.limit), "X-RateLimit-Remaining": str(allowance.remaining)}
    if allowance.exceeded:
        said["X-RateLimit-Reset"] = str(int(time.time()) + allowance.seconds)
    return said
