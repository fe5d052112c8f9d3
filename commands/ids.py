"""Ids made here: UUIDv7 (RFC 9562, 5.7), which begin with the time.

What is inserted at about the same time stands side by side in every index: an insert finds its page where the one
before it left off, however large the table has grown. Random ones (UUIDv4) each touch a page of their own.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from uuid import UUID

_RANDOM = 8
_MILLISECOND = 1_000_000
_VERSION = 7 << 76
_VARIANT = 2 << 62


def new_id() -> UUID:
    """An id that nobody has had."""
    return next(new_ids(1))


def new_ids(count: int) -> Iterator[UUID]:
    """Up to ``count`` of them, each of the moment it is taken at, to a quarter of a microsecond; 62 bits are random."""
    # Drawn at once: asking the system for each of them lets go of the interpreter each time.
    random = os.urandom(_RANDOM * count)
    for start in range(0, len(random), _RANDOM):
        drawn = int.from_bytes(random[start : start + _RANDOM], "big") >> 2
        milliseconds, rest = divmod(time.time_ns(), _MILLISECOND)
        fraction = (rest << 12) // _MILLISECOND
        yield UUID(int=milliseconds << 80 | _VERSION | fraction << 64 | _VARIANT | drawn)
