"""Sets of device indices as the bits of one integer: immutable, a thousand members in 125 bytes, united in nanoseconds.

Bit ``i`` stands for index ``i``. Whatever lies outside ``0 <= i < size`` is left out: events are read, not trusted.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

Indices = int

_RUN = re.compile("1+")


def everyone(size: int) -> Indices:
    """The set of all ``size`` indices."""
    return (1 << size) - 1


def of(indices: Iterable[int], size: int) -> Indices:
    """The set of these indices."""
    # Setting a digit is several times cheaper than shifting and joining integers of a thousand bits.
    digits = bytearray(b"0") * (size + 1)
    for index in indices:
        if 0 <= index < size:
            digits[size - index] = 49
    return int(digits, 2)


def of_ranges(ranges: Iterable[tuple[int, int]], size: int) -> Indices:
    """The set covered by half-open ranges."""
    found = 0
    for start, stop in ranges:
        start, stop = max(start, 0), min(stop, size)
        if start < stop:
            found |= everyone(stop - start) << start
    return found


def ranges(indices: Indices) -> tuple[tuple[int, int], ...]:
    """The set as half-open, ascending, disjoint ranges that do not touch."""
    return tuple(run.span() for run in _RUN.finditer(_ascending(indices)))


def members(indices: Indices) -> list[int]:
    """The indices of the set, ascending."""
    return [index for index, digit in enumerate(_ascending(indices)) if digit == "1"]


def lowest(indices: Indices, limit: int) -> Indices:
    """The ``limit`` lowest members of the set, or all where it has fewer."""
    if indices.bit_count() <= limit:
        return indices
    return indices & everyone(members(indices)[limit])


def has(indices: Indices, index: int) -> bool:
    """True where ``index`` is a member."""
    return index >= 0 and bool(indices >> index & 1)


def _ascending(indices: Indices) -> str:
    return bin(indices)[:1:-1]
