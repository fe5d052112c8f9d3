"""Writing: what a caller of this API asks for, carried out in their name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from flask import Response

from tocsin.api import writes
from tocsin.api.native.access import caller
from tocsin.api.writes import Answer
from tocsin.commands.context import Context
from tocsin.commands.engine import Done

R = TypeVar("R")


def write(
    command: Callable[[Context], Done[R]],
    answer: Callable[[R], Answer],
    serves: Sequence[str],
    kept: Callable[[R], Answer] | None = None,
) -> Response:
    """Carry ``command`` out for the caller and answer: arguments as of ``tocsin.api.writes.write``."""
    who = caller()
    return writes.write(who.actor, who.credential_id, command, answer, serves, kept)
