"""Boolean expressions over tags: ``(staff && !on-leave) || floor:3``.

::

    either  = both, { "||", both }
    both    = single, { "&&", single }
    single  = "!", single | "(", either, ")" | name
    name    = bare | quoted

``!`` binds tighter than ``&&``, ``&&`` tighter than ``||``; both join from the left. A bare name is a run of a tag's
characters without spaces; a quoted one is a JSON string (RFC 8259, section 7) that holds a tag's name. White space
separates and means nothing else.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import NoReturn

import msgspec

from tocsin.domain.errors import Invalid
from tocsin.domain.tags import is_bare, tag_name

MAX_LENGTH = 2000
MAX_DEPTH = 50
MAX_TERMS = 100

_JSON_STRING = json.JSONDecoder()


class Tag(msgspec.Struct, frozen=True):
    """Devices that have the tag ``name``."""

    name: str


class Not(msgspec.Struct, frozen=True):
    """Devices that do not match ``term``."""

    term: Expression


class And(msgspec.Struct, frozen=True):
    """Devices that match both."""

    left: Expression
    right: Expression


class Or(msgspec.Struct, frozen=True):
    """Devices that match either, or both."""

    left: Expression
    right: Expression


Expression = Tag | Not | And | Or


def parse(text: str, field: str = "expression") -> Expression:
    """The expression ``text`` says.

    Errors: Invalid with ``field``, ``position`` (the column of the fault, from 0) and ``expected`` (what may stand
    there). Limits: ``MAX_LENGTH`` characters, ``MAX_TERMS`` names, ``MAX_DEPTH`` levels of parentheses and ``!``.
    """
    if len(text) > MAX_LENGTH:
        raise _fault(field, MAX_LENGTH, f"at most {MAX_LENGTH} characters")
    parser = _Parser(text, field)
    found = parser.either(0)
    if parser.at < len(text):
        parser.refuse("'&&', '||' or the end")
    return found


def matches(expression: Expression, tags: frozenset[str]) -> bool:
    """True where a device with exactly ``tags`` is meant."""
    match expression:
        case Tag(name):
            return name in tags
        case Not(term):
            return not matches(term, tags)
        case And(left, right):
            return matches(left, tags) and matches(right, tags)
        case Or(left, right):
            return matches(left, tags) or matches(right, tags)


def names(expression: Expression) -> frozenset[str]:
    """Every tag the expression speaks of."""
    return frozenset(_names(expression))


def to_text(expression: Expression) -> str:
    """A text that parses to exactly this expression, with no parentheses but those it needs."""
    match expression:
        case Tag(name):
            return name if all(map(is_bare, name)) else json.dumps(name, ensure_ascii=False)
        case Not(term):
            return f"!{_within(term, And, Or)}"
        case And(left, right):
            return f"{_within(left, Or)} && {_within(right, And, Or)}"
        case Or(left, right):
            return f"{to_text(left)} || {_within(right, Or)}"


def _within(term: Expression, *enclosed: type[Expression]) -> str:
    text = to_text(term)
    return f"({text})" if isinstance(term, enclosed) else text


def _names(expression: Expression) -> Iterator[str]:
    match expression:
        case Tag(name):
            yield name
        case Not(term):
            yield from _names(term)
        case And(left, right) | Or(left, right):
            yield from _names(left)
            yield from _names(right)


class _Parser:
    """Reads from left to right; ``at`` is the column of the next character that means something."""

    def __init__(self, text: str, field: str) -> None:
        self.text = text
        self.field = field
        self.terms = 0
        self.at = 0
        self._skip_space()

    def either(self, depth: int) -> Expression:
        found = self.both(depth)
        while self._takes("||"):
            found = Or(found, self.both(depth))
        return found

    def both(self, depth: int) -> Expression:
        found = self.single(depth)
        while self._takes("&&"):
            found = And(found, self.single(depth))
        return found

    def single(self, depth: int) -> Expression:
        if depth > MAX_DEPTH:
            self.refuse(f"at most {MAX_DEPTH} levels of parentheses and '!'")
        if self._takes("!"):
            return Not(self.single(depth + 1))
        if self._takes("("):
            found = self.either(depth + 1)
            if not self._takes(")"):
                self.refuse("'&&', '||' or ')'")
            return found
        return self._tag()

    def refuse(self, expected: str) -> NoReturn:
        raise _fault(self.field, self.at, expected)

    def _tag(self) -> Tag:
        if self.terms == MAX_TERMS:
            self.refuse(f"at most {MAX_TERMS} names")
        self.terms += 1
        start = self.at
        name = self._quoted() if self.text.startswith('"', start) else self._bare()
        try:
            tag = Tag(tag_name(name))
        except Invalid as fault:
            raise _fault(self.field, start, f"the name of a tag ({fault.message})") from fault
        self._skip_space()
        return tag

    def _bare(self) -> str:
        start = self.at
        while self.at < len(self.text) and is_bare(self.text[self.at]):
            self.at += 1
        if self.at == start:
            self.refuse("a tag, '!' or '('")
        return self.text[start : self.at]

    def _quoted(self) -> str:
        try:
            name, self.at = _JSON_STRING.raw_decode(self.text, self.at)
        except json.JSONDecodeError as fault:
            closed = "Unterminated" not in fault.msg
            self.at = fault.pos if closed else len(self.text)
            self.refuse("what a JSON string may hold" if closed else "a closing '\"'")
        return str(name)

    def _takes(self, token: str) -> bool:
        if not self.text.startswith(token, self.at):
            return False
        self.at += len(token)
        self._skip_space()
        return True

    def _skip_space(self) -> None:
        while self.at < len(self.text) and self.text[self.at].isspace():
            self.at += 1


def _fault(field: str, position: int, expected: str) -> Invalid:
    return Invalid(
        f"{field} cannot be read at column {position}: expected {expected}",
        field=field,
        position=position,
        expected=expected,
    )
