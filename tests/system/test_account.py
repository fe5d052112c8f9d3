"""The account that the other tests rely on finds every way in which a send can go wrong."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest

from system.account import Account, unfaithful
from tocsin.domain.entry import Actor, Entry, Fact
from tocsin.domain.events.chunk import (
    AttemptAbandoned,
    AttemptStarted,
    ChunkPlanned,
    Outcome,
    OutcomeArrivedLate,
    OutcomeKind,
    OutcomesRecorded,
    Retry,
    RetrySet,
)
from tocsin.domain.events.send import InDoubt

NOW = datetime(2026, 1, 1, tzinfo=UTC)
CHUNK, SEND = uuid4(), uuid4()
DEVICES = tuple(uuid4() for _ in range(4))
FIRST, SECOND, THIRD, FOURTH = DEVICES

PLANNED = ChunkPlanned(send_id=SEND, ordinal=0, provider="apns", lane="normal", devices=DEVICES)


def _claimed(attempt: int, start: int = 0, stop: int = 4) -> AttemptStarted:
    return AttemptStarted(attempt=attempt, devices=((start, stop),), worker="a", lease_expires_at=NOW)


def _delivered(attempt: int, *indices: int) -> OutcomesRecorded:
    outcomes = tuple(Outcome(index, OutcomeKind.DELIVERED) for index in indices)
    return OutcomesRecorded(attempt=attempt, outcomes=outcomes)


def _account(*facts: Fact) -> Account:
    actor, command = Actor(principal="test"), uuid4()
    return Account.told(
        Entry(
            originator_id=CHUNK,
            originator_version=version,
            app_id=SEND,
            root_id=SEND,
            actor=actor,
            command_id=command,
            correlation_id=command,
            fact=fact,
        )
        for version, fact in enumerate((PLANNED, *facts), start=1)
    )


GOOD = _account(_claimed(1), _delivered(1, 0, 1, 2, 3))
ONCE = Counter(DEVICES)
ONE_OUTCOME = "each device has exactly one final outcome"


def test_a_send_that_went_well_breaks_no_promise() -> None:
    assert unfaithful(GOOD, DEVICES, ONCE, ONCE) == {}


def test_a_retry_that_is_no_doubt_is_no_excuse_for_sending_twice() -> None:
    retried = RetrySet(attempt=1, devices=(Retry(0, in_doubt=False), Retry(1, in_doubt=True)), at=NOW)
    account = _account(_claimed(1), retried, _claimed(2, 0, 2), _delivered(2, 0, 1), _delivered(1, 2, 3))
    twice = ONCE + Counter([FIRST, SECOND])
    assert account.in_doubt == {SECOND}
    assert unfaithful(account, DEVICES, twice, twice) == {"what was sent twice is recorded as in doubt": {FIRST}}


def test_an_abandoned_attempt_leaves_the_claimed_in_doubt() -> None:
    abandoned = AttemptAbandoned(attempt=1, devices=((1, 3),), resolution=InDoubt.RESEND)
    account = _account(_claimed(1), _delivered(1, 0, 3), abandoned, _claimed(2, 1, 3), _delivered(2, 1, 2))
    assert account.in_doubt == {SECOND, THIRD}
    twice = ONCE + Counter([SECOND, THIRD])
    assert unfaithful(account, DEVICES, twice, twice) == {}


def test_a_late_answer_settles_a_device_and_is_no_second_outcome_of_another() -> None:
    abandoned = AttemptAbandoned(attempt=1, devices=((0, 2),), resolution=InDoubt.UNKNOWN)
    late = OutcomeArrivedLate(attempt=1, outcomes=tuple(Outcome(index, OutcomeKind.DELIVERED) for index in (0, 1)))
    unknown = OutcomesRecorded(attempt=1, outcomes=(Outcome(1, OutcomeKind.UNKNOWN),))
    account = _account(_claimed(1), _delivered(1, 2, 3), abandoned, unknown, late)
    assert unfaithful(account, DEVICES, ONCE, ONCE) == {}


@pytest.mark.parametrize(
    ("account", "accepted", "asked", "promise", "device"),
    [
        (
            _account(_claimed(1), _delivered(1, 0, 1, 2)),
            ONCE,
            ONCE,
            ONE_OUTCOME,
            FOURTH,
        ),
        (
            _account(_claimed(1), _delivered(1, 0, 1, 2, 3), _delivered(1, 0)),
            ONCE,
            ONCE,
            ONE_OUTCOME,
            FIRST,
        ),
        (GOOD, ONCE - Counter([FIRST]), ONCE, "what counts as delivered was accepted", FIRST),
        (GOOD, ONCE, ONCE + Counter([THIRD]), "no provider is called without a claim", THIRD),
        (replace(GOOD, delivered=set(DEVICES[1:])), ONCE, ONCE, "what was accepted counts as delivered", FIRST),
        (replace(GOOD, planned=Counter(DEVICES[1:])), ONCE, ONCE, "each device is in one chunk", FIRST),
    ],
)
def test_a_broken_promise_is_named_with_the_device(
    account: Account, accepted: Counter[UUID], asked: Counter[UUID], promise: str, device: UUID
) -> None:
    assert unfaithful(account, DEVICES, accepted, asked)[promise] == {device}
