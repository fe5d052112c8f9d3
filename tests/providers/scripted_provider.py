"""A TLS server written frame by frame, which does to each request exactly what the test says, and counts them.

It stands in for a provider that breaks: what a well-behaved server library would never do. Requests are counted when
they are complete, whatever becomes of them afterwards.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.settings
from patience import PATIENCE

from tocsin.sandbox.certificates import Certified, make_authority, make_server


@dataclass(eq=False)
class Seen:
    """One complete request. ``connection`` counts from 0."""

    connection: int
    stream: int
    headers: dict[str, str]
    body: bytes

    @property
    def path(self) -> str:
        return self.headers[":path"]


@dataclass(frozen=True)
class Reply:
    """A proper answer. ``to``: the requests answered now, by default the one just seen."""

    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    to: tuple[Seen, ...] | None = None
    complete: bool = True
    then_close: bool = False


@dataclass(frozen=True)
class Reset:
    """RST_STREAM with an error code of RFC 9113, section 7."""

    code: h2.errors.ErrorCodes


@dataclass(frozen=True)
class GoAway:
    """Answers the streams up to ``last_stream``, refuses those above with a GOAWAY, and closes."""

    last_stream: int


@dataclass(frozen=True)
class Silence:
    """No answer, and the connection stays open."""


@dataclass(frozen=True)
class Cut:
    """The connection ends without another byte: with a TCP reset, or as if the process had ended."""

    reset: bool = True


Deed = Reply | Reset | GoAway | Silence | Cut


@dataclass
class ScriptedProvider:
    """``behave`` is called with each complete request, one at a time, and says what happens."""

    directory: Path
    behave: Callable[[Seen], Deed]
    max_streams: int = 1000
    protocols: tuple[str, ...] = ("h2",)
    client_authority: Path | None = None
    break_handshake: bool = False
    stingy: bool = False
    seen: list[Seen] = field(default_factory=list)
    connections: int = 0
    peers: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._context = self._make_context(make_authority())
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port: int = self._listener.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    @property
    def ca_path(self) -> str:
        return str(self.directory / "scripted-ca.pem")

    def close(self) -> None:
        # Closing a listener does not wake a thread that waits in accept; shutting it down does.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            still_open = list(self._open)
        for connection in still_open:
            # Below TLS, which is the affair of the connection's own thread.
            with contextlib.suppress(OSError):
                socket.socket.shutdown(connection, socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(PATIENCE)
            assert not thread.is_alive(), "a connection of the scripted provider did not end"

    def _make_context(self, authority: Certified) -> ssl.SSLContext:
        server = make_server(authority, "127.0.0.1")
        (self.directory / "scripted-ca.pem").write_bytes(authority.certificate_pem())
        (self.directory / "scripted.pem").write_bytes(server.certificate_pem() + server.key_pem())
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.directory / "scripted.pem")
        context.set_alpn_protocols(list(self.protocols))
        if self.client_authority is not None:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(self.client_authority)
        return context

    def _accept(self) -> None:
        while True:
            try:
                plain, _ = self._listener.accept()
            except OSError:
                return
            number, self.connections = self.connections, self.connections + 1
            thread = threading.Thread(target=self._serve, args=(plain, number), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, plain: socket.socket, number: int) -> None:
        if self.break_handshake:
            plain.recv(1)
            _end(plain, reset=True)
            return
        secured = self._context.wrap_socket(plain, server_side=True, do_handshake_on_connect=False)
        with self._lock:
            self._open.add(secured)
        try:
            secured.do_handshake()
        except (OSError, ssl.SSLError):
            _hear_out(self.take_over(secured))
            return
        peer = secured.getpeercert()
        self.peers.append(str(peer.get("subject", "")) if peer else "")
        self._speak(secured, number)

    def _speak(self, secured: ssl.SSLSocket, number: int) -> None:
        speak = Http2 if secured.selected_alpn_protocol() == "h2" else Http1
        try:
            speak(self, secured, number).run()
        except (OSError, ssl.SSLError):
            pass
        finally:
            with self._lock:
                self._open.discard(secured)
            with contextlib.suppress(OSError):
                secured.close()

    def take_over(self, secured: ssl.SSLSocket) -> socket.socket:
        """The TCP connection without TLS."""
        with self._lock:
            self._open.discard(secured)
            plain = socket.socket(fileno=secured.detach())
            self._open.add(plain)
        return plain

    def decide(self, seen: Seen) -> Deed:
        with self._lock:
            self.seen.append(seen)
            return self.behave(seen)


class Http2:
    """One HTTP/2 connection."""

    def __init__(self, provider: ScriptedProvider, secured: ssl.SSLSocket, number: int) -> None:
        self._provider = provider
        self._socket = secured
        self._number = number
        self._requests: dict[int, Seen] = {}
        self._answered: set[int] = set()
        self._unacknowledged = 0
        self._over = False
        config = h2.config.H2Configuration(client_side=False, header_encoding="utf-8")
        self._state = h2.connection.H2Connection(config)
        codes = h2.settings.SettingCodes
        self._state.local_settings[codes.MAX_CONCURRENT_STREAMS] = provider.max_streams
        self._state.initiate_connection()

    def run(self) -> None:
        self._flush()
        while not self._over:
            data = self._socket.recv(65536)
            if not data:
                return
            for event in self._state.receive_data(data):
                self._on(event)
                if self._over:
                    return
            self._flush()

    def _on(self, event: h2.events.Event) -> None:
        if isinstance(event, h2.events.RequestReceived):
            headers = {str(name): str(value) for name, value in event.headers}
            self._requests[event.stream_id] = Seen(self._number, event.stream_id, headers, b"")
        elif isinstance(event, h2.events.DataReceived):
            self._requests[event.stream_id].body += event.data
            self._acknowledge(event.flow_controlled_length)
        elif isinstance(event, h2.events.StreamEnded):
            self._do(self._requests[event.stream_id])

    def _acknowledge(self, size: int) -> None:
        """The connection's window, refilled at once, or only when it is used up."""
        self._unacknowledged += size
        if not self._provider.stingy or self._unacknowledged > 65535 - 4096:
            self._state.increment_flow_control_window(self._unacknowledged)
            self._unacknowledged = 0

    def _do(self, seen: Seen) -> None:
        deed = self._provider.decide(seen)
        match deed:
            case Reply():
                self._reply(deed, deed.to if deed.to is not None else (seen,))
            case Reset():
                self._state.reset_stream(seen.stream, deed.code)
            case GoAway():
                open_streams = [one for number, one in self._requests.items() if number not in self._answered]
                answered = tuple(one for one in open_streams if one.stream <= deed.last_stream)
                self._reply(Reply(), answered)
                self._state.close_connection(last_stream_id=deed.last_stream)
                self._leave()
            case Cut():
                _end(self._socket, reset=deed.reset)
                self._over = True

    def _reply(self, reply: Reply, to: tuple[Seen, ...]) -> None:
        for seen in to:
            self._answered.add(seen.stream)
            # The client may have given the request up meanwhile, and its stream is no more.
            with contextlib.suppress(h2.exceptions.ProtocolError):
                self._answer(seen.stream, reply)
        if reply.then_close:
            self._leave()

    def _answer(self, stream: int, reply: Reply) -> None:
        headers = [(":status", str(reply.status)), *reply.headers]
        self._state.send_headers(stream, headers, end_stream=reply.complete and not reply.body)
        if reply.body:
            self._state.send_data(stream, reply.body, end_stream=reply.complete)

    def _leave(self) -> None:
        self._flush()
        self._over = True
        _hear_out(self._provider.take_over(self._socket))

    def _flush(self) -> None:
        if data := self._state.data_to_send():
            self._socket.sendall(data)


