"""What a delivery worker would have appended, of answers the test makes up."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from uuid import UUID

from tocsin.commands.context import Context
from tocsin.commands.engine import Change, Loaded, envelopes
from tocsin.domain import chunk
from tocsin.domain.chunk import Chunk
from tocsin.domain.entry import system
from tocsin.domain.events.chunk import AttemptStarted, ChunkCompleted, Outcome, OutcomeKind, OutcomesRecorded
from tocsin.domain.events.send import SendCompleted, Tally
from tocsin.domain.identity import chunk_stream_id
from tocsin.eventlog.record import Record

SENT = datetime(2026, 1, 31, 12, 0, 0, 250_001, tzinfo=UTC)
ANSWERED = datetime(2026, 1, 31, 12, 0, 0, 500_009, tzinfo=UTC)


def deliver(record: Record, app_id: UUID, send_id: UUID, failed: Collection[UUID] = ()) -> int:
    """Record an answer for every device of a planned send, and its completion; the position of the last event."""
    counts = {"delivered": 0, "failed": 0}
    ordinal = 0
    while entries := record.load(chunk_stream_id(send_id, ordinal)):
        loaded: Loaded[Chunk] = Loaded(entries[0].originator_id, chunk, entries)
        assert loaded.state is not None
        outcomes = [_outcome(index, device in failed) for index, device in enumerate(loaded.state.devices)]
        for outcome in outcomes:
            counts[outcome.kind.value] += 1
        started = AttemptStarted(
            attempt=1,
            devices=((0, len(outcomes)),),
            worker="test",
            lease_expires_at=datetime.now(UTC) + timedelta(minutes=1),
        )
        facts = [started, OutcomesRecorded(attempt=1, outcomes=tuple(outcomes))]
        tally = Tally(**{kind: sum(one.kind == kind for one in outcomes) for kind in counts})
        facts.append(ChunkCompleted(tally=tally))
        _append(record, Change(loaded.stream_id, app_id, loaded.version, facts, send_id))
        ordinal += 1
    version = record.load(send_id)[-1].originator_version
    return _append(record, Change(send_id, app_id, version, [SendCompleted(tally=Tally(**counts))]))


def _outcome(index: int, failed: bool) -> Outcome:
    if failed:
        return Outcome(index, OutcomeKind.FAILED, code="BadDeviceToken", reason="the token is dead", sent_at=SENT)
    return Outcome(index, OutcomeKind.DELIVERED, message_id=f"id-{index}", sent_at=SENT, answered_at=ANSWERED)


def _append(record: Record, change: Change) -> int:
    return record.append(envelopes(Context(system("test")), change)).last
