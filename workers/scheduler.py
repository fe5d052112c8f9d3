"""The scheduler owns time: it starts and expires sends, ends leases, announces retries, and completes sends.

Any number may run; one leads. Two that believe they lead do no harm: everything is an append at an expected version.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from contextlib import closing
from datetime import datetime
from functools import partial
from typing import NamedTuple, TypeVar
from uuid import UUID

from tocsin.commands.context import Context
from tocsin.commands.engine import Change, envelopes
from tocsin.domain import chunk as chunks
from tocsin.domain import send as sends
from tocsin.domain.entry import Entry, Fact, system
from tocsin.domain.send import Send
from tocsin.eventlog.idempotency import prune
from tocsin.eventlog.record import Record
from tocsin.eventlog.recorder import Unacceptable
from tocsin.eventlog.stream.leader import Leadership
from tocsin.eventlog.stream.membership import RECORD_CHANNEL
from tocsin.eventlog.stream.session import CONNECTION_LOST
from tocsin.eventlog.unit import Appended
from tocsin.eventlog.watchdog import watched
from tocsin.projections.agenda import Due, DueKind, due, held_chunks
from tocsin.workers.appending import append_each
from tocsin.workers.appointments import about_chunk, about_held, about_send
from tocsin.workers.clock import DatabaseClock
from tocsin.workers.runtime import DATABASE_AWAY, RETRY_EVERY, note_absence
from tocsin.workers.setbacks import Setbacks

log = logging.getLogger(__name__)

ACTOR = system("scheduler")

LOOK_EVERY = 0.1
LOOK_AT_HELD_EVERY = 5.0
BREATH = 0.03
"""The least pause between two looks: what was just appended has to be projected before it shows."""

PRUNE_EVERY = 3600.0

AT_ONCE = 100

SETTLED_FOR = 2.0
"""Seconds for which an item that was dealt with is passed over, while the agenda catches up."""

T = TypeVar("T")

OF_SENDS = (DueKind.START_SEND, DueKind.EXPIRE_SEND, DueKind.COMPLETE_SEND)
OF_CHUNKS = (DueKind.LEASE, DueKind.RETRY, DueKind.ANNOUNCE, DueKind.REPEAT, DueKind.CLOSE_CHUNK)
OF_ALL = (*OF_SENDS, *OF_CHUNKS)


def run_scheduler(record: Record, database_url: str, stop: threading.Event) -> None:
    """Lead, or wait to lead, until ``stop`` is set."""
    with watched("scheduler"):
        while not stop.is_set():
            try:
                with closing(Leadership(database_url, "scheduler", RECORD_CHANNEL)) as leadership:
                    _lead(Scheduler(record), leadership, stop)
            except (*DATABASE_AWAY, *CONNECTION_LOST) as lost:
                note_absence(log, "the scheduler begins again", lost)
                stop.wait(RETRY_EVERY)


def _lead(scheduler: Scheduler, leadership: Leadership, stop: threading.Event) -> None:
    while not leadership.acquire():
        if stop.wait(RETRY_EVERY):
            return
    log.info("this scheduler leads")
    prune_at = time.monotonic()
    while not stop.wait(BREATH):
        if time.monotonic() >= prune_at:
            prune_at = time.monotonic() + PRUNE_EVERY
            scheduler.prune()
        if not scheduler.turn():
            leadership.wait(LOOK_EVERY)


class Timely(NamedTuple):
    """A change whose time has come, and its envelope."""

    context: Context
    change: Change


class Scheduler:
    """Does what is due, a batch a turn."""

    def __init__(self, record: Record) -> None:
        self._record = record
        self._clock = DatabaseClock(record.sessions)
        self._settled: dict[Hashable, float] = {}
        self._setbacks: Setbacks[UUID] = Setbacks()
        self._look_at_held = 0.0
        self._last_held = UUID(int=0)

    def prune(self) -> None:
        """Forget the answers of commands that are kept no longer."""
        with self._record.sessions.connection() as connection:
            prune(connection)

    def turn(self) -> bool:
        """Do what is due now. True where something was due."""
        now = self._clock.now()
        with self._record.sessions.connection() as connection:
            found = due(connection, now, AT_ONCE + len(self._settled), OF_ALL, self._setbacks.waiting())
        items = self._unsettled(found)
        changes = [change for item in items if item.kind in OF_SENDS for change in self._about_send(item, now)]
        changes += self._about_chunks([item for item in items if item.kind in OF_CHUNKS], now)
        changes += self._about_held(now)
        refused = self._append(changes)
        settled = [item for item in items if item.stream_id not in refused]
        self._settled.update(dict.fromkeys(map(_key, settled), time.monotonic()))
        return bool(changes)

    def _unsettled(self, items: Iterable[Due]) -> list[Due]:
        before = time.monotonic() - SETTLED_FOR
        self._settled = {item: at for item, at in self._settled.items() if at > before}
        return [item for item in items if _key(item) not in self._settled]

    def _about_send(self, item: Due, now: datetime) -> list[Timely]:
        def decide() -> list[Timely]:
            entries = self._record.load(item.send_id)
            state = _send_state(entries)
            return _timely(entries, about_send(self._record, item.send_id, state, item.kind, now)) if state else []

        return self._alone(item.send_id, decide) or []

    def _about_chunks(self, items: Sequence[Due], now: datetime) -> list[Timely]:
        kinds: dict[UUID, set[DueKind]] = defaultdict(set)
        for item in items:
            kinds[item.stream_id].add(item.kind)
        send_states = self._send_states({item.send_id for item in items})
        timely: list[Timely] = []
        for chunk_id, entries in self._loaded(kinds).items():
            timely += self._alone(chunk_id, partial(_about_chunk, entries, send_states, kinds[chunk_id], now)) or []
        return timely

    def _send_states(self, send_ids: Collection[UUID]) -> Mapping[UUID, Send]:
        states = {
            send_id: self._alone(send_id, partial(_send_state, entries))
            for send_id, entries in self._loaded(send_ids).items()
        }
        return {send_id: state for send_id, state in states.items() if state is not None}

    def _about_held(self, now: datetime) -> list[Timely]:
        if time.monotonic() < self._look_at_held:
            return []
        self._look_at_held = time.monotonic() + LOOK_AT_HELD_EVERY
        with self._record.sessions.connection() as connection:
            held = held_chunks(connection, AT_ONCE, self._last_held)
        # The next look goes on after these, and begins again once it has seen all.
        self._last_held = held[-1] if len(held) == AT_ONCE else UUID(int=0)
        found = self._loaded(held)
        apps = self._loaded({entries[0].app_id for entries in found.values()})
        timely: list[Timely] = []
        for chunk_id, entries in found.items():
            app = apps.get(entries[0].app_id, [])
            timely += self._alone(chunk_id, partial(_about_held, entries, app, now)) or []
        return timely

    def _loaded(self, stream_ids: Collection[UUID]) -> Mapping[UUID, list[Entry]]:
        """The entries of those of the streams that can be read, and are not left alone for now."""
        wanted = set(stream_ids) - self._setbacks.waiting()
        if not wanted:
            return {}
        try:
            return self._record.load_many(wanted)
        except DATABASE_AWAY:
            raise
        except Exception as fault:
            log.info("reading %d streams one by one: %s", len(wanted), fault)
        found = {stream_id: self._alone(stream_id, partial(self._record.load, stream_id)) for stream_id in wanted}
        return {stream_id: entries for stream_id, entries in found.items() if entries}

    def _alone(self, stream_id: UUID, attend: Callable[[], T]) -> T | None:
        """What attending to one stream comes to; None where it failed, so that it is left alone for a while."""
        try:
            return attend()
        except DATABASE_AWAY:
            raise
        except Exception:
            pause = self._setbacks.note(stream_id)
            log.exception("stream %s cannot be attended to, trying again in %.0f s", stream_id, pause)
            return None

    def _append(self, changes: Sequence[Timely]) -> set[UUID]:
        """Append each by itself; the streams where that was refused, which are looked at again: at once where somebody
        was quicker, and after a while where the database cannot take what there is to say.
        """
        if not changes:
            return set()
        outcomes = append_each(self._record, [envelopes(change.context, change.change) for change in changes])
        refused = set()
        for change, outcome in zip(changes, outcomes, strict=True):
            if not isinstance(outcome, Appended):
                refused.add(change.change.stream_id)
            if isinstance(outcome, Unacceptable):
                pause = self._setbacks.note(change.change.stream_id)
                log.error(
                    "nothing can be said of stream %s, trying again in %.0f s: %s",
                    *(change.change.stream_id, pause, outcome),
                )
        return refused


def _send_state(entries: Sequence[Entry]) -> Send | None:
    return sends.fold(entry.fact for entry in entries)


def _about_held(entries: Sequence[Entry], app: Sequence[Entry], now: datetime) -> list[Timely]:
    return _timely(entries, about_held(entries, app, now))


def _about_chunk(
    entries: Sequence[Entry], send_states: Mapping[UUID, Send], kinds: Collection[DueKind], now: datetime
) -> list[Timely]:
    state = chunks.fold(entry.fact for entry in entries)
    if state is None or state.send_id not in send_states:
        return []
    return _timely(entries, about_chunk(entries, state, send_states[state.send_id], kinds, now))


def _timely(entries: Sequence[Entry], facts: Sequence[Fact]) -> list[Timely]:
    """What is to be appended to the stream of ``entries``, if anything."""
    if not facts:
        return []
    first = entries[0]
    context = Context(actor=ACTOR, correlation_id=first.correlation_id, causation_id=first.command_id)
    change = Change(first.originator_id, first.app_id, entries[-1].originator_version, facts, first.root_id)
    return [Timely(context, change)]


def _key(item: Due) -> Hashable:
    return item.kind, item.stream_id, item.due_at
