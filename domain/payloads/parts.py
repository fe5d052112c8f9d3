"""What the three renderings share."""

from __future__ import annotations

import re
from typing import Any
from uuid import UUID

PUSH_ID = "tocsin_push_id"
"""The key under which the push id travels inside every payload."""

ANY_ID = UUID(int=0)
"""Stands for any push id where only the size matters."""

HEADER_TEXT = re.compile(r"[!-~](?:[ -~]{0,254}[!-~])?")
"""1 to 256 printable ASCII characters, with no space at either end (RFC 9110, 5.5)."""


def present(**fields: Any) -> dict[str, Any]:
    """The fields that are set."""
    return {name: value for name, value in fields.items() if value is not None}


def merged(base: dict[str, Any], override: dict[str, Any] | None) -> dict[str, Any]:
    """``base`` with ``override`` laid over it as a JSON merge patch (RFC 7396): null removes a key."""
    result = dict(base)
    for key, value in (override or {}).items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, dict):
            below = result.get(key)
            result[key] = merged(below if isinstance(below, dict) else {}, value)
        else:
            result[key] = value
    return result
