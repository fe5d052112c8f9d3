"""The planner: freezes the audience of a send that starts, and divides it into chunks.

Everything it writes follows from the record up to the position of ``send.started``: the same streams by the same ids
with the same devices. A planner that was killed half way and starts again writes what is missing and is refused what
is there, so that nothing has to be remembered in between.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from itertools import chain, islice
from typing import TypeVar
from uuid import UUID

from tocsin.commands.context import Context
from tocsin.commands.engine import Change, envelopes
from tocsin.domain import send
from tocsin.domain.audience import Audience
from tocsin.domain.chunk import PlanChunk
from tocsin.domain.chunk import decide as decide_chunk
from tocsin.domain.entry import Entry, Fact, system
from tocsin.domain.events.chunk import ChunkDue
from tocsin.domain.events.send import DevicesExcluded, SendRequested, SendStarted
from tocsin.domain.identity import chunk_stream_id, exclusions_stream_id
from tocsin.domain.send import FreezeAudience, Send, Status
from tocsin.eventlog.record import Record
from tocsin.eventlog.unit import VersionConflict
from tocsin.projections.audience import AudienceRow
from tocsin.workers.following import Followed
from tocsin.workers.planning import Excluded, Portion, Portions, chunk_size

log = logging.getLogger(__name__)

ACTOR = system("planner")

AT_ONCE = 8
"""A send of at most so many portions is planned in one append, for the sake of the alarm to a few."""

PORTIONS = 16
ANNOUNCEMENTS = 250
"""What one transaction of a larger send holds."""

CHUNKS_A_MINUTE = 6
"""At a pace: how evenly a minute's devices are spread over it."""

T = TypeVar("T")

Resolve = Callable[[UUID, Audience, int], AbstractContextManager[Iterable[AudienceRow]]]
"""(app, audience, position) → the audience as of the position, ordered by provider and device."""


class Interrupted(Exception):
    """The process stops; the next planner goes on."""


@dataclass(frozen=True, slots=True)
class Planner:
    """Plans sends. Threads share it.

    ``interrupted`` is asked between two appends. ``size``: the most devices in a chunk, by its ordinal; all planners
    of a record must agree on it.
    """

    record: Record
    resolve: Resolve
    now: Callable[[], datetime]
    interrupted: Callable[[], bool] = lambda: False
    size: Callable[[int], int] = chunk_size

    def plan(self, send_id: UUID, as_of: int) -> None:
        """Freeze the audience at position ``as_of``, where the send started, and make its chunks due.

        Nothing happens to a send that was stopped, or is planned already. Raises Interrupted.
        """
        planning = _Planning(self, send_id, as_of)
        if planning.has_work:
            planning.carry_out()


