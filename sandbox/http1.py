"""HTTP/1.1 (RFC 9112) for an asyncio transport: enough of it to serve requests with bodies, one after the other."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from sys import intern

from tocsin.sandbox.exchange import Answer, Ending, Request

log = logging.getLogger(__name__)

Respond = Callable[[Request], Answer]
MAX_HEAD_BYTES = 64 * 1024
MAX_BODY_BYTES = 1024 * 1024


class Malformed(Exception):
    """A request that cannot be read; the connection is closed after the answer."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(slots=True)
class Head:
    """The head of one request, and how long its body is; None where it comes in chunks."""

    request: Request
    length: int | None
    keep_alive: bool
    expects_continue: bool


def parse_head(block: bytes) -> Head:
    """A head without its closing empty line; raises Malformed."""
    request_line, *lines = block.decode("latin-1").split("\r\n")
    try:
        method, target, version = request_line.split(" ")
    except ValueError:
        raise Malformed(400, "the request line is malformed") from None
    if version not in ("HTTP/1.1", "HTTP/1.0"):
        raise Malformed(505, f"{version} is not spoken here")
    request = request_for(method, target)
    add_headers(request, [_header(line) for line in lines])
    return Head(request, _body_length(request), _keeps_alive(request, version), _expects_continue(request))


def request_for(method: str, target: str) -> Request:
    path, _, query = target.partition("?")
    return Request(method, path, query)


def add_headers(request: Request, headers: list[tuple[str, str]]) -> None:
    """Put headers with lower-case names into a request, noting one that is repeated.

    The journal keeps a great many requests whose headers are mostly alike: interned, they share their memory.
    """
    for name, value in headers:
        if name in request.headers:
            request.repeated = name
        request.headers[intern(name)] = intern(value)


def _header(line: str) -> tuple[str, str]:
    name, colon, value = line.partition(":")
    if not colon or not name or name != name.strip():
        raise Malformed(400, "a header line is malformed")
    return name.lower(), value.strip()


def _body_length(request: Request) -> int | None:
    if request.headers.get("transfer-encoding", "").lower() == "chunked":
        return None
    length = request.headers.get("content-length", "0")
    if not length.isascii() or not length.isdigit():
        raise Malformed(400, "Content-Length is not a number")
    if int(length) > MAX_BODY_BYTES:
        raise Malformed(413, f"a body has at most {MAX_BODY_BYTES} bytes")
    return int(length)


def _keeps_alive(request: Request, version: str) -> bool:
    connection = request.headers.get("connection", "").lower()
    return connection == "keep-alive" if version == "HTTP/1.0" else connection != "close"


def _expects_continue(request: Request) -> bool:
    return request.headers.get("expect", "").lower() == "100-continue"


@dataclass(slots=True)
class Chunks:
    """Reads a chunked body (RFC 9112, section 7.1) out of a buffer as it fills."""

    body: bytearray = field(default_factory=bytearray)
    in_trailer: bool = False

    def take(self, buffer: bytearray) -> bool:
        """Move whole chunks out of the buffer; True at the end of the body."""
        while not self.in_trailer:
            line_end = buffer.find(b"\r\n")
            if line_end < 0:
                return False
            size = _chunk_size(buffer[:line_end])
            if size and len(buffer) < line_end + size + 4:
                return False
            self._move(buffer, line_end + 2, size)
        return self._skip_trailer(buffer)

    def _move(self, buffer: bytearray, start: int, size: int) -> None:
        self.body += buffer[start : start + size]
        if len(self.body) > MAX_BODY_BYTES:
            raise Malformed(413, f"a body has at most {MAX_BODY_BYTES} bytes")
        del buffer[: start + size + (2 if size else 0)]
        self.in_trailer = size == 0

    @staticmethod
    def _skip_trailer(buffer: bytearray) -> bool:
        while (line_end := buffer.find(b"\r\n")) >= 0:
            del buffer[: line_end + 2]
            if line_end == 0:
                return True
        return False


