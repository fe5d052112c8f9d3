"""Bulk import: registrations as lines of JSON, a thousand to a transaction, a result for every line.

Resumable: under one key each batch is carried out once, so the whole file sent again goes on where it was cut off, and
the lines that were done are answered as they were the first time.
"""

from __future__ import annotations

import hashlib
import re
from collections import deque
from collections.abc import Collection, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from itertools import islice
from uuid import UUID

import msgspec

from tocsin.commands.context import Context, Once
from tocsin.commands.devices import LineResult, Registration, register_devices
from tocsin.commands.engine import AlreadyDone, Engine
from tocsin.commands.registrar import Said
from tocsin.domain.errors import Invalid, TocsinError

BATCH = 1000
AT_ONCE = 2
"""Batches under way: one is decided while the one before it is appended."""

LONGEST_LINE = 64 * 1024
"""Bytes of one line; a registration takes a few hundred."""


class _Line(Said, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A registration as a line says it: what it does not know it refuses."""

    def registration(self) -> Registration:
        """What it asks for."""
        return Registration(**msgspec.structs.asdict(self))


class LineAnswer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What became of one line, numbered from 1: ``created``, ``updated``, ``unchanged`` or ``refused`` with why."""

    line: int
    status: str
    device_id: UUID | None = None
    code: str | None = None
    detail: str | None = None
    field: str | None = None


Answered = tuple[list[LineAnswer], int]


class Abandoned(Exception):
    """A batch was not carried out, as one before it was not."""


# A field that is not known or is missing has no path: msgspec names it in the message.
_NAMED = re.compile(r"field `(.+)`")

_decoder = msgspec.json.Decoder(_Line)
_answers = msgspec.json.Decoder(list[LineAnswer])


def import_devices(
    engine: Engine, context: Context, app_id: UUID, lines: Iterable[bytes], scope: UUID, key: str
) -> Iterator[Answered]:
    """Carry out the lines batch by batch; yields each batch's answers once it is durable, with its position.

    While one batch is appended the next is decided; they are appended in their order. Where ``lines`` raises, the
    batches before are still carried out and answered. ``key`` in ``scope`` names the import. Raises KeyReused where a
    batch differs from what was sent under the key before, NotFound and Conflict for the app.
    """
    source, first = iter(lines), 1
    running: deque[Future[Answered]] = deque()
    fault: Exception | None = None
    turn: _Turn | None = None
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="import") as threads:
        while fault is None:
            try:
                read = list(islice(source, BATCH))
            except Exception as error:
                fault = error
                break
            if not read:
                break
            digest = hashlib.sha256(app_id.bytes + b"\n".join(read)).digest()
            batch = _Batch(first, read)
            once = replace(context, once=Once(scope, f"{key}:{first}", digest, batch.render))
            turn = _Turn(turn)
            turn.done = threads.submit(_carry_out, engine, once, app_id, batch, turn)
            running.append(turn.done)
            first += len(read)
            if len(running) == AT_ONCE:
                yield running.popleft().result()
        while running:
            yield running.popleft().result()
    if fault is not None:
        raise fault


class _Turn:
    """A batch's place behind the one before it, which is the only one that can still be under way."""

    def __init__(self, before: _Turn | None) -> None:
        self._before = before
        self._streams: Collection[UUID] = ()
        self.done: Future[Answered] | None = None

    def __call__(self, streams: Collection[UUID]) -> bool:
        self._streams = streams
        before = self._before
        if before is None or before.done is None:
            return False
        if before.done.exception() is not None:
            raise Abandoned("the lines before were not carried out")
        return not set(streams).isdisjoint(before._streams)

    def leave(self) -> None:
        """Let go of the one before, or each batch would keep all that were."""
        self._before = None


class _Batch:
    """Lines from number ``first`` on, and once they are decided their answers."""

    def __init__(self, first: int, lines: list[bytes]) -> None:
        self.lines = lines
        self.answers: list[LineAnswer] = []
        self._first = first

    def render(self, results: list[LineResult]) -> bytes:
        """The answers as they are kept for the same lines sent again."""
        self.answers = [_answer(number, result) for number, result in enumerate(results, start=self._first)]
        return msgspec.json.encode(self.answers)


def _carry_out(engine: Engine, context: Context, app_id: UUID, batch: _Batch, turn: _Turn) -> Answered:
    registrations = [_read(line) for line in batch.lines]
    try:
        done = register_devices(engine, context, app_id, registrations, turn)
    except AlreadyDone as before:
        return _answers.decode(before.answer), before.position
    finally:
        turn.leave()
    return batch.answers, done.position


def _read(line: bytes) -> Registration | TocsinError:
    if len(line) > LONGEST_LINE:
        return Invalid(f"a line has at most {LONGEST_LINE} bytes")
    try:
        return _decoder.decode(line).registration()
    except msgspec.ValidationError as error:
        message, _, path = str(error).partition(" - at ")
        named = _NAMED.search(message)
        return Invalid(message, field=named[1] if named else path.strip("`").removeprefix("$.") or None)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return Invalid(f"not JSON: {error}")


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