class Http1:
    """One HTTP/1.1 connection, with one request after another."""

    def __init__(self, provider: ScriptedProvider, secured: ssl.SSLSocket, number: int) -> None:
        self._provider = provider
        self._socket = secured
        self._number = number

    def run(self) -> None:
        file = self._socket.makefile("rb")
        while line := file.readline():
            headers = {":path": line.split()[1].decode()}
            while (field_line := file.readline()) not in (b"\r\n", b""):
                name, _, value = field_line.decode().partition(":")
                headers[name.lower()] = value.strip()
            body = file.read(int(headers.get("content-length", "0")))
            if not self._do(self._provider.decide(Seen(self._number, 0, headers, body))):
                return

    def _do(self, deed: Deed) -> bool:
        match deed:
            case Reply():
                head = [f"HTTP/1.1 {deed.status} X", f"content-length: {len(deed.body)}"]
                head += [f"{name}: {value}" for name, value in deed.headers]
                self._socket.sendall("\r\n".join([*head, "", ""]).encode() + deed.body)
                return True
            case Cut():
                _end(self._socket, reset=deed.reset)
        return False


def _end(connection: socket.socket, *, reset: bool) -> None:
    """Close without TLS's goodbye; with ``reset`` also without TCP's."""
    if reset:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def _hear_out(plain: socket.socket) -> None:
    """Say nothing more, but read until the client goes: closing on unread input would destroy what was said last."""
    with contextlib.suppress(OSError):
        plain.shutdown(socket.SHUT_WR)
        while plain.recv(65536):
            pass
    plain.close()
