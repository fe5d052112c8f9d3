"""How tests wait for what must come: as long as the busiest machine may need. Only a test that fails waits so long."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

PATIENCE = 120.0
"""Seconds."""

T = TypeVar("T")


def eventually(
    look: Callable[[], T], what: str | Callable[[], str], patience: float = PATIENCE, every: float = 0.02
) -> T:
    """The first true answer of ``look``.

    ``what`` the test waits for is said where it does not come in time; called only then, it can also say how things
    stand instead.
    """
    deadline = time.monotonic() + patience
    while not (answer := look()):
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {patience:.0f} s in vain: {what if isinstance(what, str) else what()}")
        time.sleep(every)
    return answer
