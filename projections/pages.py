"""Keyset pagination: a page, and where the next one starts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

from tocsin.domain.errors import Invalid

T = TypeVar("T")
K = TypeVar("K")


@dataclass(frozen=True, slots=True)
class Page(Generic[T, K]):
    """``items`` in order; ``next``: the ``after`` of the next page, None where this is the last."""

    items: tuple[T, ...]
    next: K | None


@dataclass(frozen=True, slots=True)
class Slice(Generic[T]):
    """Some of a list by where they stand in it, for protocols that count. ``total``: how many the whole list has."""

    items: tuple[T, ...]
    total: int


def page(found: Sequence[T], limit: int, key: Callable[[T], K]) -> Page[T, K]:
    """A page of ``limit`` out of what a query for one more found."""
    items = tuple(found[:limit])
    return Page(items, key(items[-1]) if len(found) > limit else None)


class Term(NamedTuple):
    """A field is (``equals``) or holds (``contains``) a text."""

    field: str
    operator: str
    value: str


Matching = Sequence[Sequence[Term]]
"""Groups of terms: of each group at least one is true."""

_TESTS = {"equals": "{} = %s", "contains": "strpos({}, %s) > 0"}


def _column(term: Term, columns: Mapping[str, str]) -> str:
    if term.field not in columns:
        raise Invalid(f"a filter may name {', '.join(columns)}", field=term.field)
    return columns[term.field]


@dataclass(slots=True)
class Conditions:
    """A WHERE clause in the making, with its parameters. The texts are the code's own, values only parameters.

    ``joined``: a JOIN before it, whose parameters come first.
    """

    texts: list[str]
    parameters: list[object]
    joined: str = ""

    @classmethod
    def of(cls, text: str, *parameters: object) -> Conditions:
        """Starts with one condition."""
        return cls([text], list(parameters))

    def add(self, wanted: object, text: str) -> None:
        """Adds ``text`` with the one parameter ``wanted``, unless that is None."""
        if wanted is not None:
            self.texts.append(text)
            self.parameters.append(wanted)

    def match(self, matching: Matching, columns: Mapping[str, str]) -> None:
        """Adds that every group of ``matching`` has a term that is true. ``columns``: by the terms' fields.

        Raises Invalid for a field that is not among them.
        """
        for terms in matching:
            self.texts.append(
                f"({' or '.join(_TESTS[term.operator].format(_column(term, columns)) for term in terms)})"
            )
            self.parameters += [term.value for term in terms]

    @property
    def where(self) -> str:
        """The clause, with what is joined."""
        return f"{self.joined} where {' and '.join(self.texts)}"
