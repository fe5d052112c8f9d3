"""In which order the tests run."""

from __future__ import annotations

import pytest

LONGEST = ("tests/system/", "tests/stream/test_kafka_stream.py", "tests/deployment/", "tests/workers/")
"""Begun first, in this order, so that no process has much left to do when the others have nothing."""


def longest_first(test: pytest.Item) -> int:
    """To sort tests by; those of a file stay together and in order."""
    found = (rank for rank, start in enumerate(LONGEST) if test.nodeid.startswith(start))
    return next(found, len(LONGEST))
