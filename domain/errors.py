"""One root for everything a caller can do wrong. HTTP status and wording are chosen at the edge, by the dialect."""

from __future__ import annotations

from typing import Any


class TocsinError(Exception):
    """A refusal with a stable ``code`` (``not-found``, ``invalid``, …), a sentence, and facts for the caller."""

    code = "error"

    def __init__(self, message: str, **facts: Any) -> None:
        super().__init__(message)
        self.message = message
        self.facts = facts


class Invalid(TocsinError):
    """The command cannot be understood or breaks a rule; ``facts`` may name the ``field`` and the ``position``."""

    code = "invalid"


class NotFound(TocsinError):
    """No such thing, or not one this caller may see: the two are not told apart."""

    code = "not-found"


class Conflict(TocsinError):
    """The thing is in a state that forbids it, or exists already."""

    code = "conflict"


class Forbidden(TocsinError):
    """The caller is known and may not do this."""

    code = "forbidden"


class Unauthenticated(TocsinError):
    """The caller is not known."""

    code = "unauthenticated"


class Unavailable(TocsinError):
    """A part the answer needs is not there now; trying again later is right. ``facts`` may give ``retry_after`` s."""

    code = "unavailable"
