"""Ids in short form, for protocols whose ids are 16 letters and digits."""

from __future__ import annotations

import base64
import re
from uuid import UUID

from tocsin.domain.identity import HANDLE_LENGTH
from tocsin.eventlog.ff1 import FF1

PURPOSE = "handle"
"""Of the instance's key that handles are made with."""

_RADIX = 32
_REST = 48
"""Bits of an id that its handle does not show."""

_FORM = re.compile(f"[a-z2-7]{{{HANDLE_LENGTH}}}")


class Handles:
    """Makes handles and reads them. ``key``: 32 bytes; whoever has not got them can neither guess nor read a handle.

    A handle is the first 80 bits of an id, encrypted (FF1) and written as 16 lower-case letters and digits (base 32,
    RFC 4648). It is a secret itself where an id is all a caller shows: those bits alone are mostly the time.
    """

    def __init__(self, key: bytes) -> None:
        self._cipher = FF1(key, _RADIX, HANDLE_LENGTH)

    def of(self, identifier: UUID) -> str:
        """The handle of an id."""
        start = self._cipher.encrypt(identifier.int >> _REST)
        return base64.b32encode(start.to_bytes(10)).lower().decode()

    def ids(self, handle: str) -> tuple[UUID, UUID] | None:
        """The lowest and the highest id with this handle; None where it cannot be one."""
        if not _FORM.fullmatch(handle):
            return None
        lowest = self._cipher.decrypt(int.from_bytes(base64.b32decode(handle.upper()))) << _REST
        return UUID(int=lowest), UUID(int=lowest | (1 << _REST) - 1)
