"""Streams a worker keeps in memory and brings up to date by what was appended since."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Generic, TypeVar
from uuid import UUID

from tocsin.domain.entry import Entry, Fact
from tocsin.eventlog.record import Record

S = TypeVar("S")


class Followed(Generic[S]):
    """One stream: its state and version as of the last ``refresh``. ``first``: its first entry, once it is known."""

    def __init__(self, record: Record, stream_id: UUID, evolve: Callable[[S | None, Fact], S]) -> None:
        self.stream_id = stream_id
        self.version = 0
        self.state: S | None = None
        self.first: Entry | None = None
        self._record = record
        self._evolve = evolve

    def refresh(self) -> bool:
        """Fold what is new. True if there was anything."""
        events = self._record.recorder.select_events(self.stream_id, gt=self.version)
        self.extend(self._record.codec.decode(events))
        return bool(events)

    def extend(self, entries: list[Entry]) -> None:
        """Fold entries that follow on."""
        for entry in entries:
            self.first = self.first or entry
            self.state = self._evolve(self.state, entry.fact)
            self.version = entry.originator_version


def refresh_all(record: Record, streams: Iterable[Followed[Any]]) -> None:
    """Bring several streams up to date; those never read before in one read."""
    unread: dict[UUID, Followed[Any]] = {}
    for stream in streams:
        if stream.version:
            stream.refresh()
        else:
            unread[stream.stream_id] = stream
    if unread:
        for stream_id, entries in record.load_many(unread).items():
            unread[stream_id].extend(entries)
