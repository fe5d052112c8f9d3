"""What may be done with a chunk: planned, made due, claimed, answered, given up, closed; never sent twice unnoticed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import assert_never

from tocsin.domain import indices
from tocsin.domain.chunk_commands import (
    MAX_CLAIM,
    MAX_DEVICES,
    AbandonAttempt,
    ChunkCommand,
    CloseRemaining,
    HoldChunk,
    MakeDue,
    PlanChunk,
    RecordAnswers,
    ReleaseChunk,
    RetryGroup,
    StartAttempt,
    Suppress,
)
from tocsin.domain.chunk_state import (
    AT_ONCE,
    Attempt,
    Chunk,
    claimable,
    evolve,
    fold,
    next_wake,
    settles_late,
    tally,
)
from tocsin.domain.entry import Fact
from tocsin.domain.errors import Conflict, Invalid, NotFound
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
    Retry,
    RetrySet,
)
from tocsin.domain.events.send import InDoubt
from tocsin.domain.indices import Indices
from tocsin.domain.lanes import LANES
from tocsin.domain.platforms import PROVIDERS
from tocsin.domain.rules import between, moment, one_of, optional_moment, text

__all__ = [
    "AT_ONCE",
    "MAX_CLAIM",
    "MAX_DEVICES",
    "AbandonAttempt",
    "Attempt",
    "Chunk",
    "ChunkCommand",
    "CloseRemaining",
    "HoldChunk",
    "MakeDue",
    "PlanChunk",
    "RecordAnswers",
    "ReleaseChunk",
    "RetryGroup",
    "StartAttempt",
    "Suppress",
    "claimable",
    "decide",
    "decide_all",
    "evolve",
    "fold",
    "next_wake",
    "tally",
    "unneeded",
]

CLOSED_AS = (OutcomeKind.CANCELLED, OutcomeKind.EXPIRED, OutcomeKind.SUPPRESSED)

EXHAUSTED = "attempts-exhausted"
IN_DOUBT = "in-doubt"


def decide(state: Chunk | None, command: ChunkCommand) -> list[Fact]:
    """The facts ``command`` brings about, none where there is nothing left to do.

    The facts that settle the last device end with ``chunk.completed``. Errors: Invalid, Conflict, NotFound.
    """
    if isinstance(command, PlanChunk):
        return _plan(state, command)
    if state is None:
        raise NotFound("there is no such chunk")
    match command:
        case MakeDue():
            return _make_due(state, command)
        case StartAttempt():
            return _start_attempt(state, command)
        case RecordAnswers():
            return _with_completion(state, _record_answers(state, command))
        case AbandonAttempt():
            return _with_completion(state, _abandon(state, command))
        case CloseRemaining():
            return _with_completion(state, _close_remaining(state, command))
        case Suppress():
            return _with_completion(state, _suppress(state, command))
        case HoldChunk():
            return _hold(state, command)
        case ReleaseChunk():
            return [] if state.held is None else [ChunkReleased(reason=command.reason)]
        case _:
            assert_never(command)


def decide_all(state: Chunk | None, commands: Iterable[ChunkCommand]) -> tuple[list[Fact], Chunk | None]:
    """The facts of several commands, each decided on what the ones before leave, and the state after all of them.

    Made for one append: the last outcomes of a claim and the next claim, suppressions and the claim they clear.
    """
    facts: list[Fact] = []
    for command in commands:
        new = decide(state, command)
        state = fold(new, state)
        facts += new
    return facts, state


def unneeded(state: Chunk, command: RecordAnswers) -> list[int]:
    """The devices whose answer ``decide`` would leave out: settled already, or superseded by a later attempt."""
    used: set[int] = set()
    for fact in _record_answers(state, command):
        if isinstance(fact, RetrySet):
            used.update(retry.index for retry in fact.devices)
        elif isinstance(fact, OutcomesRecorded | OutcomeArrivedLate):
            used.update(outcome.index for outcome in fact.outcomes)
    return sorted(set(_answered(command)) - used)


def _plan(state: Chunk | None, command: PlanChunk) -> list[Fact]:
    one_of(command.provider, "provider", PROVIDERS)
    one_of(command.lane, "lane", LANES)
    between(len(command.devices), "the number of devices in a chunk", 1, MAX_DEVICES)
    if len(set(command.devices)) < len(command.devices):
        raise Invalid("a chunk names each device once", field="devices")
    planned = ChunkPlanned(
        send_id=command.send_id,
        ordinal=command.ordinal,
        provider=command.provider,
        profile=command.profile,
        lane=command.lane,
        devices=command.devices,
        not_before=optional_moment(command.not_before, "not_before"),
    )
    if state is None:
        return [planned]
    if _plan_of(state) == planned:
        return []
    raise Conflict("this chunk is planned already, and differently")


def _plan_of(state: Chunk) -> ChunkPlanned:
    return ChunkPlanned(
        send_id=state.send_id,
        ordinal=state.ordinal,
        provider=state.provider,
        profile=state.profile,
        lane=state.lane,
        devices=state.devices,
        not_before=state.not_before,
    )


def _make_due(state: Chunk, command: MakeDue) -> list[Fact]:
    open_now = claimable(state, moment(command.now, "now"))
    if not open_now & ~(0 if command.repeat else state.announced):
        return []
    due = ChunkDue(send_id=state.send_id, provider=state.provider, lane=state.lane, cause=command.cause, at=command.now)
    return [due]


def _start_attempt(state: Chunk, command: StartAttempt) -> list[Fact]:
    text(command.worker, "worker", 255)
    between(command.limit, "limit", 1, MAX_CLAIM)
    if moment(command.lease_expires_at, "lease_expires_at") <= moment(command.now, "now"):
        raise Invalid("a lease must run out after it begins", field="lease_expires_at")
    taken = claimable(state, command.now)
    if command.among is not None:
        taken &= indices.of(command.among, len(state.devices))
    if not taken:
        return []
    taken = indices.lowest(taken, command.limit)
    started = AttemptStarted(
        attempt=max(state.attempts, default=0) + 1,
        devices=indices.ranges(taken),
        worker=command.worker,
        lease_expires_at=command.lease_expires_at,
        as_of=command.as_of,
        badges=_badges(state, taken, command.badges),
    )
    return [started]


def _badges(state: Chunk, taken: Indices, proposed: dict[int, int]) -> tuple[int, ...]:
    """What each device of ``taken`` is to show, none where nothing is changed."""
    if not (proposed or state.badges):
        return ()
    badges = {**proposed, **state.badges}
    return tuple(badges.get(index, 0) for index in indices.members(taken))


def _record_answers(state: Chunk, command: RecordAnswers) -> list[Fact]:
    attempt = _attempt(state, command.attempt)
    _check_answers(attempt, command)
    outcomes = [outcome for outcome in command.outcomes if indices.has(attempt.claimed, outcome.index)]
    waits: dict[datetime, list[Retry]] = {}
    spent: list[Outcome] = []
    doubt = state.in_doubt
    for at, retry in _retries(command):
        if not indices.has(attempt.claimed, retry.index):
            continue
        exhausted = state.tries[retry.index] >= command.max_attempts
        if exhausted and not (retry.in_doubt or indices.has(doubt, retry.index)):
            outcomes.append(_exhausted(retry, OutcomeKind.FAILED))
            continue
        waits.setdefault(moment(at, "retries.at"), []).append(retry)
        if exhausted:
            # Its last answer cannot deny that an attempt which got none may have reached it.
            spent.append(_exhausted(retry, OutcomeKind.UNKNOWN))
    facts: list[Fact] = []
    if outcomes:
        facts.append(OutcomesRecorded(attempt=command.attempt, outcomes=tuple(outcomes)))
    facts += [RetrySet(attempt=command.attempt, devices=tuple(group), at=at) for at, group in sorted(waits.items())]
    if spent:
        facts.append(OutcomesRecorded(attempt=0, outcomes=tuple(spent)))
    return facts + _late(state, command, attempt)


def _retries(command: RecordAnswers) -> Iterator[tuple[datetime, Retry]]:
    return ((group.at, retry) for group in command.retries for retry in group.devices)


def _attempt(state: Chunk, number: int) -> Attempt:
    if number not in state.attempts:
        raise Conflict(f"attempt {number} of this chunk was never started")
    return state.attempts[number]


def _answered(command: RecordAnswers) -> list[int]:
    return [outcome.index for outcome in command.outcomes] + [retry.index for _, retry in _retries(command)]


def _check_answers(attempt: Attempt, command: RecordAnswers) -> None:
    between(command.max_attempts, "max_attempts", 1, 20)
    counts = Counter(_answered(command))
    for index, count in counts.items():
        if count > 1:
            raise Invalid(f"device {index} is answered {count} times at once", field="outcomes")
        if not indices.has(attempt.devices, index):
            raise Invalid(f"device {index} was not claimed by attempt {command.attempt}", field="outcomes")


def _exhausted(retry: Retry, kind: OutcomeKind) -> Outcome:
    return Outcome(
        index=retry.index,
        kind=kind,
        code=retry.code,
        reason=f"{EXHAUSTED}: {retry.reason}" if retry.reason else EXHAUSTED,
        sent_at=retry.sent_at,
        answered_at=retry.answered_at,
    )


def _late(state: Chunk, command: RecordAnswers, attempt: Attempt) -> list[Fact]:
    if not attempt.in_doubt:
        return []
    answers = [*command.outcomes, *_refusals_of_unknown(state, command)]
    settling = tuple(answer for answer in answers if _settles(state, command.attempt, answer))
    return [OutcomeArrivedLate(attempt=command.attempt, outcomes=settling)] if settling else []


def _refusals_of_unknown(state: Chunk, command: RecordAnswers) -> list[Outcome]:
    """A late "try again" proves that the provider did not take the message; an unknown device is not tried again."""
    unknown = state.final.get(OutcomeKind.UNKNOWN, 0)
    return [
        Outcome(retry.index, OutcomeKind.FAILED, None, retry.code, retry.reason, retry.sent_at, retry.answered_at)
        for _, retry in _retries(command)
        if indices.has(unknown, retry.index) and not retry.in_doubt
    ]


def _settles(state: Chunk, number: int, answer: Outcome) -> bool:
    return bool(settles_late(state, number, answer.kind, 1 << answer.index))


def _abandon(state: Chunk, command: AbandonAttempt) -> list[Fact]:
    attempt = _attempt(state, command.attempt)
    if not attempt.claimed:
        return []
    if moment(command.now, "now") <= attempt.lease_expires_at:
        until = attempt.lease_expires_at.isoformat()
        raise Conflict(f"attempt {command.attempt} holds its devices until {until}", until=until)
    unknown = attempt.claimed
    if command.resolution is InDoubt.RESEND:
        unknown = _tried_out(state, attempt.claimed, command.max_attempts)
    resent = attempt.claimed & ~unknown
    return [
        AttemptAbandoned(attempt=command.attempt, devices=indices.ranges(lost), resolution=resolution)
        for lost, resolution in ((resent, InDoubt.RESEND), (unknown, InDoubt.UNKNOWN))
        if lost
    ]


def _tried_out(state: Chunk, among: Indices, max_attempts: int) -> Indices:
    spent = (index for index in indices.members(among) if state.tries[index] >= max_attempts)
    return indices.of(spent, len(state.devices))


def _close_remaining(state: Chunk, command: CloseRemaining) -> list[Fact]:
    if command.kind not in CLOSED_AS:
        raise Invalid(f"kind must be one of {', '.join(CLOSED_AS)}", field="kind")
    return _closed(
        state,
        (
            Outcome(index, command.kind, None, command.code, command.reason)
            for index in indices.members(state.unclaimed)
        ),
    )


def _suppress(state: Chunk, command: Suppress) -> list[Fact]:
    open_now = state.unclaimed
    return _closed(
        state,
        (
            Outcome(index, OutcomeKind.SUPPRESSED, None, code)
            for index, code in dict(command.devices).items()
            if indices.has(open_now, index)
        ),
    )


def _closed(state: Chunk, outcomes: Iterable[Outcome]) -> list[Fact]:
    """Outcomes without a provider's answer. A device an earlier attempt may have reached is ``unknown`` instead: to
    call it cancelled would deny what may have happened."""
    doubt = state.in_doubt
    told = tuple(_doubted(outcome) if indices.has(doubt, outcome.index) else outcome for outcome in outcomes)
    return [OutcomesRecorded(attempt=0, outcomes=told)] if told else []


def _doubted(outcome: Outcome) -> Outcome:
    instead_of = outcome.kind.value if outcome.code is None else f"{outcome.kind.value}: {outcome.code}"
    return Outcome(outcome.index, OutcomeKind.UNKNOWN, None, IN_DOUBT, instead_of)


def _hold(state: Chunk, command: HoldChunk) -> list[Fact]:
    text(command.reason, "reason", 255)
    if state.completed or state.held == command.reason:
        return []
    return [ChunkHeld(reason=command.reason)]


def _with_completion(state: Chunk, facts: list[Fact]) -> list[Fact]:
    if not facts or state.completed:
        return facts
    after = fold(facts, state)
    if after is None or after.unclaimed | after.claimed:
        return facts
    return [*facts, ChunkCompleted(tally=tally(after))]
