"""The chunks a worker has in hand, and its claims on their devices."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import msgspec

from tocsin.commands.context import Context
from tocsin.domain.chunk import Chunk, evolve
from tocsin.eventlog.record import Record
from tocsin.workers.delivery.credentials import Way
from tocsin.workers.following import Followed
from tocsin.workers.intake import Task
from tocsin.workers.providers.port import Answer

FLUSH_AFTER = 0.25
"""Seconds from the first unrecorded answer to its record, at most."""


class Target(NamedTuple):
    """What one push was sent to, and by which way. ``fits``: the token is of the way's own environment."""

    token: str
    way: Way
    fits: bool


@dataclass(slots=True)
class Claim:
    """Devices of one attempt: ``open``, the indices of pushes under way, and answers that are not recorded yet.

    ``lease_ends``: monotonic seconds. ``context``: of what is recorded because of it.
    """

    attempt: int
    lease_ends: float
    context: Context
    targets: dict[int, Target]
    open: set[int]
    answers: list[tuple[int, Answer]] = field(default_factory=list)

    def drop_recorded(self, count: int) -> None:
        """The first ``count`` answers are in the record."""
        del self.answers[:count]

    @property
    def is_over(self) -> bool:
        """Whether every push was answered and every answer recorded."""
        return not self.open and not self.answers


class _Due(msgspec.Struct):
    at: datetime | None = None


class _Body(msgspec.Struct):
    fact: _Due


_decode = msgspec.json.Decoder(_Body).decode


class Job:
    """One due chunk. ``tasks``: the work records it answers, finished with it.

    ``found_due_at``: the time at which the newest of them found something to be due, by its author's clock.

    ``look_at``: when the next append may have something to say of it, monotonic seconds; None while only an answer
    can change that. ``stale``: the stream has to be read before anything is decided on it.
    """

    def __init__(self, record: Record, lane: str, task: Task) -> None:
        self.lane = lane
        self.app_id: UUID = task.event.app_id
        self.stream: Followed[Chunk] = Followed(record, task.event.originator_id, evolve)
        self.tasks = [task]
        self.found_due_at = _decode(task.event.state).fact.at
        self.claims: dict[int, Claim] = {}
        self.look_at: float | None = 0.0
        self.stale = True

    @property
    def chunk(self) -> Chunk:
        """The chunk as this worker knows it."""
        assert self.stream.state is not None
        return self.stream.state

    @property
    def under_way(self) -> int:
        """Pushes without an answer."""
        return sum(len(claim.open) for claim in self.claims.values())

    @property
    def has_unrecorded(self) -> bool:
        """Whether answers wait to be recorded."""
        return any(claim.answers for claim in self.claims.values())

    def add(self, task: Task) -> None:
        """Another work record for the same chunk; if it is newer than what is known, the chunk is looked at again."""
        self.tasks.append(task)
        self.found_due_at = max(filter(None, (self.found_due_at, _decode(task.event.state).fact.at)), default=None)
        if task.event.originator_version > self.stream.version:
            self.stale = True
            self.look_at = 0.0

    def take(self, claim: Claim, index: int, answer: Answer) -> None:
        """One push was answered."""
        claim.open.discard(index)
        claim.answers.append((index, answer))
        now = time.monotonic()
        soonest = now if not claim.open else now + FLUSH_AFTER
        self.look_at = soonest if self.look_at is None else min(self.look_at, soonest)

    def drop_recorded(self, told: Mapping[int, int]) -> None:
        """By attempt, so many of the first answers are in the record, or change nothing there any more."""
        for attempt, count in told.items():
            claim = self.claims[attempt]
            claim.drop_recorded(count)
            if claim.is_over:
                del self.claims[attempt]

    def finish(self) -> None:
        """Let the cursor pass the work records."""
        for task in self.tasks:
            task.finish()
