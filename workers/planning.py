"""From the rows of an audience to the portions that are recorded of it. Pure: the same rows give the same portions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from uuid import UUID

from tocsin.domain.chunk import MAX_DEVICES
from tocsin.domain.events.send import Exclusion
from tocsin.projections.audience import AudienceRow

MAX_EXCLUDED = 1000

SIZES = ((8, 125), (16, 250), (24, 500))
"""Up to which chunk of a send how many devices go into one, so that also a small send is shared by several workers."""


def chunk_size(ordinal: int) -> int:
    """The most devices in a send's chunk number ``ordinal`` (from 0)."""
    return next((size for limit, size in SIZES if ordinal < limit), MAX_DEVICES)


@dataclass(frozen=True, slots=True)
class Portion:
    """Devices of one chunk; ``ordinal`` numbers a send's chunks from 0, ``first`` its devices."""

    ordinal: int
    provider: str
    devices: tuple[UUID, ...]
    first: int = 0


@dataclass(frozen=True, slots=True)
class Excluded:
    """Devices that are left out; ``ordinal`` numbers these apart from the chunks."""

    ordinal: int
    devices: tuple[tuple[UUID, Exclusion], ...]


@dataclass(slots=True)
class Counts:
    """What the portions handed out so far come to. ``providers``: of each chunk, by its ordinal."""

    by_provider: Counter[str] = field(default_factory=Counter)
    excluded: Counter[str] = field(default_factory=Counter)
    providers: list[str] = field(default_factory=list)


class Portions:
    """Divides rows as they are read: no more than a portion of each kind is held.

    Rows come as ``projections.audience.resolve`` orders them: those to send to by provider and device, those left out
    by device.
    """

    def __init__(self, size: Callable[[int], int] = chunk_size) -> None:
        self.counts = Counts()
        self._size = size
        self._taken_in: tuple[str, UUID] | tuple[()] = ()
        self._left_out: tuple[UUID] | tuple[()] = ()
        self._provider = ""
        self._devices: list[UUID] = []
        self._excluded: list[tuple[UUID, Exclusion]] = []
        self._excluded_count = 0

    def go_on_after(self, portion: Portion | Excluded) -> None:
        """Count a portion that is recorded, the next of its kind, whatever the rows of now would make of it."""
        if isinstance(portion, Portion):
            self.counts.by_provider[portion.provider] += len(portion.devices)
            self.counts.providers.append(portion.provider)
            self._taken_in = (portion.provider, portion.devices[-1])
        else:
            self.counts.excluded.update(exclusion.value for _, exclusion in portion.devices)
            self._excluded_count += 1
            self._left_out = (portion.devices[-1][0],)

    def divide(self, rows: Iterable[AudienceRow]) -> Iterator[Portion | Excluded]:
        """The portions of what comes in ``rows`` after those recorded, in an order and with ordinals that depend on the
        rows alone.

        Rows up to the last device of the last portion recorded are passed over: they are in it or those before it, or
        were not found when it was planned.
        """
        for row in rows:
            if row.exclusion is None and row.provider is not None:
                if (row.provider, row.device_id) > self._taken_in:
                    yield from self._take_in(row.device_id, row.provider)
            elif (row.device_id,) > self._left_out:
                yield from self._leave_out(row.device_id, row.exclusion or Exclusion.NO_PROVIDER)
        yield from self._close_chunk()
        yield from self._close_excluded()

    def _take_in(self, device_id: UUID, provider: str) -> Iterator[Portion]:
        if provider != self._provider or len(self._devices) >= self._size(len(self.counts.providers)):
            yield from self._close_chunk()
            self._provider = provider
        self._devices.append(device_id)
        self.counts.by_provider[provider] += 1

    def _leave_out(self, device_id: UUID, exclusion: Exclusion) -> Iterator[Excluded]:
        if len(self._excluded) >= MAX_EXCLUDED:
            yield from self._close_excluded()
        self._excluded.append((device_id, exclusion))
        self.counts.excluded[exclusion.value] += 1

    def _close_chunk(self) -> Iterator[Portion]:
        if self._devices:
            devices = tuple(self._devices)
            first = self.counts.by_provider.total() - len(devices)
            portion = Portion(len(self.counts.providers), self._provider, devices, first)
            self._devices = []
            self.counts.providers.append(self._provider)
            yield portion

    def _close_excluded(self) -> Iterator[Excluded]:
        if self._excluded:
            excluded = Excluded(self._excluded_count, tuple(self._excluded))
            self._excluded = []
            self._excluded_count += 1
            yield excluded
