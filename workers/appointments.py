"""What the scheduler does about each item of its agenda: decided on the streams themselves, never on the agenda."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from tocsin.domain import chunk as chunks
from tocsin.domain import send as sends
from tocsin.domain.chunk import AbandonAttempt, Chunk, ChunkCommand, CloseRemaining, MakeDue, ReleaseChunk
from tocsin.domain.chunk_state import repeat_at
from tocsin.domain.entry import Entry, Fact
from tocsin.domain.events.app import AppEnabled, ProviderConfigured
from tocsin.domain.events.chunk import ChunkCompleted, ChunkHeld
from tocsin.domain.events.send import Tally
from tocsin.domain.identity import chunk_stream_id
from tocsin.domain.send import CompleteSend, ExpireSend, Send, SendCommand, StartSend
from tocsin.eventlog.record import Record
from tocsin.projections.agenda import DueKind

FIRST_HOLD = timedelta(seconds=60)
LONGEST_HOLD = timedelta(hours=1)
"""A held chunk is tried again after a minute, and each time after twice as long."""

REMEDIES = (ProviderConfigured, AppEnabled)
"""What an operator may have done about the reason for which chunks are held."""


def about_chunk(
    entries: Sequence[Entry], state: Chunk, send: Send, kinds: Collection[DueKind], now: datetime
) -> list[Fact]:
    """The facts that settle what the agenda says of a chunk; none where it is settled."""
    facts, after = chunks.decide_all(state, _abandoned(state, send, now))
    if send.closes_as is not None:
        return facts + chunks.decide(after, CloseRemaining(kind=send.closes_as))
    if send.audience is None:
        return facts
    spent = DueKind.REPEAT in kinds and _is_spent(entries, state, now)
    cause = "unanswered" if spent else _cause(state, kinds)
    return facts + chunks.decide(after, MakeDue(cause=cause, now=now, repeat=spent))


def _is_spent(entries: Sequence[Entry], state: Chunk, now: datetime) -> bool:
    """Whether nobody has answered an announcement for so long that it is made again."""
    planned, last = entries[0].recorded_at, entries[-1].recorded_at
    assert planned is not None
    assert last is not None
    again = repeat_at(state, planned, last)
    return again is not None and again <= now


def _abandoned(state: Chunk, send: Send, now: datetime) -> Iterable[ChunkCommand]:
    request = send.request
    for number, attempt in state.attempts.items():
        if attempt.claimed and attempt.lease_expires_at < now:
            yield AbandonAttempt(
                attempt=number, now=now, resolution=request.in_doubt, max_attempts=request.max_attempts
            )


def _cause(state: Chunk, kinds: Collection[DueKind]) -> str:
    if DueKind.LEASE in kinds:
        return "abandoned"
    return "retry" if DueKind.RETRY in kinds and any(state.tries) else "planned"


def about_held(entries: Sequence[Entry], app: Iterable[Entry], now: datetime) -> list[Fact]:
    """Releases a held chunk whose time has come, or whose app was changed since in what a way to a provider needs."""
    held = [entry for entry in entries if isinstance(entry.fact, ChunkHeld)]
    state = chunks.fold(entry.fact for entry in entries)
    if state is None or state.held is None or state.completed:
        return []
    since = held[-1].recorded_at
    assert since is not None
    changed = any(isinstance(entry.fact, REMEDIES) and entry.position > held[-1].position for entry in app)
    if not changed and now < since + _patience(len(held)):
        return []
    release = ReleaseChunk(reason="the app was changed" if changed else None)
    # Whoever held it had been told of its devices: that announcement is spent.
    return chunks.decide_all(state, (release, MakeDue(cause="released", now=now, repeat=True)))[0]


def _patience(holds: int) -> timedelta:
    return min(FIRST_HOLD * (1 << min(holds - 1, 10)), LONGEST_HOLD)


def about_send(record: Record, send_id: UUID, state: Send, kind: DueKind, now: datetime) -> list[Fact]:
    """The facts that settle what the agenda says of a send; none where it is settled."""
    command: SendCommand
    if kind is DueKind.START_SEND:
        command = StartSend(now=now)
    elif kind is DueKind.EXPIRE_SEND:
        command = ExpireSend(now=now)
    else:
        if state.audience is None or state.tally is not None:
            return []
        tallies = [_final_tally(record, chunk_stream_id(send_id, number)) for number in range(state.audience.chunks)]
        if None in tallies:
            return []
        command = CompleteSend(chunks=len(tallies), tally=_sum(tally for tally in tallies if tally is not None))
    return sends.decide(state, command)


def _final_tally(record: Record, chunk_id: UUID) -> Tally | None:
    """What a completed chunk comes to; None while it is not completed."""
    last = record.codec.decode(record.recorder.select_events(chunk_id, desc=True, limit=1))
    if last and isinstance(last[0].fact, ChunkCompleted):
        return last[0].fact.tally
    # An answer that arrived after its chunk was completed has corrected what it came to.
    state = chunks.fold(entry.fact for entry in record.load(chunk_id))
    return chunks.tally(state) if state is not None and state.completed else None


def _sum(tallies: Iterable[Tally]) -> Tally:
    counted = list(tallies)
    return Tally(**{name: sum(getattr(tally, name) for tally in counted) for name in Tally.__struct_fields__})
