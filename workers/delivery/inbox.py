"""Due chunks on their way from the threads that read the work topics to the one that claims."""

from __future__ import annotations

import threading
from collections import deque

from tocsin.domain.lanes import LANES
from tocsin.workers.intake import Task


class Inbox:
    """Work records by lane."""

    def __init__(self) -> None:
        self._waiting: dict[str, deque[Task]] = {lane: deque() for lane in LANES}
        self._arrived = threading.Event()

    def put(self, lane: str, task: Task) -> None:
        """Add one, and wake whoever waits."""
        self._waiting[lane].append(task)
        self._arrived.set()

    def take(self, lane: str) -> Task | None:
        """The oldest of a lane."""
        try:
            return self._waiting[lane].popleft()
        except IndexError:
            return None

    def wait(self, timeout: float) -> None:
        """Return when something has arrived since the last call, at the latest after ``timeout`` seconds."""
        self._arrived.wait(timeout)
        self._arrived.clear()
