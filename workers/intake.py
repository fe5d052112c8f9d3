"""A topic's events as tasks that are finished in any order, with a cursor that never passes an unfinished one."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

from psycopg import Connection
from psycopg_pool import ConnectionPool

from tocsin.eventlog.stored import StoredEvent
from tocsin.eventlog.stream.port import Batch, Consumer, Cursor, Stream
from tocsin.eventlog.watchdog import watched
from tocsin.workers.cursors import Cursors, Superseded
from tocsin.workers.runtime import DATABASE_AWAY, RETRY_EVERY, note_absence

log = logging.getLogger(__name__)

STORE_EVERY = 1.0
"""Seconds between two stores of the cursors. A cursor that is behind costs a second look at finished tasks, no more."""

PATIENCE = 0.25


class Task:
    """One event to be handled. ``finish`` may be called from any thread, once or more."""

    def __init__(self, event: StoredEvent, finished: Callable[[], None]) -> None:
        self.event = event
        self.is_finished = False
        self._finished = finished

    def finish(self) -> None:
        """Let the cursor pass this event."""
        self.is_finished = True
        self._finished()


@dataclass(slots=True)
class _Page:
    """What one poll brought for one partition."""

    cursor: Cursor
    tasks: list[Task] = field(default_factory=list)

    @property
    def is_finished(self) -> bool:
        return all(task.is_finished for task in self.tasks)


class Intake:
    """Reads one topic on a thread of its own and hands every wanted event to ``take``.

    At most about ``window`` tasks are unfinished at a time. ``limit``: events asked for in one poll. What ended the
    thread (StaleEpoch: the record was restored) is kept in ``fault``, for the process to raise.
    """

    def __init__(
        self,
        stream: Stream,
        sessions: ConnectionPool[Connection[Any]],
        topic: str,
        group: str,
        take: Callable[[Task], None],
        *,
        window: int,
        limit: int | None = None,
        wanted: Callable[[StoredEvent], bool] = lambda _: True,
    ) -> None:
        self.topic = topic
        self.fault: Exception | None = None
        self._join: Callable[[], Consumer] = lambda: stream.subscribe(topic, group, self._load)
        self._cursors = Cursors(sessions, group, topic)
        self._take = take
        self._window = window
        self._limit = limit
        self._wanted = wanted
        self._pages: dict[int, deque[_Page]] = {}
        self._stored_at = 0.0
        self._progress = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"intake {topic}", daemon=True)

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    def stop(self) -> None:
        """Read no more; what is unfinished may still be finished until ``close``."""
        self._stopping.set()
        self._progress.set()

    def close(self) -> None:
        """Store the cursors and leave the group."""
        self.stop()
        self._thread.join()

    def _run(self) -> None:
        try:
            with watched(f"intake {self.topic}"):
                while not self._stopping.is_set():
                    self._join_and_consume()
        except Exception as fault:
            # A thread that ends in silence would leave its topic unread while the process looks well.
            log.critical("%s: nothing more is read: %s", self.topic, fault)
            self.fault = fault

    def _join_and_consume(self) -> None:
        try:
            with closing(self._join()) as consumer:
                self._consume(consumer)
        except Superseded as superseded:
            log.info("%s: joining the group again: %s", self.topic, superseded)
        except DATABASE_AWAY as away:
            note_absence(log, f"joining the group on {self.topic} again", away)
            self._stopping.wait(RETRY_EVERY)

    def _consume(self, consumer: Consumer) -> None:
        self._pages.clear()
        while not self._stopping.is_set():
            room = self._window - self._unfinished()
            if room > 0:
                self._open(consumer.poll(PATIENCE, self._limit or room))
                self._forget(consumer.assigned)
            else:
                self._progress.wait(PATIENCE)
                self._progress.clear()
            if time.monotonic() - self._stored_at > STORE_EVERY:
                self._store()
        self._store()

    def _load(self, partitions: Collection[int]) -> Mapping[int, Cursor]:
        for partition in partitions:
            self._pages[partition] = deque()
        return self._cursors.load(partitions)

    def _unfinished(self) -> int:
        return sum(not task.is_finished for pages in self._pages.values() for page in pages for task in page.tasks)

    def _open(self, batches: Sequence[Batch]) -> None:
        for batch in batches:
            tasks = [Task(event, self._progress.set) for event in batch.events if self._wanted(event)]
            self._pages[batch.partition].append(_Page(batch.cursor, tasks))
            for task in tasks:
                self._take(task)

    def _forget(self, assigned: Collection[int]) -> None:
        """Partitions that went to another member: it begins at the stored cursor and finds what is done done."""
        for partition in self._pages.keys() - assigned:
            del self._pages[partition]

    def _store(self) -> None:
        self._stored_at = time.monotonic()
        moved = {}
        for partition, pages in self._pages.items():
            while pages and pages[0].is_finished:
                moved[partition] = pages.popleft().cursor
        if moved:
            self._cursors.move(moved)
