"""Keyset pagination: a page, and where the next one starts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")
K = TypeVar("K")


@dataclass(frozen=True, slots=True)
class Page(Generic[T, K]):
    """``items`` in order; ``next``: the ``after`` of the next page, None where this is the last."""

    items: tuple[T, ...]
    next: K | None


def page(found: Sequence[T], limit: int, key: Callable[[T], K]) -> Page[T, K]:
    """A page of ``limit`` out of what a query for one more found."""
    items = tuple(found[:limit])
    return Page(items, key(items[-1]) if len(found) > limit else None)


@dataclass(slots=True)
class Conditions:
    """A WHERE clause in the making, with its parameters. The texts are the code's own, values only parameters."""

    texts: list[str]
    parameters: list[object]

    @classmethod
    def of(cls, text: str, *parameters: object) -> Conditions:
        """Starts with one condition."""
        return cls([text], list(parameters))

    def add(self, wanted: object, text: str) -> None:
        """Adds ``text`` with the one parameter ``wanted``, unless that is None."""
        if wanted is not None:
            self.texts.append(text)
            self.parameters.append(wanted)

    @property
    def where(self) -> str:
        """The clause."""
        return "where " + " and ".join(self.texts)
