"""The record as a feed: every event in order, and what a chunk's events say of single devices as events of their own.

No read model: it is read from the record by position, so it is complete at once and for ever.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from tocsin.domain.catalog import CATALOG, NAMES, name_of
from tocsin.domain.delivery import DELIVERY_NAMES, UNROLLED, DeliveryFact, unroll
from tocsin.domain.entry import Entry
from tocsin.domain.events.chunk import ChunkPlanned
from tocsin.eventlog.record import Record
from tocsin.eventlog.recorder import select
from tocsin.eventlog.stored import StoredEvent
from tocsin.projections.pages import Conditions

Address = tuple[int, int]
"""Position and index. An event that is not a device's own has the index ``WHOLE``."""

WHOLE = -1

_LAST = 2**31
"""Above every index."""

START: Address = (0, _LAST)

FEED_NAMES = frozenset(CATALOG) - {NAMES[fact][0] for fact in UNROLLED} | frozenset(DELIVERY_NAMES)
"""Every name an event of the feed can have."""

_SCANNED = 20_000
"""Positions looked through for one page: an app with few events among many must not hold a session for long."""

_READ = 100
_REMEMBERED = 256

_UNROLLED_NAMES = frozenset(NAMES[fact][0] for fact in UNROLLED)


@dataclass(frozen=True, slots=True)
class FeedEvent:
    """One event. ``delivery``: what it says of one device, where it is that; ``entry``: the event of the record it is,
    or is a part of."""

    name: str
    entry: Entry
    delivery: DeliveryFact | None = None

    @property
    def address(self) -> Address:
        """By which it can be cited, and after which a page can begin."""
        return self.entry.position, WHOLE if self.delivery is None else self.delivery.index


@dataclass(frozen=True, slots=True)
class FeedPage:
    """``next``: the ``after`` to go on with, at any later time. ``ended``: the record held no more than this. A page
    can be empty and yet not the last."""

    items: tuple[FeedEvent, ...]
    next: Address
    ended: bool


def after_position(position: int) -> Address:
    """The address to begin after in order to leave out everything up to a position."""
    return position, _LAST


class Feed:
    """Reads events for callers. Threads may share one."""

    def __init__(self, record: Record) -> None:
        self._record = record
        self._plans: OrderedDict[UUID, ChunkPlanned] = OrderedDict()
        self._lock = threading.Lock()

    def events(
        self,
        app_id: UUID | None,
        after: Address = START,
        limit: int = 100,
        names: Collection[str] | None = None,
    ) -> FeedPage:
        """At most ``limit`` events of an app (None: of every app) after an address, narrowed to ``names``.

        ``names``: of ``FEED_NAMES``.
        """
        head = self._record.head().position
        stop = min(head, after[0] + _SCANNED)
        found: list[FeedEvent] = []
        reached = after
        while reached < (stop, _LAST):
            stored, position = self._read(app_id, reached, stop, names)
            for event in self._unrolled(stored, after, names):
                if len(found) == limit:
                    return FeedPage(tuple(found), found[-1].address, ended=False)
                found.append(event)
            reached = after_position(position)
        return FeedPage(tuple(found), max(after, reached), ended=stop == head)

    def history(self, stream_id: UUID, *, after: int = 0, limit: int = 100) -> list[FeedEvent]:
        """The events of one stream from the version above ``after``, at most ``limit`` of the record's own."""
        stored = self._record.recorder.select_events(stream_id, gt=after, limit=limit)
        return list(self._unrolled(stored, START, None))

    def _read(
        self, app_id: UUID | None, after: Address, stop: int, names: Collection[str] | None
    ) -> tuple[Sequence[StoredEvent], int]:
        """The next stored events, and the position up to which none is left out."""
        conditions = Conditions(["position >= %s", "position <= %s"], [after[0] + (after[1] == _LAST), stop])
        conditions.add(app_id, "app_id = %s")
        conditions.add(_stored_names(names), "type = any(%s)")
        with self._record.sessions.connection() as connection:
            found = select(connection, f"{conditions.where} order by position limit {_READ}", conditions.parameters)
            stored = list(found)
        return stored, stored[-1].position if len(stored) == _READ else stop

    def _unrolled(
        self, stored: Sequence[StoredEvent], after: Address, names: Collection[str] | None
    ) -> Iterator[FeedEvent]:
        entries = self._record.codec.decode(stored)
        plans = self._plans_of({entry.originator_id for entry in entries if isinstance(entry.fact, UNROLLED)})
        for entry in entries:
            for event in _events(entry, plans):
                if event.address > after and (names is None or event.name in names):
                    yield event

    def _plans_of(self, chunk_ids: set[UUID]) -> Mapping[UUID, ChunkPlanned]:
        """The plans that indices refer to: a chunk's first event."""
        with self._lock:
            plans = {chunk_id: self._plans[chunk_id] for chunk_id in chunk_ids if chunk_id in self._plans}
        if missing := chunk_ids - plans.keys():
            with self._record.sessions.connection() as connection:
                stored = list(select(connection, "where stream_id = any(%s) and stream_version = 1", [list(missing)]))
            found = {entry.originator_id: entry.fact for entry in self._record.codec.decode(stored)}
            plans |= {chunk_id: fact for chunk_id, fact in found.items() if isinstance(fact, ChunkPlanned)}
            self._remember(plans)
        return plans

    def _remember(self, plans: Mapping[UUID, ChunkPlanned]) -> None:
        with self._lock:
            self._plans.update(plans)
            while len(self._plans) > _REMEMBERED:
                self._plans.popitem(last=False)


def _stored_names(names: Iterable[str] | None) -> list[str] | None:
    """The types to read in order to find events of these names."""
    if names is None:
        return None
    wanted = set(names)
    return sorted((wanted & CATALOG.keys()) | (_UNROLLED_NAMES if wanted & set(DELIVERY_NAMES) else set()))


def _events(entry: Entry, plans: Mapping[UUID, ChunkPlanned]) -> Iterator[FeedEvent]:
    if not isinstance(entry.fact, UNROLLED):
        yield FeedEvent(name_of(entry.fact), entry)
        return
    for fact in sorted(unroll(entry, plans[entry.originator_id]), key=lambda fact: fact.index):
        yield FeedEvent(fact.name, entry, fact)
