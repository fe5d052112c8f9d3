"""How long a device waits for its next try, and a chunk for its release."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tocsin.commands.context import Context
from tocsin.commands.engine import Change, envelopes
from tocsin.domain import chunk
from tocsin.domain.chunk import PlanChunk, StartAttempt, decide
from tocsin.domain.entry import Entry, Fact, system
from tocsin.domain.events.chunk import ChunkDue, ChunkHeld, ChunkReleased, OutcomeKind
from tocsin.domain.events.send import InDoubt
from tocsin.workers.appointments import FIRST_HOLD, about_held
from tocsin.workers.delivery.outcomes import LONGEST_WAIT, answered, wait
from tocsin.workers.providers.port import Answer, Verdict

NOW = datetime(2026, 1, 1, tzinfo=UTC)
PUSH = UUID(int=7)
tries = st.integers(1, 20)
jitters = st.floats(0, 1)


def time_of(monotonic: float) -> datetime:
    """The record's time, of a process that began at ``NOW``."""
    return NOW + timedelta(seconds=monotonic)


@given(tries, jitters)
def test_no_wait_is_longer_than_the_longest(count: int, jitter: float) -> None:
    assert 0 < wait(count, None, jitter) <= LONGEST_WAIT


@given(st.integers(1, 19), jitters)
def test_a_later_try_waits_longer_until_the_longest(count: int, jitter: float) -> None:
    assert wait(count, None, jitter) <= wait(count + 1, None, jitter)


@given(tries, jitters, st.floats(0, 86_400))
def test_nobody_is_asked_again_sooner_than_the_provider_wants(count: int, jitter: float, asked: float) -> None:
    assert wait(count, asked, jitter) >= asked


def test_devices_that_failed_alike_wait_for_one_moment() -> None:
    state = _claimed(4)
    busy = Answer(index=0, push_id=PUSH, verdict=Verdict.RETRY, code="503")
    slow = Answer(index=0, push_id=PUSH, verdict=Verdict.RETRY, code="429", retry_after=60)
    command = answered(
        state,
        1,
        [(0, busy), (1, slow), (2, busy), (3, slow)],
        now=NOW,
        time_of=time_of,
        in_doubt=InDoubt.RESEND,
        max_attempts=8,
    )
    groups = {tuple(retry.index for retry in group.devices): group.at for group in command.retries}
    assert groups.keys() == {(0, 2), (1, 3)}
    assert groups[0, 2] <= NOW + timedelta(seconds=1)
    assert groups[1, 3] >= NOW + timedelta(seconds=60)


def test_an_answer_is_recorded_with_the_records_times() -> None:
    told = [
        (0, Answer(index=0, push_id=PUSH, verdict=Verdict.DELIVERED, sent_at=1.000_001, answered_at=2.000_002)),
        (1, Answer(index=1, push_id=PUSH, verdict=Verdict.RETRY, sent_at=3.0, answered_at=4.0)),
        (2, Answer(index=2, push_id=PUSH, verdict=Verdict.FAILED, code="unrenderable")),
    ]
    command = answered(_claimed(3), 1, told, now=NOW, time_of=time_of, in_doubt=InDoubt.RESEND, max_attempts=8)
    delivered, refused = command.outcomes
    ((retry,),) = [group.devices for group in command.retries]
    assert (delivered.sent_at, delivered.answered_at) == (time_of(1.000_001), time_of(2.000_002))
    assert (retry.sent_at, retry.answered_at) == (time_of(3.0), time_of(4.0))
    assert (refused.sent_at, refused.answered_at) == (None, None)


def test_no_answer_is_no_outcome_unless_the_sender_said_so() -> None:
    state = _claimed(1)
    silence = [(0, Answer(index=0, push_id=PUSH, verdict=Verdict.UNKNOWN, code="in-doubt.cut"))]
    again = answered(state, 1, silence, now=NOW, time_of=time_of, in_doubt=InDoubt.RESEND, max_attempts=8)
    assert [retry.in_doubt for group in again.retries for retry in group.devices] == [True]
    assert again.outcomes == ()
    settled = answered(state, 1, silence, now=NOW, time_of=time_of, in_doubt=InDoubt.UNKNOWN, max_attempts=8)
    assert [outcome.kind for outcome in settled.outcomes] == [OutcomeKind.UNKNOWN]


def test_a_held_chunk_is_released_after_a_while_and_each_time_later() -> None:
    due = ChunkDue(send_id=PUSH, provider="apns", lane="normal", cause="planned", at=NOW)
    held = [*_planned(1), due, ChunkHeld(reason="refused")]
    assert about_held(_entries(held), (), NOW + FIRST_HOLD * 0.9) == []
    released = about_held(_entries(held), (), NOW + FIRST_HOLD)
    assert [type(fact) for fact in released] == [ChunkReleased, ChunkDue]
    again = _entries([*held, *released, ChunkHeld(reason="refused")])
    assert about_held(again, (), NOW + FIRST_HOLD) == []
    assert about_held(again, (), NOW + FIRST_HOLD * 2) != []


def _planned(count: int) -> list[Fact]:
    devices = tuple(UUID(int=number + 1) for number in range(count))
    return decide(None, PlanChunk(send_id=PUSH, ordinal=0, provider="apns", lane="normal", devices=devices))


def _claimed(count: int) -> chunk.Chunk:
    state = chunk.fold(_planned(count))
    started = StartAttempt(worker="w", now=NOW, lease_expires_at=NOW + timedelta(seconds=60))
    after = chunk.decide_all(state, [started])[1]
    assert after is not None
    return after


def _entries(facts: list[Fact]) -> list[Entry]:
    """The facts as a stream that was recorded at NOW."""
    context = Context(actor=system("test"))
    entries = envelopes(context, Change(UUID(int=9), UUID(int=8), 0, facts))
    return [replace(entry, recorded_at=NOW) for entry in entries]
