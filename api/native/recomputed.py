"""An audience worked out again: read at the database's pace, written at the client's."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from threading import BoundedSemaphore
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
from flask import Response

from tocsin.domain.errors import Unavailable
from tocsin.domain.events.send import AudienceFrozen, Exclusion
from tocsin.projections.audience import AudienceRow

NDJSON = "application/x-ndjson"

AT_A_TIME = 4
"""Audiences that one process works out or writes at a time; whoever asks for another is told to come back."""

_LINES = 500
_ID = 16
_open = BoundedSemaphore(AT_A_TIME)


class _Kind(NamedTuple):
    """All there is to a device but its id."""

    platform: str
    provider: str | None
    excluded: Exclusion | None


class Recomputed:
    """The devices of an audience in their order, at 18 bytes each: a client that reads slowly holds no session."""

    def __init__(self, rows: Iterable[AudienceRow]) -> None:
        self._ids = bytearray()
        self._kinds = array("H")
        self._numbers: dict[_Kind, int] = {}
        for row in rows:
            kind = _Kind(row.platform, row.provider, row.exclusion)
            self._ids += row.device_id.bytes
            self._kinds.append(self._numbers.setdefault(kind, len(self._numbers)))

    def lines(self, frozen: AudienceFrozen) -> Iterator[bytes]:
        """A line a device, some at a time, and a last line that says whether the counts are those of ``frozen``."""
        kinds = list(self._numbers)
        for start in range(0, len(self._kinds), _LINES):
            devices = range(start, min(start + _LINES, len(self._kinds)))
            yield b"".join(_line(self._id(number), kinds[self._kinds[number]]) for number in devices)
        yield msgspec.json.encode({"summary": self._summary(kinds, frozen)}) + b"\n"

    def _id(self, number: int) -> UUID:
        return UUID(bytes=bytes(self._ids[number * _ID : (number + 1) * _ID]))

    def _summary(self, kinds: list[_Kind], frozen: AudienceFrozen) -> dict[str, Any]:
        by_provider: Counter[str] = Counter()
        left_out: Counter[str] = Counter()
        for number, devices in Counter(self._kinds).items():
            kind = kinds[number]
            if kind.excluded is None:
                by_provider[str(kind.provider)] += devices
            else:
                left_out[kind.excluded.value] += devices
        return {
            "as_of": frozen.as_of,
            "audience": by_provider.total(),
            "by_provider": by_provider,
            "excluded": left_out,
            "as_recorded": (dict(by_provider), dict(left_out)) == (frozen.by_provider, frozen.excluded),
        }


def _line(device_id: UUID, kind: _Kind) -> bytes:
    answer = {"device_id": device_id, "platform": kind.platform, "provider": kind.provider, "excluded": kind.excluded}
    return msgspec.json.encode(answer) + b"\n"


def answered(work: Callable[[], Recomputed], frozen: AudienceFrozen) -> Response:
    """The answer that ``work`` comes to. Raises Unavailable while ``AT_A_TIME`` others are being worked out or read."""
    if not _open.acquire(blocking=False):
        raise Unavailable("other audiences are being recomputed: try again in a while", retry_after=10)
    try:
        response = Response(work().lines(frozen), content_type=NDJSON)
    except BaseException:
        _open.release()
        raise
    response.call_on_close(_open.release)
    return response
