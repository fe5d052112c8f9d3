"""Commands of a chunk as briefly as a test can say them, and what comes of a row of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

from tocsin.domain.chunk import (
    AbandonAttempt,
    Chunk,
    ChunkCommand,
    PlanChunk,
    RecordAnswers,
    RetryGroup,
    StartAttempt,
    decide_all,
)
from tocsin.domain.entry import Fact
from tocsin.domain.events.chunk import (
    Outcome,
    OutcomeKind,
    Retry,
)
from tocsin.domain.events.send import InDoubt

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
LEASE = NOW + timedelta(seconds=30)
LATER = NOW + timedelta(minutes=5)
SENT, ANSWERED = NOW - timedelta(seconds=1), NOW - timedelta(microseconds=1)
SEND = UUID(int=7)
DELIVERED, FAILED, UNKNOWN = OutcomeKind.DELIVERED, OutcomeKind.FAILED, OutcomeKind.UNKNOWN
CANCELLED, EXPIRED, SUPPRESSED = OutcomeKind.CANCELLED, OutcomeKind.EXPIRED, OutcomeKind.SUPPRESSED


def plan(size: int = 4, **changes: object) -> PlanChunk:
    values = {"send_id": SEND, "ordinal": 0, "provider": "apns", "lane": "normal"}
    return PlanChunk(**{**values, "devices": tuple(UUID(int=i + 1) for i in range(size)), **changes})


def claim(limit: int = 256, now: datetime = NOW, **changes: object) -> StartAttempt:
    return StartAttempt(
        **{"worker": "w1", "now": now, "lease_expires_at": now + timedelta(seconds=30), "limit": limit, **changes}
    )


def answers(attempt: int, **kinds: OutcomeKind) -> RecordAnswers:
    """``answers(1, d0=DELIVERED)``: what attempt 1 says of device 0."""
    return RecordAnswers(attempt=attempt, outcomes=tuple(Outcome(int(d[1:]), kind) for d, kind in kinds.items()))


def again(attempt: int, *devices: int, at: datetime = LATER, max_attempts: int = 8) -> RecordAnswers:
    group = RetryGroup(devices=tuple(Retry(i, "503", "busy", SENT, ANSWERED) for i in devices), at=at)
    return RecordAnswers(attempt=attempt, retries=(group,), max_attempts=max_attempts)


def abandon(attempt: int, resolution: InDoubt = InDoubt.RESEND, max_attempts: int = 8) -> AbandonAttempt:
    after = LEASE + timedelta(seconds=1)
    return AbandonAttempt(attempt=attempt, now=after, resolution=resolution, max_attempts=max_attempts)


def after(*commands: ChunkCommand) -> Chunk:
    state = decide_all(None, commands)[1]
    assert state is not None
    return state


def only(facts: list[Fact]) -> Fact:
    (fact,) = facts
    return fact
