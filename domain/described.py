"""Structs that threads may decode at the same time from the first time on."""

from __future__ import annotations

from typing import TypeVar

import msgspec

S = TypeVar("S", bound=type[msgspec.Struct])


def described(struct: S) -> S:
    """Have msgspec describe a struct, and all it holds, now that its module is being imported.

    By itself it does so when it decodes the first one, and shows other threads a description that is half written: the
    whole process dies of that (SIGSEGV, msgspec 0.22). While a module is imported, nobody else has its structs.
    """
    msgspec.json.Decoder(struct)
    return struct
