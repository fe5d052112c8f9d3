"""The law, for every sequence of commands and of events: audience = the sum of the tally, each device in one place."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tocsin.domain import indices
from tocsin.domain.chunk import (
    AT_ONCE,
    AbandonAttempt,
    Chunk,
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
    claimable,
    decide,
    evolve,
    fold,
    next_wake,
    tally,
    unneeded,
)
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
    Retry,
    RetrySet,
)
from tocsin.domain.events.send import InDoubt, Tally

START = datetime(2026, 3, 1, tzinfo=UTC)
LEASE = timedelta(seconds=30)
MAX_ATTEMPTS = 3
DELIVERED, FAILED, UNKNOWN = OutcomeKind.DELIVERED, OutcomeKind.FAILED, OutcomeKind.UNKNOWN

kinds = st.sampled_from(OutcomeKind)
closings = st.sampled_from([OutcomeKind.CANCELLED, OutcomeKind.EXPIRED, OutcomeKind.SUPPRESSED])


class Naive:
    """One device, told what happens to it in plain words. ``place``: open, waiting, claimed or final."""

    def __init__(self) -> None:
        self.place = "open"
        self.until = START
        self.attempt = 0
        self.outcome: OutcomeKind | None = None
        self.tries = 0
        self.doubts: set[int] = set()

    def may_be_claimed(self, now: datetime) -> bool:
        return self.place == "open" or (self.place == "waiting" and self.until <= now)

    def claim(self, attempt: int) -> None:
        self.place, self.attempt, self.tries = "claimed", attempt, self.tries + 1

    def settle(self, outcome: OutcomeKind) -> None:
        self.place, self.outcome = "final", outcome

    def close(self, kind: OutcomeKind) -> None:
        if self.place in ("open", "waiting"):
            self.settle(UNKNOWN if self.doubts else kind)

    def abandon(self, attempt: int, resolution: InDoubt) -> None:
        if self.place == "claimed" and self.attempt == attempt:
            self.doubts.add(attempt)
            if resolution is InDoubt.UNKNOWN or self.tries >= MAX_ATTEMPTS:
                self.settle(UNKNOWN)
            else:
                self.place = "open"

    def told(self, attempt: int, kind: OutcomeKind | bool, at: datetime) -> bool:
        """True where the answer counts."""
        return self.retry(attempt, at, kind) if isinstance(kind, bool) else self.answer(attempt, kind)

    def answer(self, attempt: int, kind: OutcomeKind) -> bool:
        if self.place == "claimed" and self.attempt == attempt:
            if kind is UNKNOWN:
                self.doubts.add(attempt)
            self.settle(kind)
            return True
        return self._answer_late(attempt, kind)

    def _answer_late(self, attempt: int, kind: OutcomeKind) -> bool:
        if attempt not in self.doubts or kind is UNKNOWN or self.outcome is DELIVERED:
            return False
        own = self.attempt == attempt and self.outcome in (None, UNKNOWN)
        if kind is not DELIVERED and not own:
            return False
        self.doubts.discard(attempt)
        self.settle(kind)
        return True

    def retry(self, attempt: int, at: datetime, in_doubt: bool) -> bool:
        if self.place == "claimed" and self.attempt == attempt:
            self.doubts |= {attempt} if in_doubt else set()
            if self.tries >= MAX_ATTEMPTS:
                self.settle(UNKNOWN if self.doubts else FAILED)
            else:
                self.place, self.until = "waiting", at
            return True
        return self.outcome is UNKNOWN and not in_doubt and self._answer_late(attempt, FAILED)


class ChunkAgainstNaiveDevices(RuleBasedStateMachine):
    """Whatever is asked in whatever order, the bits say what a thousand small objects would say."""

    @initialize(size=st.integers(1, 9))
    def plan(self, size: int) -> None:
        self.now = START
        self.naive = [Naive() for _ in range(size)]
        self.facts: list[Fact] = []
        self.state: Chunk | None = None
        self.claims: dict[int, set[int]] = {}
        self.delivered: set[int] = set()
        devices = tuple(UUID(int=i + 1) for i in range(size))
        self.do(PlanChunk(send_id=UUID(int=9), ordinal=0, provider="fcm", lane="bulk", devices=devices))

    def do(self, command: ChunkCommand) -> list[Fact]:
        new = decide(self.state, command)
        self.facts += new
        self.state = fold(new, self.state)
        return new

    @property
    def chunk(self) -> Chunk:
        assert self.state is not None
        return self.state

    @rule(seconds=st.integers(0, 40))
    def time_passes(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)

    @rule(repeat=st.booleans())
    def announce(self, repeat: bool) -> None:
        due = self.do(MakeDue(cause="retry", now=self.now, repeat=repeat))
        open_now = [one for one in self.naive if one.may_be_claimed(self.now)]
        assert not due or (open_now and self.chunk.held is None)
        assert self.do(MakeDue(cause="retry", now=self.now)) == []

    @rule(limit=st.integers(1, 4), among=st.none() | st.sets(st.integers(0, 8)))
    def claim(self, limit: int, among: set[int] | None) -> None:
        free = [i for i, one in enumerate(self.naive) if one.may_be_claimed(self.now) and (among is None or i in among)]
        expected = [] if self.chunk.held else free[:limit]
        command = StartAttempt(
            worker="w",
            now=self.now,
            lease_expires_at=self.now + LEASE,
            limit=limit,
            among=None if among is None else tuple(among),
        )
        started = self.do(command)
        assert bool(started) == bool(expected)
        for fact in started:
            assert isinstance(fact, AttemptStarted)
            assert [i for start, stop in fact.devices for i in range(start, stop)] == expected
            self.claims[fact.attempt] = set(expected)
            for i in expected:
                self.naive[i].claim(fact.attempt)

    @precondition(lambda self: self.claims)
    @rule(data=st.data())
    def answer(self, data: st.DataObject) -> None:
        attempt = data.draw(st.sampled_from(sorted(self.claims)))
        # A kind, or for a device to be tried again whether this try is in doubt.
        said = data.draw(st.dictionaries(st.sampled_from(sorted(self.claims[attempt])), st.booleans() | kinds))
        at = self.now + timedelta(seconds=data.draw(st.integers(0, 20)))
        retries = [Retry(i, "503", in_doubt=doubt) for i, doubt in said.items() if isinstance(doubt, bool)]
        command = RecordAnswers(
            attempt=attempt,
            outcomes=tuple(Outcome(i, kind) for i, kind in said.items() if not isinstance(kind, bool)),
            retries=(RetryGroup(devices=tuple(retries), at=at),),
            max_attempts=MAX_ATTEMPTS,
        )
        left_out = unneeded(self.chunk, command)
        self.do(command)
        counted = {i for i, kind in said.items() if self.naive[i].told(attempt, kind, at)}
        assert left_out == sorted(set(said) - counted)
        assert self.do(command) == []

    @precondition(lambda self: self.claims)
    @rule(data=st.data(), resolution=st.sampled_from(InDoubt))
    def lose_a_worker(self, data: st.DataObject, resolution: InDoubt) -> None:
        attempt = data.draw(st.sampled_from(sorted(self.claims)))
        self.now = max(self.now, self.chunk.attempts[attempt].lease_expires_at) + timedelta(seconds=1)
        self.do(AbandonAttempt(attempt=attempt, now=self.now, resolution=resolution, max_attempts=MAX_ATTEMPTS))
        for one in self.naive:
            one.abandon(attempt, resolution)

    @precondition(lambda self: len(self.facts) > 6)
    @rule(kind=closings)
    def close(self, kind: OutcomeKind) -> None:
        self.do(CloseRemaining(kind=kind))
        for one in self.naive:
            one.close(kind)

    @rule(which=st.sets(st.integers(0, 8), max_size=3))
    def suppress(self, which: set[int]) -> None:
        self.do(Suppress(devices=tuple((i, "retired") for i in which)))
        for i, one in enumerate(self.naive):
            if i in which:
                one.close(OutcomeKind.SUPPRESSED)

    @precondition(lambda self: len(self.facts) % 4 == 3)
    @rule()
    def hold(self) -> None:
        self.do(HoldChunk(reason="operator"))

    @rule()
    def release(self) -> None:
        self.do(ReleaseChunk())

    @invariant()
    def the_law_holds(self) -> None:
        assert tally(self.chunk).audience == len(self.naive)
        assert each_device_is_in_one_place(self.chunk)

    @invariant()
    def the_tally_is_what_the_devices_say(self) -> None:
        assert tally(self.chunk) == self.counted()

    @invariant()
    def every_device_has_the_outcome_the_devices_say(self) -> None:
        assert [self.chunk.outcome_of(i) for i in range(len(self.naive))] == [one.outcome for one in self.naive]

    @invariant()
    def nothing_delivered_is_ever_taken_back(self) -> None:
        now = set(indices.members(self.chunk.final.get(DELIVERED, 0)))
        assert self.delivered <= now
        self.delivered = now

    @invariant()
    def it_is_completed_once_and_exactly_when_every_device_had_an_outcome(self) -> None:
        completed = [fact for fact in self.facts if isinstance(fact, ChunkCompleted)]
        assert len(completed) == int(self.chunk.completed)
        assert self.chunk.completed == (self.counted().pending == 0)

    @invariant()
    def claimable_devices_are_those_that_say_so(self) -> None:
        free = [i for i, one in enumerate(self.naive) if one.may_be_claimed(self.now)]
        assert indices.members(claimable(self.chunk, self.now)) == ([] if self.chunk.held else free)

    @invariant()
    def whatever_is_open_is_announced_claimed_held_or_wakes_the_scheduler(self) -> None:
        wake = next_wake(self.chunk)
        unannounced = claimable(self.chunk, datetime.max.replace(tzinfo=UTC)) & ~self.chunk.announced
        assert (wake is not None) == bool(self.chunk.claimed or unannounced)
        if wake not in (None, AT_ONCE):
            leases = [a.lease_expires_at for a in self.chunk.attempts.values() if a.claimed]
            assert wake in leases + [one.until for one in self.naive if one.place == "waiting"]

    @invariant()
    def folding_the_history_again_gives_the_same_state(self) -> None:
        assert fold(self.facts) == self.chunk

    def counted(self) -> Tally:
        finals = [one.outcome for one in self.naive]
        counts = {kind.value: finals.count(kind) for kind in OutcomeKind}
        return Tally(**counts, pending=finals.count(None))


def each_device_is_in_one_place(state: Chunk) -> bool:
    places = [
        state.pending,
        *state.waiting.values(),
        *(attempt.claimed for attempt in state.attempts.values()),
        *state.final.values(),
    ]
    everyone = 0
    for place in places:
        everyone |= place
    return (
        everyone == indices.everyone(len(state.devices)) and sum(p.bit_count() for p in places) == everyone.bit_count()
    )


TestChunkAgainstNaiveDevices = ChunkAgainstNaiveDevices.TestCase
TestChunkAgainstNaiveDevices.settings = settings(max_examples=250, stateful_step_count=40)


index = st.integers(-1, 6)
attempt_number = st.sampled_from([1, 1, 1, 2, 2, 3, 0, -1])
moments = st.integers(0, 5).map(lambda minutes: START + timedelta(minutes=minutes))
ranges = st.lists(st.tuples(index, index), max_size=3).map(tuple)
outcomes = st.lists(st.builds(Outcome, index, kinds), max_size=6).map(tuple)
tallies = st.builds(Tally, delivered=st.integers(0, 3), pending=st.integers(0, 3))

any_event: st.SearchStrategy[Any] = st.one_of(
    st.builds(AttemptStarted, attempt=attempt_number, devices=ranges, worker=st.just("w"), lease_expires_at=moments),
    st.builds(
        AttemptStarted,
        attempt=attempt_number,
        devices=st.just(((0, 9),)),
        worker=st.just("w"),
        lease_expires_at=moments,
    ),
    st.builds(OutcomesRecorded, attempt=attempt_number, outcomes=outcomes),
    st.builds(RetrySet, attempt=attempt_number, devices=st.lists(st.builds(Retry, index)).map(tuple), at=moments),
    st.builds(AttemptAbandoned, attempt=attempt_number, devices=ranges, resolution=st.sampled_from(InDoubt)),
    st.builds(OutcomeArrivedLate, attempt=attempt_number, outcomes=outcomes),
    st.builds(ChunkCompleted, tally=tallies),
    st.builds(ChunkHeld, reason=st.just("x")),
    st.builds(ChunkReleased),
    st.builds(
        ChunkDue,
        send_id=st.just(UUID(int=9)),
        provider=st.just("fcm"),
        lane=st.just("bulk"),
        cause=st.just("retry"),
        at=st.none() | moments,
    ),
    st.builds(
        ChunkPlanned,
        send_id=st.just(UUID(int=8)),
        ordinal=st.just(1),
        provider=st.just("wns"),
        lane=st.just("bulk"),
        devices=st.just((UUID(int=77),)),
    ),
)


@given(size=st.integers(0, 6), events=st.lists(any_event, min_size=8, max_size=25))
@settings(max_examples=300)
def test_no_sequence_of_events_whatever_it_says_breaks_the_law(size: int, events: list[Fact]) -> None:
    devices = tuple(UUID(int=i + 1) for i in range(size))
    state = evolve(None, ChunkPlanned(send_id=UUID(int=9), ordinal=0, provider="fcm", lane="bulk", devices=devices))
    delivered = 0
    for event in events:
        state = evolve(state, event)
        assert tally(state).audience == size
        assert each_device_is_in_one_place(state)
        assert delivered & ~state.final.get(DELIVERED, 0) == 0
        delivered = state.final.get(DELIVERED, 0)
        assert not state.completed or tally(state).pending == 0
