"""Keeps secrets and people's data out of what is written for people: by the name a value goes under, and by what it
looks like."""

from __future__ import annotations

import re
import sys
import traceback
from collections.abc import Mapping
from types import TracebackType
from typing import Any

MASK = "***"

_NAME = (
    r"[\w.-]*(?:passw(?:or)?d|passphrase|secret|token|authorization|cookie|credential|api[_-]?key|private[_-]?key"
    r"|master[_-]?key|access[_-]?key)s?"
)
_SECRET_NAME = re.compile(_NAME, re.IGNORECASE)
_VALUE = r"""(?:"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|[^\s,;&)}\]]+)"""

_IN_TEXT = (
    # postgresql://user:password@host
    (re.compile(r"(://[^\s/:@]*:)[^\s/@]+(@)"), rf"\1{MASK}\2"),
    # Authorization: SCHEME CREDENTIALS (RFC 9110, section 11.6.2)
    (re.compile(r"(\bauthorization[\"']?\s*[:=]\s*[\"']?)[^\s\"',]+(?: [^\s\"',]+)?", re.IGNORECASE), rf"\1{MASK}"),
    (re.compile(r"\b(Bearer) [\w.~+/=-]{16,}"), rf"\1 {MASK}"),
    (re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL), MASK),
    # A JSON Web Token (RFC 7519): three base64url parts, the first an object
    (re.compile(r"\beyJ[\w-]+\.[\w-]+\.[\w-]*"), MASK),
    # What PostgreSQL adds to an error, up to what it advises, or to the next error of a traceback: a row's values, the
    # line of a COPY, a statement. In English: the client library that comes with psycopg labels them in no other way.
    (
        re.compile(
            r"^([ |]*(?:DETAIL|CONTEXT|QUERY|LINE \d+):).*?(?=\n[ |]*HINT: |\n[ |]*\n[ |]*(?:The above|During)|\s*\Z)",
            re.MULTILINE | re.DOTALL,
        ),
        rf"\1 {MASK}",
    ),
    (
        re.compile(r"(\binvalid input (?:syntax for type|value for enum) [^:\n]+: )\".*?\"(?=\s*(?:\n|\Z))", re.DOTALL),
        rf"\1{MASK}",
    ),
    # password=…, "password": "…"; an unquoted "token: expired" is prose
    (re.compile(rf"""(\b{_NAME}\s*=\s*|["']{_NAME}["']\s*:\s*){_VALUE}""", re.IGNORECASE), rf"\1{MASK}"),
)


def names_a_secret(name: str) -> bool:
    """Whether values that go under this name must not be shown: ``password``, ``push_token``, ``api_key``, …"""
    return _SECRET_NAME.fullmatch(name) is not None


def masked_text(text: str) -> str:
    """The text with every secret masked that its form or the name before it gives away, and what PostgreSQL tells of a
    row that it refused."""
    for pattern, replacement in _IN_TEXT:
        text = pattern.sub(replacement, text)
    return text


def masked(value: Any, name: str = "") -> Any:
    """The value as it may be shown under ``name``; mappings and lists are gone through to their leaves."""
    if value is None or isinstance(value, bool):
        return value
    if names_a_secret(name):
        return MASK
    if isinstance(value, Mapping):
        return {key: masked(inner, str(key)) for key, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [masked(inner) for inner in value]
    return value if isinstance(value, int | float) else masked_text(str(value))


def show_the_end(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Show what ended a command unforeseen, masked: for ``sys.excepthook`` where nothing is logged."""
    sys.stderr.write(masked_text("".join(traceback.format_exception(kind, error, trace))))
