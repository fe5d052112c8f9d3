"""What can happen to sends and chunks, sense and nonsense alike: events are read, not trusted."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from hypothesis import strategies as st

from tocsin.domain.audience import Audience
from tocsin.domain.entry import Fact
from tocsin.domain.events.chunk import (
    AttemptAbandoned,
    AttemptStarted,
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
from tocsin.domain.events.send import InDoubt, SendRequested
from tocsin.domain.message import Message

START = datetime(2026, 3, 1, tzinfo=UTC)
SIZE = 6

numbers = st.integers(0, 3)
places = st.integers(0, SIZE - 1)
moments = st.integers(0, 5).map(lambda minutes: START + timedelta(minutes=minutes))
ranges = st.lists(places, min_size=1, unique=True).map(
    lambda found: tuple((index, index + 1) for index in sorted(found))
)
answers = st.lists(
    st.builds(Outcome, places, st.sampled_from(OutcomeKind), st.just("id"), st.none(), st.just("said"), moments),
    min_size=1,
    unique_by=lambda outcome: outcome.index,
).map(tuple)
retries = st.lists(
    st.builds(Retry, places, st.just("busy"), in_doubt=st.booleans()), min_size=1, unique_by=lambda retry: retry.index
).map(tuple)

chunk_facts: st.SearchStrategy[Fact] = st.one_of(
    st.builds(AttemptStarted, attempt=numbers, devices=ranges, worker=st.just("w"), lease_expires_at=moments),
    st.builds(AttemptStarted, attempt=numbers, devices=ranges, worker=st.just("w"), lease_expires_at=moments,
              badges=st.lists(st.integers(0, 9), max_size=SIZE).map(tuple)),
    st.builds(OutcomesRecorded, attempt=numbers, outcomes=answers),
    st.builds(OutcomesRecorded, attempt=numbers, outcomes=answers),
    st.builds(RetrySet, attempt=numbers, devices=retries, at=moments),
    st.builds(AttemptAbandoned, attempt=numbers, devices=ranges, resolution=st.sampled_from(InDoubt)),
    st.builds(OutcomeArrivedLate, attempt=numbers, outcomes=answers),
    st.builds(ChunkDue, send_id=st.just(UUID(int=1)), provider=st.just("apns"), lane=st.just("normal"),
              cause=st.just("planned"), at=st.none() | moments),
    st.builds(ChunkHeld, reason=st.just("refused")),
    st.builds(ChunkReleased),
)  # fmt: skip
"""Anything after the plan."""

chunk_lives = st.lists(chunk_facts, max_size=14)


def planned(
    send_id: UUID, ordinal: int, provider: str = "apns", size: int = SIZE, not_before: datetime | None = None
) -> ChunkPlanned:
    """A plan for so many new devices."""
    return ChunkPlanned(
        send_id=send_id,
        ordinal=ordinal,
        provider=provider,
        lane="normal",
        devices=tuple(uuid4() for _ in range(size)),
        not_before=not_before,
    )


def requested(**members: object) -> SendRequested:
    """A request for everyone."""
    given = {"message": Message(body="evacuate"), "audience": Audience(everyone=True), **members}
    return SendRequested(**given)  # type: ignore[arg-type]
