"""The planner: freezes the audience of a send that starts, and divides it into chunks.

What it writes follows from the record up to the position of ``send.started``: the same streams by the same ids with the
same devices. So a planner that was killed half way needs to have remembered nothing: the next one finds in the record
how far it came and goes on after that. It does not plan the beginning anew, because of a device that was erased since
the audience may no longer say that it belonged to it.

Every append is whole or refused, and refused once the send has moved on: of two planners at one send the slower learns
of the other before it has written anything that does not fit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from itertools import chain, count, islice
from typing import TypeVar
from uuid import UUID

from tocsin.commands.context import Context
from tocsin.commands.engine import Change, envelopes
from tocsin.domain import send
from tocsin.domain.audience import Audience
from tocsin.domain.chunk import PlanChunk
from tocsin.domain.chunk import decide as decide_chunk
from tocsin.domain.entry import Entry, Fact, system
from tocsin.domain.events.chunk import ChunkDue, ChunkPlanned
from tocsin.domain.events.send import DevicesExcluded, SendRequested, SendStarted
from tocsin.domain.identity import chunk_stream_id, exclusions_stream_id
from tocsin.domain.send import FreezeAudience, Send, Status
from tocsin.eventlog.record import Record
from tocsin.projections.audience import AudienceRow
from tocsin.workers.planning import Excluded, Portion, Portions, chunk_size

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

    def plan(self, send_id: UUID) -> None:
        """Freeze the audience at the position where the send started, and make its chunks due.

        Nothing happens to a send that was stopped, or is planned already. Raises Interrupted; VersionConflict where
        another planner is at it or it was stopped meanwhile.
        """
        planning = _Planning(self, send_id)
        if planning.status is Status.STARTED:
            planning.carry_out()
        elif planning.status is Status.SENDING:
            planning.finish()


class _Planning:
    """One send's plan."""

    def __init__(self, planner: Planner, send_id: UUID) -> None:
        self._planner = planner
        self._record = planner.record
        self._send_id = send_id
        self._history = planner.record.load(send_id)
        self._send = send.fold(entry.fact for entry in self._history)
        self._portions = Portions(self._size)

    def _size(self, ordinal: int) -> int:
        """The most devices in a chunk: at a pace, those of some seconds."""
        pace = self._request.pace
        size = self._planner.size(ordinal)
        return size if pace is None else min(size, max(pace // CHUNKS_A_MINUTE, 1))

    @property
    def status(self) -> Status | None:
        """Where the send stands; None where there is none."""
        return None if self._send is None else self._send.status

    def carry_out(self) -> None:
        """Plan what is not planned yet, freeze the audience, announce the chunks."""
        self._take_up()
        with self._planner.resolve(self._app_id, self._request.audience, self._started.position) as rows:
            portions = self._portions.divide(rows)
            first = list(islice(portions, AT_ONCE + 1))
            if len(first) <= AT_ONCE and self._is_whole(first):
                self._append_whole(first)
                return
            for group in _groups(chain(first, portions), PORTIONS):
                self._append([self._planned(portion) for portion in group])
        self._append([self._frozen()])
        self._announce()

    def finish(self) -> None:
        """Announce the chunks of a frozen audience that were not announced."""
        frozen = self._state.audience
        # They are announced in their order, so the last one tells of all.
        if frozen is not None and not all(map(self._is_announced, self._to_announce(frozen.chunks)[-1:])):
            self._take_up()
            self._announce()

    def _is_announced(self, ordinal: int) -> bool:
        return len(self._record.recorder.select_events(self._chunk(ordinal), limit=2)) > 1

    def _take_up(self) -> None:
        """Go on after what the record holds of the plan."""
        for fact in self._recorded(chunk_stream_id):
            assert isinstance(fact, ChunkPlanned)
            self._portions.go_on_after(Portion(fact.ordinal, fact.provider, fact.devices))
        for fact in self._recorded(exclusions_stream_id):
            assert isinstance(fact, DevicesExcluded)
            self._portions.go_on_after(Excluded(fact.ordinal, fact.devices))

    def _recorded(self, stream_of: Callable[[UUID, int], UUID]) -> Iterator[Fact]:
        """The first fact of each of the plan's streams, by ordinal."""
        for ordinal in count():
            events = self._record.recorder.select_events(stream_of(self._send_id, ordinal), limit=1)
            if not events:
                return
            yield self._record.codec.decode(events)[0].fact

    def _is_whole(self, portions: Sequence[Portion | Excluded]) -> bool:
        """Whether these are all the chunks there are."""
        return sum(isinstance(portion, Portion) for portion in portions) == len(self._portions.counts.providers)

    def _append_whole(self, portions: Sequence[Portion | Excluded]) -> None:
        """All of a small send in one append."""
        changes = [self._planned(portion) for portion in portions]
        chunks = [portion for portion in portions if isinstance(portion, Portion)]
        changes += [self._due(chunk.ordinal) for chunk in chunks if self._not_before(chunk) is None]
        self._append([*changes, self._frozen()])

    def _append(self, changes: Sequence[Change]) -> None:
        """All of these or none, and none once the send has moved on."""
        if self._planner.interrupted():
            raise Interrupted
        self._record.append(self._entries(changes), unchanged={self._send_id: self._version})

    def _announce(self) -> None:
        """Make the chunks due. Those that are due already are refused, and may be."""
        for ordinals in _groups(self._to_announce(len(self._portions.counts.providers)), ANNOUNCEMENTS):
            if self._planner.interrupted():
                raise Interrupted
            self._record.append_many((self._entries([self._due(ordinal)]), ()) for ordinal in ordinals)

    def _to_announce(self, chunks: int) -> range:
        """Of so many chunks those due at once. At a pace, all but the first are the scheduler's to announce."""
        return range(chunks if self._request.pace is None else min(chunks, 1))

    def _frozen(self) -> Change:
        counts = self._portions.counts
        command = FreezeAudience(
            as_of=self._started.position,
            by_provider=dict(counts.by_provider),
            excluded=dict(counts.excluded),
            chunks=len(counts.providers),
        )
        return Change(self._send_id, self._app_id, self._version, send.decide(self._state, command))

    def _planned(self, portion: Portion | Excluded) -> Change:
        if isinstance(portion, Excluded):
            excluded = DevicesExcluded(send_id=self._send_id, ordinal=portion.ordinal, devices=portion.devices)
            stream_id = exclusions_stream_id(self._send_id, portion.ordinal)
            return Change(stream_id, self._app_id, 0, [excluded], self._send_id)
        command = PlanChunk(
            send_id=self._send_id,
            ordinal=portion.ordinal,
            provider=portion.provider,
            profile=self._request.audience.profile,
            lane=self._request.lane,
            devices=portion.devices,
            not_before=self._not_before(portion),
        )
        return Change(self._chunk(portion.ordinal), self._app_id, 0, decide_chunk(None, command), self._send_id)

    def _not_before(self, portion: Portion) -> datetime | None:
        """When the first of its devices has its turn; None: at once. It follows from the record alone."""
        pace = self._request.pace
        if pace is None or portion.first == 0:
            return None
        assert self._started.recorded_at is not None
        return self._started.recorded_at + timedelta(minutes=portion.first / pace)

    def _due(self, ordinal: int) -> Change:
        due: Fact = ChunkDue(
            send_id=self._send_id,
            provider=self._portions.counts.providers[ordinal],
            lane=self._request.lane,
            cause="planned",
            at=self._planner.now(),
        )
        return Change(self._chunk(ordinal), self._app_id, 1, [due], self._send_id)

    def _entries(self, changes: Iterable[Change]) -> list[Entry]:
        first = self._history[0]
        context = Context(actor=ACTOR, correlation_id=first.correlation_id, causation_id=first.command_id)
        return [entry for change in changes for entry in envelopes(context, change)]

    def _chunk(self, ordinal: int) -> UUID:
        return chunk_stream_id(self._send_id, ordinal)

    @cached_property
    def _started(self) -> Entry:
        return next(entry for entry in self._history if isinstance(entry.fact, SendStarted))

    @property
    def _version(self) -> int:
        return self._history[-1].originator_version

    @property
    def _state(self) -> Send:
        assert self._send is not None
        return self._send

    @property
    def _request(self) -> SendRequested:
        return self._state.request

    @property
    def _app_id(self) -> UUID:
        return self._history[0].app_id


def _groups(items: Iterable[T], size: int) -> Iterator[list[T]]:
    iterator = iter(items)
    while group := list(islice(iterator, size)):
        yield group
