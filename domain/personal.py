"""Values that belong to a person, marked where they are made so that nothing downstream can forget it."""

from __future__ import annotations

from typing import Any
from uuid import UUID


class Personal:
    """A JSON value about the data subject ``subject``: a push token, a user's name, an alias, a property.

    The record keeps it encrypted under the subject's own key. Once that key is destroyed the value reads as a
    tombstone: ``erased`` is true and ``value`` is None.
    """

    __slots__ = ("erased", "subject", "value")

    def __init__(self, subject: UUID, value: Any, *, erased: bool = False) -> None:
        self.subject = subject
        self.value = value
        self.erased = erased

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Personal):
            return NotImplemented
        return (self.subject, self.value, self.erased) == (other.subject, other.value, other.erased)

    def __hash__(self) -> int:
        return hash((self.subject, self.erased))

    def __repr__(self) -> str:
        # Values reach logs and tracebacks through repr: the subject is enough to follow one.
        return f"Personal(subject={self.subject}, {'erased' if self.erased else 'value=…'})"


def erased(subject: UUID) -> Personal:
    """The tombstone that stands where a destroyed key left a value unreadable."""
    return Personal(subject, None, erased=True)
