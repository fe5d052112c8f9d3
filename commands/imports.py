"""Bulk import: registrations as lines of JSON, a thousand to a transaction, a result for every line.

Resumable: under one key each batch is carried out once, so the whole file sent again goes on where it was cut off, and
the lines that were done are answered as they were the first time.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import islice
from typing import Any
from uuid import UUID

import msgspec

from tocsin.commands.context import Context, Once
from tocsin.commands.devices import LineResult, Registration, register_devices
from tocsin.commands.engine import AlreadyDone, Engine
from tocsin.domain.errors import Invalid, TocsinError

BATCH = 1000
LONGEST_LINE = 64 * 1024
"""Bytes of one line; a registration takes a few hundred."""


class _Line(Registration, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A registration as a line says it: what it does not know it refuses."""


class LineAnswer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What became of one line, numbered from 1: ``created``, ``updated``, ``unchanged`` or ``refused`` with why."""

    line: int
    status: str
    device_id: UUID | None = None
    code: str | None = None
    detail: str | None = None
    field: str | None = None


_decoder = msgspec.json.Decoder(_Line)
_answers = msgspec.json.Decoder(list[LineAnswer])


def import_devices(
    engine: Engine, context: Context, app_id: UUID, lines: Iterable[bytes], scope: UUID, key: str
) -> Iterator[tuple[list[LineAnswer], int]]:
    """Carry out the lines batch by batch; yields each batch's answers once it is durable, with its position.

    ``key`` in ``scope`` names the import. Raises KeyReused where a batch differs from what was sent under the key
    before, NotFound and Conflict for the app.
    """
    numbered = enumerate(lines, start=1)
    while batch := list(islice(numbered, BATCH)):
        first = batch[0][0]
        digest = hashlib.sha256(b"\n".join(line for _, line in batch)).digest()
        once = Once(scope, f"{key}:{first}", digest, _rendering(first))
        yield _carry_out(engine, replace(context, once=once), app_id, [line for _, line in batch], first)


def _carry_out(
    engine: Engine, context: Context, app_id: UUID, lines: list[bytes], first: int
) -> tuple[list[LineAnswer], int]:
    registrations = [_read(line) for line in lines]
    try:
        done = register_devices(engine, context, app_id, registrations)
    except AlreadyDone as before:
        return _answers.decode(before.answer), before.position
    return _answered(done.result, first), done.position


def _read(line: bytes) -> Registration | TocsinError:
    if len(line) > LONGEST_LINE:
        return Invalid(f"a line has at most {LONGEST_LINE} bytes")
    try:
        return _decoder.decode(line)
    except msgspec.ValidationError as error:
        message, _, path = str(error).partition(" - at ")
        return Invalid(message, field=path.strip("`").removeprefix("$.") or None)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return Invalid(f"not JSON: {error}")


def _rendering(first: int) -> Any:
    def render(results: list[LineResult]) -> bytes:
        return msgspec.json.encode(_answered(results, first))

    return render


def _answered(results: list[LineResult], first: int) -> list[LineAnswer]:
    return [_answer(number, result) for number, result in enumerate(results, start=first)]


def _answer(number: int, result: LineResult) -> LineAnswer:
    if result.device is None:
        error = result.error
        assert error is not None
        return LineAnswer(
            line=number, status="refused", code=error.code, detail=error.message, field=error.facts.get("field")
        )
    device = result.device
    status = "created" if device.created else "updated" if device.changed else "unchanged"
    return LineAnswer(line=number, status=status, device_id=device.device_id)
