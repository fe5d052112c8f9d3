"""What a tag may be called: one rule for subscriptions, audiences and expressions.

1 to 64 characters: letters, combining marks and digits of any script, ``_ - . : @ /``, and spaces between them. A name
is kept in Unicode normalization form C (UAX #15), so that the same word typed on two keyboards is one tag. Case counts.
"""

from __future__ import annotations

import re
import unicodedata

from tocsin.domain.errors import Invalid

MAX_TAG = 64

PUNCTUATION = frozenset("_-.:@/")

_PLAIN = re.compile(r"[\w.:@/-](?:[\w.:@/ -]{0,62}[\w.:@/-])?", re.ASCII)


def tag_name(name: object, field: str = "tag") -> str:
    """The tag ``name`` in normal form. Errors: Invalid with ``field``, and ``column`` of the first wrong character."""
    if not isinstance(name, str):
        raise Invalid(f"{field} must be a string", field=field)
    if _PLAIN.fullmatch(name):
        return name
    normal = unicodedata.normalize("NFC", name)
    if not 1 <= len(normal) <= MAX_TAG:
        raise Invalid(f"{field} must have 1 to {MAX_TAG} characters", field=field)
    for column, character in enumerate(normal):
        inside = 0 < column < len(normal) - 1
        if not (is_bare(character) or (character == " " and inside)):
            raise Invalid(
                f"{field} may not hold {character!r} at column {column}: "
                "letters, digits, _ - . : @ / and spaces between them are allowed",
                field=field,
                column=column,
            )
    return normal


def is_bare(character: str) -> bool:
    """True for the characters a tag can have without being quoted in an expression: all but the space."""
    return character in PUNCTUATION or unicodedata.category(character)[0] in "LMN"
