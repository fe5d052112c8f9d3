"""What units of one group mean to each other, which can be told before the database is asked."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from tocsin.eventlog.keyring import NewKey
from tocsin.eventlog.unit import KeyConflict, Refused, Unit, VersionConflict


def refused_for_a_neighbour(units: Sequence[Unit]) -> dict[int, Refused]:
    """The units, by number, that cannot be appended after those before them.

    Of two that append to one stream the first alone can be next in it, and none may count on a stream to be unchanged
    that one before it changes; of two that bring different new keys of one person the first alone is right.
    """
    if len(units) == 1:
        return {}
    streams: set[UUID] = set()
    keys: dict[UUID, NewKey] = {}
    refused: dict[int, Refused] = {}
    for number, unit in enumerate(units):
        if not streams.isdisjoint(unit.streams):
            refused[number] = VersionConflict(next(stream for stream in unit.streams if stream in streams))
        elif any(keys.get(key.subject, key) != key for key in unit.keys):
            refused[number] = KeyConflict()
        else:
            streams.update(unit.streams.keys() - unit.unchanged.keys())
            keys.update((key.subject, key) for key in unit.keys)
    return refused
