"""What the record says of a send, device by device, read from its events and from nothing derived of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from uuid import UUID

from tocsin.domain.entry import Entry
from tocsin.domain.events.chunk import (
    AttemptAbandoned,
    AttemptStarted,
    ChunkPlanned,
    Outcome,
    OutcomeArrivedLate,
    OutcomeKind,
    OutcomesRecorded,
    Ranges,
    RetrySet,
)
from tocsin.eventlog.record import Record


@dataclass
class Account:
    """``claims``: how many attempts a device was claimed in. ``in_doubt``: who may have been reached unnoticed."""

    planned: Counter[UUID] = field(default_factory=Counter)
    claims: Counter[UUID] = field(default_factory=Counter)
    outcomes: Counter[UUID] = field(default_factory=Counter)
    delivered: set[UUID] = field(default_factory=set)
    in_doubt: set[UUID] = field(default_factory=set)

    @classmethod
    def read(cls, record: Record, send_id: UUID) -> Account:
        """The account of a send."""
        with record.sessions.connection() as connection:
            query = "select distinct stream_id from record.events where root_id = %s"
            streams = [stream for (stream,) in connection.execute(query, (send_id,))]
        found = record.load_many(streams).values()
        return cls.told(sorted((entry for entries in found for entry in entries), key=lambda entry: entry.position))

    @classmethod
    def told(cls, entries: Iterable[Entry]) -> Account:
        """By a send's and its chunks' events in order."""
        account, chunks = cls(), dict[UUID, tuple[UUID, ...]]()
        for entry in entries:
            if isinstance(entry.fact, ChunkPlanned):
                chunks[entry.originator_id] = entry.fact.devices
                account.planned.update(entry.fact.devices)
            elif entry.originator_id in chunks:
                account._add(chunks[entry.originator_id], entry.fact)
        return account

    def _add(self, devices: tuple[UUID, ...], fact: object) -> None:
        match fact:
            case AttemptStarted():
                self.claims.update(_named(devices, fact.devices))
            case AttemptAbandoned():
                self.in_doubt.update(_named(devices, fact.devices))
            case RetrySet():
                self.in_doubt.update(devices[one.index] for one in fact.devices if one.in_doubt)
            case OutcomesRecorded():
                self.outcomes.update(devices[one.index] for one in fact.outcomes)
                self._note_delivered(devices, fact.outcomes)
            case OutcomeArrivedLate():
                # It settles a device that has no outcome, and corrects one that has: that makes no second.
                late = {devices[one.index] for one in fact.outcomes}
                self.outcomes.update(late - self.outcomes.keys())
                self._note_delivered(devices, fact.outcomes)

    def _note_delivered(self, devices: tuple[UUID, ...], outcomes: Iterable[Outcome]) -> None:
        self.delivered.update(devices[one.index] for one in outcomes if one.kind is OutcomeKind.DELIVERED)


def _named(devices: tuple[UUID, ...], ranges: Ranges) -> list[UUID]:
    return [device for start, stop in ranges for device in devices[start:stop]]


def unfaithful(
    account: Account, expected: Iterable[UUID], accepted: Counter[UUID], asked: Counter[UUID]
) -> dict[str, set[UUID]]:
    """The devices for which a promise was not kept, by the promise. ``accepted``: how often a device's provider took
    the message, ``asked``: how often it was called, both by the provider's own journal."""
    once = Counter(expected)
    twice = {device for device, times in accepted.items() if times > 1}
    broken = {
        "each device is in one chunk": _differing(account.planned, once),
        "each device has exactly one final outcome": _differing(account.outcomes, once),
        "what was sent twice is recorded as in doubt": twice - account.in_doubt,
        "what counts as delivered was accepted": account.delivered - accepted.keys(),
        "what was accepted counts as delivered": accepted.keys() - account.delivered - account.in_doubt,
        "no provider is called without a claim": set(asked - account.claims),
    }
    return {promise: devices for promise, devices in broken.items() if devices}


def _differing(found: Counter[UUID], expected: Counter[UUID]) -> set[UUID]:
    return set(found - expected) | set(expected - found)
