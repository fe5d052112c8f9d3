"""Bulk import of devices: a line in, a line out, a thousand lines to a transaction, any number of lines."""

from __future__ import annotations

import logging
import select
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import IO, Any, Protocol
from uuid import UUID, uuid4

import msgspec
import psycopg
from eventsourcing.persistence import OperationalError
from flask import Response, request, stream_with_context
from werkzeug.exceptions import ClientDisconnected, UnsupportedMediaType

from tocsin.api.bodies import Resources, check_coding
from tocsin.api.native.access import REGISTRAR, caller, needs
from tocsin.api.native.devices import SERVES
from tocsin.api.native.document import imports
from tocsin.api.requests import accepts, context, idempotency_key
from tocsin.api.services import services
from tocsin.api.writes import WAIT, respond_async
from tocsin.commands.imports import LONGEST_LINE, LineAnswer, import_devices
from tocsin.domain.errors import Invalid, TocsinError, Unavailable
from tocsin.eventlog.recorder import Unacceptable

logger = logging.getLogger(__name__)

NDJSON = "application/x-ndjson"
READ = (NDJSON, "application/ndjson", "application/jsonl")

_CHUNK = 64 * 1024
_PIECE = 4096
"""Bytes that go to the client at a time while it is still sending: they fit a socket that says it takes any."""

_IN_MEMORY = 1024 * 1024

Batch = tuple[list[LineAnswer], int]

_encoder = msgspec.json.Encoder()

blueprint = Resources(
    "imports", __name__, url_prefix="/v1/apps/<uuid:app_id>", description="Import: many devices in one request."
)


@blueprint.route("/devices/import", methods=["POST"])
@needs(REGISTRAR)
@imports(READ)
def register(app_id: UUID) -> Response:
    """Register many devices: a line of JSON for each, as for `POST /devices`.

    Every thousand lines are committed together and answered with a line each: `{"line", "status", "device_id"}`, where
    `status` is `created`, `updated`, `unchanged`, or `refused` with `code`, `detail` and `field`. The last line is
    `{"summary": …}`, or `{"error": …}` where the import was cut off: sent again whole, under the same Idempotency-Key,
    it goes on from there and answers what was done before as it did then.
    """
    if request.mimetype not in READ:
        raise UnsupportedMediaType(f"send the lines as Content-Type: {NDJSON}")
    check_coding(request)
    accepts(NDJSON)
    # None would bring back the limit of all other requests.
    request.max_content_length = sys.maxsize
    who, key = caller(), idempotency_key() or str(uuid4())
    batches = import_devices(
        services().engine, context(who.actor, who.credential_id), app_id, _lines(), who.credential_id, key
    )
    # What is wrong with the first lines as a whole is still a status of its own.
    first = next(batches, None)
    if first is None:
        raise Invalid("the body holds no lines")
    return Response(stream_with_context(_answers(chain([first], batches))), content_type=NDJSON)


def _lines() -> Iterator[bytes]:
    """The body's lines, of those that are too long only as much as shows it. Raises ClientDisconnected."""
    pending, received = b"", 0
    while chunk := _received():
        received += len(chunk)
        *whole, pending = (pending + chunk).split(b"\n")
        yield from (line[: LONGEST_LINE + 1] for line in whole)
        pending = pending[: LONGEST_LINE + 1]
    if request.content_length is not None and received < request.content_length:
        raise ClientDisconnected
    if pending:
        yield pending


def _received() -> bytes:
    try:
        return request.stream.read(_CHUNK)
    except OSError as error:
        # The server's way to say that the last chunk never came.
        raise ClientDisconnected from error


def _answers(batches: Iterator[Batch]) -> Iterator[bytes]:
    """The answers as lines. They go out as the client takes them: one that first sends everything must not be stuck."""
    counts: Counter[str] = Counter()
    position = 0
    with tempfile.SpooledTemporaryFile(_IN_MEMORY) as file:
        spool = _Spool(file)
        try:
            for answers, reached in batches:
                position = max(position, reached)
                counts.update(answer.status for answer in answers)
                spool.add(answers)
                yield from spool.taken()
            spool.add([{"summary": _summary(counts, position)}])
        except (ClientDisconnected, TocsinError, Unacceptable, OperationalError, psycopg.OperationalError) as error:
            spool.add([{"error": _problem(error, counts.total(), position)}])
        yield from spool.rest()


def _summary(counts: Counter[str], position: int) -> dict[str, Any]:
    readable = not respond_async() and bool(position) and services().waiter.wait_for(position, SERVES, WAIT)
    named = {status: counts[status] for status in ("created", "updated", "unchanged", "refused")}
    return {"lines": counts.total(), **named, "position": position, "readable": readable}


def _problem(error: Exception, lines: int, position: int) -> dict[str, Any]:
    """What ended the import, and how far it had come."""
    if isinstance(error, ClientDisconnected):
        code, detail = "malformed", "the body was cut off: send it again whole, under the same Idempotency-Key"
    elif isinstance(error, TocsinError):
        code, detail = error.code, error.message
    elif isinstance(error, Unacceptable):
        logger.error("an import was cut off", exc_info=error)
        code, detail = "internal", "the lines that follow could not be kept; the logs say why, under the request's id"
    else:
        logger.warning("an import was cut off: %s", type(error).__name__)
        code = Unavailable.code
        detail = "the record was not to be reached: send it again whole, under the same Idempotency-Key"
    return {"code": code, "detail": detail, "lines": lines, "position": position}


class _Socket(Protocol):
    def fileno(self) -> int: ...


class _Spool:
    """Lines between the record and the client, in memory or, if there are many, on disk."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._sent = 0
        self._written = 0
        self._socket: _Socket | None = request.environ.get("gunicorn.socket")

    def add(self, lines: Sequence[Any]) -> None:
        """Append lines of JSON."""
        self._file.seek(self._written)
        self._written += self._file.write(_encoder.encode_lines(lines))

    def taken(self) -> Iterator[bytes]:
        """As much as the client takes without being waited for."""
        while self._sent < self._written and self._socket is not None and _takes(self._socket):
            yield self._next()

    def rest(self) -> Iterator[bytes]:
        """All that is left."""
        while self._sent < self._written:
            yield self._next(_CHUNK)

    def _next(self, size: int = _PIECE) -> bytes:
        self._file.seek(self._sent)
        piece = self._file.read(size)
        self._sent += len(piece)
        return piece


def _takes(socket: _Socket) -> bool:
    poll = select.poll()
    poll.register(socket, select.POLLOUT)
    return bool(poll.poll(0))