def _chunk_size(line: bytearray) -> int:
    try:
        size = int(bytes(line).partition(b";")[0], 16)
    except ValueError:
        raise Malformed(400, "a chunk size is malformed") from None
    if not 0 <= size <= MAX_BODY_BYTES:
        raise Malformed(413, f"a chunk has at most {MAX_BODY_BYTES} bytes")
    return size


class Http1Protocol(asyncio.Protocol):
    """One connection. Requests wait in the buffer until the one before them is answered."""

    def __init__(self, respond: Respond, client_topic: str = "", development: bool = False) -> None:
        self._respond = respond
        self._client_topic = client_topic
        self._development = development
        self._buffer = bytearray()
        self._head: Head | None = None
        self._chunks = Chunks()
        self._busy = False
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def connection_lost(self, _: Exception | None) -> None:
        self._transport = None

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if self._busy and len(self._buffer) > MAX_BODY_BYTES:
            self.abort()
        self._serve()

    def pause_writing(self) -> None:
        """A peer that does not read its answers is not read either."""
        if self._transport is not None:
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        if self._transport is not None:
            self._transport.resume_reading()

    def abort(self) -> None:
        """Cut the connection."""
        if self._transport is not None:
            self._transport.abort()

    def leave(self) -> None:
        """Close the connection once what is written has been sent."""
        if self._transport is not None:
            self._transport.close()

    def _serve(self) -> None:
        try:
            while not self._busy and self._transport is not None and self._request_is_whole():
                self._answer()
        except Malformed as error:
            answer = Answer(error.status, [("content-type", "text/plain; charset=utf-8")], str(error).encode())
            self._write(answer, keep_alive=False)

    def _request_is_whole(self) -> bool:
        if self._head is None:
            self._head = self._take_head()
        return self._head is not None and self._take_body(self._head)

    def _take_head(self) -> Head | None:
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            if len(self._buffer) > MAX_HEAD_BYTES:
                raise Malformed(431, f"a request's head has at most {MAX_HEAD_BYTES} bytes")
            return None
        head = parse_head(bytes(self._buffer[:end]))
        del self._buffer[: end + 4]
        if head.expects_continue and self._transport is not None:
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        return head

    def _take_body(self, head: Head) -> bool:
        if head.length is None:
            if not self._chunks.take(self._buffer):
                return False
            head.request.body = bytes(self._chunks.body)
            return True
        if len(self._buffer) < head.length:
            return False
        head.request.body = bytes(self._buffer[: head.length])
        del self._buffer[: head.length]
        return True

    def _answer(self) -> None:
        assert self._head is not None
        head, self._head, self._chunks = self._head, None, Chunks()
        head.request.client_topic, head.request.development = self._client_topic, self._development
        answer = self._respond(head.request)
        if answer.delay > 0:
            self._busy = True
            asyncio.get_running_loop().call_later(answer.delay, self._finish_late, answer, head.keep_alive)
        else:
            self._finish(answer, head.keep_alive)

    def _finish_late(self, answer: Answer, keep_alive: bool) -> None:
        self._busy = False
        self._finish(answer, keep_alive)
        self._serve()

    def _finish(self, answer: Answer, keep_alive: bool) -> None:
        """HTTP/1.1 has no streams: a reset cuts the connection, and going away closes it after the answer."""
        if self._transport is None:
            return
        match answer.ending:
            case Ending.HANG:
                self._busy = True
            case Ending.RESET | Ending.CLOSE:
                self.abort()
            case ending:
                self._write(answer, keep_alive and ending is not Ending.GOAWAY)

    def _write(self, answer: Answer, keep_alive: bool) -> None:
        if self._transport is None:
            return
        self._transport.write(_render(answer, keep_alive))
        if not keep_alive:
            self._transport.close()


def _render(answer: Answer, keep_alive: bool) -> bytes:
    try:
        phrase = HTTPStatus(answer.status).phrase
    except ValueError:
        phrase = ""
    lines = [f"HTTP/1.1 {answer.status} {phrase}"]
    lines += [f"{name}: {value}" for name, value in answer.headers]
    lines.append(f"content-length: {len(answer.body)}")
    if not keep_alive:
        lines.append("connection: close")
    return "\r\n".join([*lines, "", ""]).encode("latin-1", "replace") + answer.body
