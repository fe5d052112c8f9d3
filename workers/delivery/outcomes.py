"""From the provider's answers to what is recorded: final outcomes, and tries to be repeated at a time."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

from tocsin.domain.chunk import Chunk, RecordAnswers, RetryGroup
from tocsin.domain.events.chunk import Outcome, OutcomeKind, Retry
from tocsin.domain.events.send import InDoubt
from tocsin.workers.providers.port import Answer, Verdict

FIRST_WAIT = 1.0
"""Seconds before the second try; each further wait is ``FACTOR`` times as long, up to ``LONGEST_WAIT``."""

FACTOR = 3.0
LONGEST_WAIT = 300.0

KINDS = {
    Verdict.DELIVERED: OutcomeKind.DELIVERED,
    Verdict.FAILED: OutcomeKind.FAILED,
    Verdict.UNKNOWN: OutcomeKind.UNKNOWN,
}

Wait = tuple[int, float | None]
"""What a wait depends on: how often the device was tried, and the seconds the provider asked for."""


def wait(tries: int, retry_after: float | None, jitter: float) -> float:
    """Seconds until a device tried ``tries`` times (from 1) is tried again.

    ``retry_after``: never sooner than the provider asked for. ``jitter``, 0 to 1, spreads those who failed together:
    over the half of their wait, or a tenth on top of what the provider said.
    """
    backoff = min(FIRST_WAIT * FACTOR ** (tries - 1), LONGEST_WAIT) * (1 - jitter / 2)
    return backoff if retry_after is None else max(backoff, retry_after * (1 + jitter / 10))


def answered(
    chunk: Chunk,
    attempt: int,
    answers: Iterable[tuple[int, Answer]],
    *,
    now: datetime,
    time_of: Callable[[float], datetime],
    in_doubt: InDoubt,
    max_attempts: int,
    jitter: Callable[[], float] = random.random,
) -> RecordAnswers:
    """The command that records ``answers``, each with the index of its device in the chunk.

    ``time_of``: the record's time at a monotonic moment of this process, which never falls as the moment rises.
    """
    outcomes: list[Outcome] = []
    waits: dict[Wait, list[Retry]] = defaultdict(list)
    for index, answer in answers:
        if _is_final(answer, in_doubt):
            outcomes.append(_outcome(index, answer, time_of))
        else:
            waits[chunk.tries[index], answer.retry_after].append(_retry(index, answer, time_of))
    # One moment for all that wait for the same reason, so that they are announced and claimed together again.
    groups = tuple(
        RetryGroup(devices=tuple(devices), at=now + timedelta(seconds=wait(*key, jitter())))
        for key, devices in waits.items()
    )
    return RecordAnswers(attempt=attempt, outcomes=tuple(outcomes), retries=groups, max_attempts=max_attempts)


def _is_final(answer: Answer, in_doubt: InDoubt) -> bool:
    if answer.verdict is Verdict.UNKNOWN:
        return in_doubt is InDoubt.UNKNOWN
    return answer.verdict is not Verdict.RETRY


def _outcome(index: int, answer: Answer, time_of: Callable[[float], datetime]) -> Outcome:
    return Outcome(
        index=index,
        kind=KINDS[answer.verdict],
        message_id=answer.provider_message_id,
        code=answer.code or None,
        reason=answer.reason or None,
        sent_at=None if answer.sent_at is None else time_of(answer.sent_at),
        answered_at=None if answer.answered_at is None else time_of(answer.answered_at),
    )


def _retry(index: int, answer: Answer, time_of: Callable[[float], datetime]) -> Retry:
    return Retry(
        index=index,
        code=answer.code or None,
        reason=answer.reason or None,
        sent_at=None if answer.sent_at is None else time_of(answer.sent_at),
        answered_at=None if answer.answered_at is None else time_of(answer.answered_at),
        in_doubt=answer.verdict is Verdict.UNKNOWN,
    )
