"""Chunks as read models keep them: the domain's own state beside the rows, so that what an event changes is the
domain's to say. An answer that arrives late, a second outcome, a claim of nobody's: none of it is judged again here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import msgspec

from tocsin.domain.catalog import CATALOG
from tocsin.domain.chunk_state import Attempt, Chunk, evolve
from tocsin.domain.entry import Entry
from tocsin.domain.events.chunk import ChunkPlanned, OutcomeKind
from tocsin.domain.indices import Indices

CHUNK_FACTS = frozenset(fact for name, (fact, _) in CATALOG.items() if name.startswith("chunk."))
"""The facts of the Chunk streams."""

_NOBODY = UUID(int=0)


class _KeptAttempt(msgspec.Struct, array_like=True):
    number: int
    worker: str
    lease_expires_at: datetime
    devices: bytes
    claimed: bytes
    in_doubt: bytes


class _Kept(msgspec.Struct, array_like=True):
    send_id: UUID
    ordinal: int
    provider: str
    profile: str
    lane: str
    size: int
    pending: bytes
    waiting: list[tuple[datetime, bytes]]
    attempts: list[_KeptAttempt]
    final: list[tuple[OutcomeKind, bytes]]
    tries: bytes
    announced: bytes
    held: str | None
    completed: bool
    badges: list[tuple[int, int]]
    not_before: datetime | None


_decoder = msgspec.msgpack.Decoder(_Kept)
_encoder = msgspec.msgpack.Encoder()


def freeze(chunk: Chunk) -> bytes:
    """A chunk's state without the names of its devices; equal states give equal bytes."""
    return _encoder.encode(
        _Kept(
            send_id=chunk.send_id,
            ordinal=chunk.ordinal,
            provider=chunk.provider,
            profile=chunk.profile,
            lane=chunk.lane,
            size=len(chunk.devices),
            pending=_bytes(chunk.pending),
            waiting=[(at, _bytes(group)) for at, group in sorted(chunk.waiting.items())],
            attempts=[_keep(number, attempt) for number, attempt in sorted(chunk.attempts.items())],
            final=[(kind, _bytes(group)) for kind, group in sorted(chunk.final.items()) if group],
            tries=chunk.tries,
            announced=_bytes(chunk.announced),
            held=chunk.held,
            completed=chunk.completed,
            badges=sorted(chunk.badges.items()),
            not_before=chunk.not_before,
        )
    )


def thaw(frozen: bytes) -> Chunk:
    """The state that ``freeze`` was given; its devices are nameless, their number is right."""
    kept = _decoder.decode(frozen)
    return Chunk(
        send_id=kept.send_id,
        ordinal=kept.ordinal,
        provider=kept.provider,
        profile=kept.profile,
        lane=kept.lane,
        devices=(_NOBODY,) * kept.size,
        pending=_indices(kept.pending),
        waiting={at: _indices(group) for at, group in kept.waiting},
        attempts={attempt.number: _attempt(attempt) for attempt in kept.attempts},
        final={kind: _indices(group) for kind, group in kept.final},
        tries=kept.tries,
        announced=_indices(kept.announced),
        held=kept.held,
        completed=kept.completed,
        badges=dict(kept.badges),
        not_before=kept.not_before,
    )


def _keep(number: int, attempt: Attempt) -> _KeptAttempt:
    sets = (_bytes(attempt.devices), _bytes(attempt.claimed), _bytes(attempt.in_doubt))
    return _KeptAttempt(number, attempt.worker, attempt.lease_expires_at, *sets)


def _attempt(kept: _KeptAttempt) -> Attempt:
    return Attempt(
        worker=kept.worker,
        lease_expires_at=kept.lease_expires_at,
        devices=_indices(kept.devices),
        claimed=_indices(kept.claimed),
        in_doubt=_indices(kept.in_doubt),
    )


def _bytes(indices: Indices) -> bytes:
    return indices.to_bytes((indices.bit_length() + 7) // 8, "little")


def _indices(stored: bytes) -> Indices:
    return int.from_bytes(stored, "little")


class Step(NamedTuple):
    """One entry of a chunk's, and the chunk before (None: it was planned) and after it."""

    entry: Entry
    before: Chunk | None
    after: Chunk


def chunks_to_load(entries: Sequence[Entry]) -> set[UUID]:
    """The chunks among ``entries`` that were planned earlier."""
    planned = {entry.originator_id for entry in entries if isinstance(entry.fact, ChunkPlanned)}
    return {entry.originator_id for entry in entries} - planned


def steps(entries: Sequence[Entry], kept: Mapping[UUID, bytes]) -> Iterator[Step]:
    """What each entry changes, in order. ``kept``: the frozen states of ``chunks_to_load``."""
    states = {chunk_id: thaw(frozen) for chunk_id, frozen in kept.items()}
    for entry in entries:
        before = states.get(entry.originator_id)
        after = states[entry.originator_id] = evolve(before, entry.fact)
        yield Step(entry, before, after)
