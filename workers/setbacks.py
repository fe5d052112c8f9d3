"""What could not be done, and when each of it is tried again, so that what can be done does not wait for it."""

from __future__ import annotations

import time
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)


@dataclass(slots=True)
class _Setback:
    failures: int
    again_at: float


class Setbacks(Generic[K]):
    """Pauses by key, doubling with every failure from ``first`` to ``longest`` seconds. Not for several threads.

    What nobody tries again is forgotten after twice the longest pause.
    """

    def __init__(self, first: float = 1.0, longest: float = 300.0) -> None:
        self._first = first
        self._longest = longest
        self._known: dict[K, _Setback] = {}

    def note(self, key: K) -> float:
        """One more failure; the seconds until this is to be tried again."""
        oldest = time.monotonic() - 2 * self._longest
        self._known = {known: setback for known, setback in self._known.items() if setback.again_at > oldest}
        setback = self._known.setdefault(key, _Setback(0, time.monotonic()))
        pause = min(self._first * (1 << min(setback.failures, 30)), self._longest)
        setback.failures += 1
        setback.again_at = time.monotonic() + pause
        return pause

    def forget(self, key: K) -> None:
        """It was done, or there is nothing left to do."""
        self._known.pop(key, None)

    def known(self) -> set[K]:
        """Whatever failed and was not done since."""
        return set(self._known)

    def ready(self) -> set[K]:
        """What may be tried again now."""
        return self.known() - self.waiting()

    def waiting(self) -> set[K]:
        """What is not to be tried yet."""
        now = time.monotonic()
        return {key for key, setback in self._known.items() if setback.again_at > now}
