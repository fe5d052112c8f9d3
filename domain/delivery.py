"""Outcomes one by one: a chunk's event says what became of many devices, each of which has an event of its own here.

Nothing of this is recorded a second time. An event's address, the position of the chunk's event in the record and the
index of the device in its chunk, is for ever, so it can be cited, filtered by and proved.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Protocol
from uuid import UUID

import msgspec

from tocsin.domain.entry import Entry
from tocsin.domain.events.chunk import (
    AttemptAbandoned,
    Outcome,
    OutcomeArrivedLate,
    OutcomeKind,
    OutcomesRecorded,
    Retry,
    RetrySet,
)
from tocsin.domain.events.send import InDoubt

NAME_OF = {kind: f"delivery.{kind}" for kind in OutcomeKind}
RETRY = "delivery.retry"

DELIVERY_NAMES = (*NAME_OF.values(), RETRY)
"""Every name a device's event can have."""

UNROLLED = (OutcomesRecorded, OutcomeArrivedLate, RetrySet, AttemptAbandoned)
"""The facts of a chunk that say something of single devices."""

IN_DOUBT = "in-doubt"


class Planned(Protocol):
    """A chunk's plan, or its state."""

    @property
    def send_id(self) -> UUID: ...
    @property
    def provider(self) -> str: ...
    @property
    def devices(self) -> tuple[UUID, ...]: ...


class DeliveryFact(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What became of one device.

    ``name``: ``delivery.delivered``, ``delivery.retry``, … ``position`` and ``index``: its address. ``attempt`` 0: it
    was settled without one. ``sent_at``, ``answered_at``: as in an ``Outcome``. ``retry_at``: not tried again before
    it. ``late``: the answer came after its attempt had been given up, and stands against what was recorded since.
    """

    name: str
    position: int
    index: int
    chunk_id: UUID
    send_id: UUID
    device_id: UUID
    provider: str
    attempt: int
    message_id: str | None = None
    code: str | None = None
    reason: str | None = None
    sent_at: datetime | None = None
    answered_at: datetime | None = None
    retry_at: datetime | None = None
    recorded_at: datetime | None = None
    late: bool = False


def unroll(entry: Entry, chunk: Planned) -> Iterator[DeliveryFact]:
    """The events of single devices that ``entry`` holds, in the order it names them; none for any other event.

    ``chunk``: the plan the indices refer to. A device given up in doubt is ``delivery.unknown`` where it is not sent
    again, else ``delivery.retry`` with the code ``in-doubt``.
    """
    match entry.fact:
        case OutcomesRecorded(attempt=attempt, outcomes=outcomes):
            yield from (_settled(entry, chunk, attempt, outcome, late=False) for outcome in outcomes)
        case OutcomeArrivedLate(attempt=attempt, outcomes=outcomes):
            yield from (_settled(entry, chunk, attempt, outcome, late=True) for outcome in outcomes)
        case RetrySet(attempt=attempt, devices=retries, at=at):
            yield from (_retried(entry, chunk, attempt, retry, at) for retry in retries)
        case AttemptAbandoned():
            yield from _given_up(entry, chunk, entry.fact)


def _settled(entry: Entry, chunk: Planned, attempt: int, outcome: Outcome, *, late: bool) -> DeliveryFact:
    return DeliveryFact(
        name=NAME_OF[outcome.kind],
        position=entry.position,
        index=outcome.index,
        chunk_id=entry.originator_id,
        send_id=chunk.send_id,
        device_id=chunk.devices[outcome.index],
        provider=chunk.provider,
        attempt=attempt,
        message_id=outcome.message_id,
        code=outcome.code,
        reason=outcome.reason,
        sent_at=outcome.sent_at,
        answered_at=outcome.answered_at,
        recorded_at=entry.recorded_at,
        late=late,
    )


def _retried(entry: Entry, chunk: Planned, attempt: int, retry: Retry, at: datetime) -> DeliveryFact:
    return DeliveryFact(
        name=RETRY,
        position=entry.position,
        index=retry.index,
        chunk_id=entry.originator_id,
        send_id=chunk.send_id,
        device_id=chunk.devices[retry.index],
        provider=chunk.provider,
        attempt=attempt,
        code=retry.code,
        reason=retry.reason,
        sent_at=retry.sent_at,
        answered_at=retry.answered_at,
        retry_at=at,
        recorded_at=entry.recorded_at,
    )


def _given_up(entry: Entry, chunk: Planned, fact: AttemptAbandoned) -> Iterator[DeliveryFact]:
    name = NAME_OF[OutcomeKind.UNKNOWN] if fact.resolution is InDoubt.UNKNOWN else RETRY
    for start, stop in fact.devices:
        for index in range(start, stop):
            yield DeliveryFact(
                name=name,
                position=entry.position,
                index=index,
                chunk_id=entry.originator_id,
                send_id=chunk.send_id,
                device_id=chunk.devices[index],
                provider=chunk.provider,
                attempt=fact.attempt,
                code=IN_DOUBT,
                recorded_at=entry.recorded_at,
            )
