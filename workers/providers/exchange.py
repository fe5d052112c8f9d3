"""One HTTP exchange as plain data: the request, the connections it may use, and exactly what became of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import msgspec


class Failure(StrEnum):
    """Why there is no answer. ``NOT_SENT`` is a proof, not a guess; without one it is ``IN_DOUBT``."""

    NOT_SENT = "not-sent"
    IN_DOUBT = "in-doubt"


@dataclass(frozen=True, eq=False)
class Pool:
    """A set of connections that only the holder of this very object can use.

    Two pools are never equal, even with the same values: a connection authenticated for one credential, environment
    or lane cannot carry a request of another. ``owner`` names it in logs. ``ca_path``: PEM file of the certificate
    authorities to trust, by default the public ones. ``client_certificate`` and ``client_key``: PEM.
    ``max_connections`` per host and ``max_in_flight`` requests over all of them.
    """

    owner: str
    ca_path: str | None = None
    client_certificate: bytes | None = field(default=None, repr=False)
    client_key: bytes | None = field(default=None, repr=False)
    max_connections: int = 1
    max_in_flight: int = 1000


class HttpRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A POST over https. ``headers``: ``Name: value`` lines. ``timeout``: seconds from submission to the last byte,
    unless it is submitted with a deadline of its own."""

    url: str
    headers: list[str]
    body: bytes
    pool: Pool
    timeout: float = 30.0

    def __repr__(self) -> str:
        """Neither address nor headers: they hold device tokens and credentials."""
        return f"<HttpRequest {self.pool.owner} {len(self.body)} bytes>"


class HttpResult(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a request.

    ``status`` and ``header_lines`` may be set although ``failure`` is: an answer that was cut off. ``cause``: one word
    (``resolve``, ``connect``, ``tls``, ``certificate``, ``refused``, ``timeout``, ``cut``, ``closed``). ``error``: the
    transport's sentence. ``sent_at``: when the request was handed to a live connection, None if it never was.
    ``answered_at``: when the whole answer was there, None where there is a ``failure``. Both in monotonic seconds: an
    answer comes after its request, whatever is done to the machine's clock meanwhile.
    """

    tag: Any
    status: int
    header_lines: list[bytes]
    body: bytes
    failure: Failure | None
    cause: str
    error: str
    sent_at: float | None
    answered_at: float | None

    def header(self, name: str) -> str | None:
        """The last value of a header, by its name in any case."""
        wanted = name.lower().encode() + b":"
        for line in reversed(self.header_lines):
            if line[: len(wanted)].lower() == wanted:
                return line[len(wanted) :].strip().decode("latin-1")
        return None
