"""What a chunk's events come to: where each of its devices stands, and what it is waiting for.

Devices are bits of integers (``tocsin.domain.indices``). At every moment each device is in exactly one of: ``pending``,
one of ``waiting``, the ``claimed`` of one attempt, one of ``final``. Every change moves devices from one to another and
takes only devices that are where it takes them from, so the law (audience = the sum of the tally) cannot be broken by
any event, whoever wrote it.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from functools import reduce
from operator import or_
from uuid import UUID

import msgspec
from msgspec.structs import replace

from tocsin.domain import indices
from tocsin.domain.entry import Fact
from tocsin.domain.events.chunk import (
    AttemptAbandoned,
    AttemptStarted,
    ChunkCompleted,
    ChunkDue,
    ChunkHeld,
    ChunkPlanned,
    ChunkReleased,
    Outcome,
    OutcomeArrivedLate,
    OutcomeKind,
    OutcomesRecorded,
    RetrySet,
)
from tocsin.domain.events.send import InDoubt, Tally
from tocsin.domain.indices import Indices
from tocsin.domain.rules import OutOfPlace

REPEAT_AFTER = timedelta(minutes=15)

AT_ONCE = datetime(1970, 1, 1, tzinfo=UTC)
"""The wake-up time of a chunk somebody should look at now, however late it is."""

_ONE_MORE = bytes(min(count + 1, 255) for count in range(256))


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """One claim. ``devices``: all it covered; ``claimed``: still its own; ``in_doubt``: let go of without an answer
    that says whether the provider has the message."""

    worker: str
    lease_expires_at: datetime
    devices: Indices
    claimed: Indices
    in_doubt: Indices = 0


class Chunk(msgspec.Struct, frozen=True, kw_only=True):
    """``waiting``: devices by the time they may be tried again. ``tries``: one byte a device, how often it was claimed.

    ``announced``: open devices for which a due event was written that no worker has answered with a claim.
    ``badges``: what devices that were claimed are to show, where the message changes the number. ``completed`` stays
    true for ever; an answer that arrives later still corrects ``final``, and with it the tally.
    """

    send_id: UUID
    ordinal: int
    provider: str
    profile: str
    lane: str
    devices: tuple[UUID, ...]
    pending: Indices
    waiting: dict[datetime, Indices] = {}
    attempts: dict[int, Attempt] = {}
    final: dict[OutcomeKind, Indices] = {}
    tries: bytes
    announced: Indices = 0
    held: str | None = None
    completed: bool = False
    badges: dict[int, int] = {}
    not_before: datetime | None = None

    @property
    def unclaimed(self) -> Indices:
        """Devices without an outcome that no attempt holds."""
        return reduce(or_, self.waiting.values(), self.pending)

    @property
    def claimed(self) -> Indices:
        """Devices some attempt holds."""
        return reduce(or_, (attempt.claimed for attempt in self.attempts.values()), 0)

    @property
    def in_doubt(self) -> Indices:
        """Devices some attempt may have reached without anybody knowing, settled since or not."""
        return reduce(or_, (attempt.in_doubt for attempt in self.attempts.values()), 0)

    def outcome_of(self, index: int) -> OutcomeKind | None:
        """The final outcome of one device, None while it has none."""
        return next((kind for kind, group in self.final.items() if indices.has(group, index)), None)


def tally(state: Chunk) -> Tally:
    """How many devices stand where; claimed and waiting ones count as pending."""
    counts = {kind.value: group.bit_count() for kind, group in state.final.items()}
    return Tally(**counts, pending=(state.unclaimed | state.claimed).bit_count())


def claimable(state: Chunk, now: datetime) -> Indices:
    """The devices a worker may claim at ``now``; none while the chunk is held."""
    if state.held is not None:
        return 0
    return reduce(or_, (group for at, group in state.waiting.items() if at <= now), state.pending)


def next_wake(state: Chunk) -> datetime | None:
    """When the scheduler must look at the chunk again: a lease runs out, or devices may be tried that nobody announced.

    ``AT_ONCE`` where devices lie open and neither a claim nor a due event takes care of them: the worker that had the
    chunk stopped between two claims. None where nothing will happen by itself.
    """
    moments = [attempt.lease_expires_at for attempt in state.attempts.values() if attempt.claimed]
    if state.held is None:
        if not moments and state.pending & ~state.announced:
            return AT_ONCE
        moments += [at for at, group in state.waiting.items() if group & ~state.announced]
    return min(moments, default=None)


def repeat_at(state: Chunk, planned: datetime, last: datetime) -> datetime | None:
    """When devices that were announced, and that nobody has claimed, are to be announced again; None: there are none.

    An announcement may be lost with the place where a worker stood in its queue, and a worker that cannot make sense of
    a chunk leaves it. ``planned``, ``last``: when the chunk's first and newest events were recorded. Each time it takes
    twice as long, so that chunks that wait because no worker runs are not announced for ever.
    """
    if state.held is not None or state.claimed or not state.announced & state.unclaimed:
        return None
    return last + max(REPEAT_AFTER, last - planned)


def settles_late(state: Chunk, number: int, kind: OutcomeKind, answered: Indices) -> Indices:
    """Which of ``answered`` a late answer of ``kind`` to attempt ``number`` changes.

    ``delivered`` changes all in doubt that are not delivered already. Any other answer speaks for its own attempt only,
    so it counts where no later attempt claimed the device and nothing but ``unknown`` was recorded.
    """
    answered &= state.attempts[number].in_doubt
    if kind is OutcomeKind.DELIVERED:
        return answered & ~state.final.get(kind, 0)
    if kind is OutcomeKind.UNKNOWN:
        return 0
    later = reduce(or_, (other.devices for at, other in state.attempts.items() if at > number), 0)
    return answered & ~later & (state.unclaimed | state.final.get(OutcomeKind.UNKNOWN, 0))


def fold(facts: Iterable[Fact], state: Chunk | None = None) -> Chunk | None:
    """The state after ``facts``, from ``state`` or from nothing."""
    for fact in facts:
        state = evolve(state, fact)
    return state


def evolve(state: Chunk | None, fact: Fact) -> Chunk:
    """The state after ``fact``. What cannot be (an answer nobody claimed for, a second outcome) changes nothing.

    Errors: OutOfPlace where the stream does not begin with ``chunk.planned``, or for another stream's fact.
    """
    if state is None:
        if isinstance(fact, ChunkPlanned):
            return _planned(fact)
        raise OutOfPlace("chunk", fact)
    match fact:
        case OutcomesRecorded():
            return _recorded(state, fact)
        case AttemptStarted():
            return _started(state, fact)
        case RetrySet():
            return _retry_set(state, fact)
        case AttemptAbandoned():
            return _abandoned(state, fact)
        case OutcomeArrivedLate():
            return _arrived_late(state, fact)
        case ChunkDue():
            return replace(state, announced=_announced(state, fact.at))
        case ChunkHeld():
            return replace(state, held=fact.reason)
        case ChunkReleased():
            return replace(state, held=None)
        case ChunkCompleted():
            return replace(state, completed=state.completed or not state.unclaimed | state.claimed)
        case ChunkPlanned():
            return state
    raise OutOfPlace("chunk", fact)


def _planned(fact: ChunkPlanned) -> Chunk:
    size = len(fact.devices)
    return Chunk(
        send_id=fact.send_id,
        ordinal=fact.ordinal,
        provider=fact.provider,
        profile=fact.profile,
        lane=fact.lane,
        devices=fact.devices,
        pending=indices.everyone(size) if fact.not_before is None else 0,
        waiting={} if fact.not_before is None else {fact.not_before: indices.everyone(size)},
        tries=bytes(size),
        not_before=fact.not_before,
    )


def _announced(state: Chunk, at: datetime | None) -> Indices:
    if at is None:
        return state.pending
    return reduce(or_, (group for until, group in state.waiting.items() if until <= at), state.pending)


def _started(state: Chunk, fact: AttemptStarted) -> Chunk:
    taken = indices.of_ranges(fact.devices, len(state.devices)) & state.unclaimed
    if not taken or fact.attempt < 1 or fact.attempt in state.attempts:
        return state
    attempt = Attempt(worker=fact.worker, lease_expires_at=fact.lease_expires_at, devices=taken, claimed=taken)
    return replace(
        state,
        pending=state.pending & ~taken,
        waiting=_without(state.waiting, taken),
        attempts={**state.attempts, fact.attempt: attempt},
        tries=_tried(state.tries, taken),
        announced=0,
        badges=_badged(state, fact, taken),
    )


def _badged(state: Chunk, fact: AttemptStarted, taken: Indices) -> dict[int, int]:
    """The badges by device. The first that was recorded of a device stays."""
    if not fact.badges:
        return state.badges
    named = indices.members(indices.of_ranges(fact.devices, len(state.devices)))
    told = {index: badge for index, badge in zip(named, fact.badges, strict=False) if indices.has(taken, index)}
    return {**told, **state.badges}


def _tried(tries: bytes, taken: Indices) -> bytes:
    counts = bytearray(tries)
    for start, stop in indices.ranges(taken):
        counts[start:stop] = counts[start:stop].translate(_ONE_MORE)
    return bytes(counts)


def _recorded(state: Chunk, fact: OutcomesRecorded) -> Chunk:
    if fact.attempt == 0:
        return _settle(state, _by_kind(fact.outcomes, state.unclaimed, state), state.attempts)
    attempt = state.attempts.get(fact.attempt)
    if attempt is None:
        return state
    settled = _by_kind(fact.outcomes, attempt.claimed, state)
    doubt = attempt.in_doubt | settled.get(OutcomeKind.UNKNOWN, 0)
    return _settle(state, settled, {**state.attempts, fact.attempt: replace(attempt, in_doubt=doubt)})


def _by_kind(outcomes: Iterable[Outcome], among: Indices, state: Chunk) -> dict[OutcomeKind, Indices]:
    groups = _grouped(outcomes, len(state.devices))
    for kind in groups:
        groups[kind] &= among
        among &= ~groups[kind]
    return groups


def _grouped(outcomes: Iterable[Outcome], size: int) -> dict[OutcomeKind, Indices]:
    lists: dict[OutcomeKind, list[int]] = {}
    for outcome in outcomes:
        lists.setdefault(outcome.kind, []).append(outcome.index)
    return {kind: indices.of(members, size) for kind, members in lists.items()}


def _settle(state: Chunk, settled: dict[OutcomeKind, Indices], attempts: dict[int, Attempt]) -> Chunk:
    """Moves the devices of ``settled`` from wherever they are to their outcomes."""
    moved = reduce(or_, settled.values(), 0)
    if not moved:
        return state
    final = {kind: group & ~moved for kind, group in state.final.items()}
    for kind, group in settled.items():
        if group:
            final[kind] = final.get(kind, 0) | group
    return replace(
        state,
        pending=state.pending & ~moved,
        waiting=_without(state.waiting, moved),
        attempts={number: _let_go(attempt, moved) for number, attempt in attempts.items()},
        final=final,
    )


def _let_go(attempt: Attempt, moved: Indices) -> Attempt:
    return replace(attempt, claimed=attempt.claimed & ~moved) if attempt.claimed & moved else attempt


def _without(waiting: dict[datetime, Indices], moved: Indices) -> dict[datetime, Indices]:
    return {at: rest for at, group in waiting.items() if (rest := group & ~moved)}


def _retry_set(state: Chunk, fact: RetrySet) -> Chunk:
    attempt = state.attempts.get(fact.attempt)
    if attempt is None:
        return state
    size = len(state.devices)
    again = indices.of((retry.index for retry in fact.devices), size) & attempt.claimed
    if not again:
        return state
    doubt = indices.of((retry.index for retry in fact.devices if retry.in_doubt), size) & again
    told = replace(attempt, claimed=attempt.claimed & ~again, in_doubt=attempt.in_doubt | doubt)
    return replace(
        state,
        waiting={**state.waiting, fact.at: state.waiting.get(fact.at, 0) | again},
        attempts={**state.attempts, fact.attempt: told},
    )


def _abandoned(state: Chunk, fact: AttemptAbandoned) -> Chunk:
    attempt = state.attempts.get(fact.attempt)
    if attempt is None:
        return state
    lost = indices.of_ranges(fact.devices, len(state.devices)) & attempt.claimed
    if not lost:
        return state
    given_up = replace(attempt, claimed=attempt.claimed & ~lost, in_doubt=attempt.in_doubt | lost)
    attempts = {**state.attempts, fact.attempt: given_up}
    if fact.resolution is InDoubt.UNKNOWN:
        return _settle(state, {OutcomeKind.UNKNOWN: lost}, attempts)
    return replace(state, pending=state.pending | lost, attempts=attempts)


def _arrived_late(state: Chunk, fact: OutcomeArrivedLate) -> Chunk:
    if fact.attempt not in state.attempts:
        return state
    for kind, answered in _grouped(fact.outcomes, len(state.devices)).items():
        settled = settles_late(state, fact.attempt, kind, answered)
        if settled:
            attempt = state.attempts[fact.attempt]
            known = replace(attempt, in_doubt=attempt.in_doubt & ~settled)
            state = _settle(state, {kind: settled}, {**state.attempts, fact.attempt: known})
    return state
