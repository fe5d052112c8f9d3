"""Appends for many at once, of which one that the database cannot take holds up no other."""

from __future__ import annotations

from collections.abc import Sequence

from tocsin.domain.entry import Entry
from tocsin.eventlog.record import Record
from tocsin.eventlog.recorder import Unacceptable
from tocsin.eventlog.unit import Appended, Refused

Outcome = Appended | Refused | Unacceptable


def append_each(record: Record, units: Sequence[Sequence[Entry]]) -> list[Outcome]:
    """Append each unit, whole or not at all, all of them in one transaction if that can be; what became of each.

    Raises OperationalError where the database is away: then nothing may be assumed of any of them.
    """
    try:
        return [*record.append_many((unit, ()) for unit in units)]
    except Unacceptable as refused:
        if len(units) == 1:
            return [refused]
        # Nothing was kept. The halves are tried by themselves, until it is known whose fault it was.
        middle = len(units) // 2
        return append_each(record, units[:middle]) + append_each(record, units[middle:])