class _Planning:
    """One send's plan."""

    def __init__(self, planner: Planner, send_id: UUID, as_of: int) -> None:
        self._planner = planner
        self._record = planner.record
        self._send: Followed[Send] = Followed(planner.record, send_id, send.evolve)
        self._send.refresh()
        self._as_of = as_of
        self._portions = Portions(self._size)

    def _size(self, ordinal: int) -> int:
        """The most devices in a chunk: at a pace, those of some seconds."""
        pace = self._request.pace
        size = self._planner.size(ordinal)
        return size if pace is None else min(size, max(pace // CHUNKS_A_MINUTE, 1))

    @property
    def has_work(self) -> bool:
        state = self._send.state
        if state is None or state.status not in (Status.STARTED, Status.SENDING):
            return False
        # Chunks are announced in their order, so the last one tells of all. At a pace, all but the first are the
        # scheduler's to announce.
        last = state.audience.chunks - 1 if state.audience is not None and self._request.pace is None else 0
        return state.audience is None or not self._is_announced(last)

    def _is_announced(self, ordinal: int) -> bool:
        return len(self._record.recorder.select_events(self._chunk(ordinal), limit=2)) > 1

    def carry_out(self) -> None:
        with self._planner.resolve(self._app_id, self._request.audience, self._as_of) as rows:
            portions = self._portions.divide(rows)
            first = list(islice(portions, AT_ONCE + 1))
            if len(first) <= AT_ONCE and self._append_whole(first):
                return
            for group in _groups(chain(first, portions), PORTIONS):
                self._append_apart([self._planned(portion) for portion in group])
        if self._freeze():
            chunks = len(self._portions.counts.providers)
            due = chunks if self._request.pace is None else min(chunks, 1)
            for ordinals in _groups(range(due), ANNOUNCEMENTS):
                self._append_apart([self._due(ordinal) for ordinal in ordinals])

    def _append_whole(self, portions: Sequence[Portion | Excluded]) -> bool:
        """All of a small send in one append; False where a part of it is there already."""
        if self._state.status is not Status.STARTED:
            return False
        changes = [self._planned(portion) for portion in portions]
        chunks = [portion for portion in portions if isinstance(portion, Portion)]
        changes += [self._due(chunk.ordinal) for chunk in chunks if self._not_before(chunk) is None]
        changes.append(self._frozen())
        try:
            self._record.append(self._entries(changes))
        except VersionConflict:
            return False
        return True

    def _append_apart(self, changes: Sequence[Change]) -> None:
        """Several streams in one transaction; those that are there already are refused, and may be."""
        if self._planner.interrupted():
            raise Interrupted
        self._record.append_many((self._entries([change]), ()) for change in changes)

    def _freeze(self) -> bool:
        """Record the audience; False where the send was stopped meanwhile."""
        while True:
            self._send.refresh()
            if self._state.status not in (Status.STARTED, Status.SENDING):
                log.info("send %s is %s: its chunks are not made due", self._send.stream_id, self._state.status)
                return False
            change = self._frozen()
            if not change.facts:
                return True
            try:
                self._record.append(self._entries([change]))
            except VersionConflict:
                continue
            return True

    def _frozen(self) -> Change:
        counts = self._portions.counts
        command = FreezeAudience(
            as_of=self._as_of,
            by_provider=dict(counts.by_provider),
            excluded=dict(counts.excluded),
            chunks=len(counts.providers),
        )
        facts = send.decide(self._state, command)
        return Change(self._send.stream_id, self._app_id, self._send.version, facts)

    def _planned(self, portion: Portion | Excluded) -> Change:
        send_id = self._send.stream_id
        if isinstance(portion, Excluded):
            excluded = DevicesExcluded(send_id=send_id, ordinal=portion.ordinal, devices=portion.devices)
            return Change(exclusions_stream_id(send_id, portion.ordinal), self._app_id, 0, [excluded], send_id)
        command = PlanChunk(
            send_id=send_id,
            ordinal=portion.ordinal,
            provider=portion.provider,
            profile=self._request.audience.profile,
            lane=self._request.lane,
            devices=portion.devices,
            not_before=self._not_before(portion),
        )
        return Change(self._chunk(portion.ordinal), self._app_id, 0, decide_chunk(None, command), send_id)

    def _not_before(self, portion: Portion) -> datetime | None:
        """When the first of its devices has its turn; None: at once. It follows from the record alone."""
        pace = self._request.pace
        if pace is None or portion.first == 0:
            return None
        return self._started_at + timedelta(minutes=portion.first / pace)

    @cached_property
    def _started_at(self) -> datetime:
        started = [entry for entry in self._record.load(self._send.stream_id) if isinstance(entry.fact, SendStarted)]
        assert started[0].recorded_at is not None
        return started[0].recorded_at

    def _due(self, ordinal: int) -> Change:
        due: Fact = ChunkDue(
            send_id=self._send.stream_id,
            provider=self._portions.counts.providers[ordinal],
            lane=self._request.lane,
            cause="planned",
            at=self._planner.now(),
        )
        return Change(self._chunk(ordinal), self._app_id, 1, [due], self._send.stream_id)

    def _entries(self, changes: Iterable[Change]) -> list[Entry]:
        first = self._send.first
        assert first is not None
        context = Context(actor=ACTOR, correlation_id=first.correlation_id, causation_id=first.command_id)
        return [entry for change in changes for entry in envelopes(context, change)]

    def _chunk(self, ordinal: int) -> UUID:
        return chunk_stream_id(self._send.stream_id, ordinal)

    @property
    def _state(self) -> Send:
        assert self._send.state is not None
        return self._send.state

    @property
    def _request(self) -> SendRequested:
        return self._state.request

    @property
    def _app_id(self) -> UUID:
        assert self._send.first is not None
        return self._send.first.app_id


def _groups(items: Iterable[T], size: int) -> Iterator[list[T]]:
    iterator = iter(items)
    while group := list(islice(iterator, size)):
        yield group
