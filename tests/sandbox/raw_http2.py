"""An HTTP/2 client of single frames, for what libcurl does not show: settings, resets, pings, GOAWAY, small windows."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable
from types import TracebackType
from typing import Self, TypeVar
from urllib.parse import urlsplit

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import ConnectionTerminated, DataReceived, Event, ResponseReceived, StreamEnded
from h2.settings import SettingCodes
from patience import PATIENCE
from sandbox_clients import Exchange

from tocsin.sandbox.server import SandboxHandle

SomeEvent = TypeVar("SomeEvent", bound=Event)


class RawHttp2:
    """One connection. ``events`` is all that came, in order; ``closed`` when the server hung up."""

    def __init__(self, handle: SandboxHandle, *, window: int = 65_535, timeout: float = PATIENCE) -> None:
        address = urlsplit(handle.push_url)
        assert address.hostname is not None
        context = ssl.create_default_context(cafile=str(handle.ca_path))
        context.set_alpn_protocols(["h2"])
        plain = socket.create_connection((address.hostname, address.port or 443), timeout)
        self.socket = context.wrap_socket(plain, server_hostname=address.hostname)
        self.authority = address.netloc
        self.h2 = H2Connection(H2Configuration(client_side=True))
        self.h2.local_settings[SettingCodes.INITIAL_WINDOW_SIZE] = window
        self.h2.local_settings.acknowledge()
        self.h2.initiate_connection()
        self.events: list[Event] = []
        self.closed = False
        self.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.socket.close()

    def flush(self) -> None:
        self.socket.sendall(self.h2.data_to_send())

    def request(self, exchange: Exchange, *, end: bool = True) -> int:
        """Send a request, without its end where ``end`` is false; returns the stream's id."""
        stream = self.h2.get_next_available_stream_id()
        path = "/" + exchange.url.split("/", 3)[3]
        pseudo = [(":method", exchange.method), (":scheme", "https"), (":authority", self.authority), (":path", path)]
        self.h2.send_headers(stream, pseudo + list(exchange.headers.items()))
        body = exchange.body.encode() if isinstance(exchange.body, str) else exchange.body
        self.h2.send_data(stream, body, end_stream=end)
        return stream

    def until(self, done: Callable[[], bool]) -> None:
        """Read until this holds or the server hangs up."""
        while not done() and not self.closed:
            self.flush()
            data = self.socket.recv(65_536)
            self.closed = not data
            self.events += self._read(data)
        self.flush()

    def next(self, kind: type[SomeEvent], stream: int | None = None) -> SomeEvent:
        """The first event of this kind, on this stream where one is given."""

        def found() -> list[SomeEvent]:
            events = [event for event in self.events if isinstance(event, kind)]
            return [event for event in events if stream is None or getattr(event, "stream_id", None) == stream]

        self.until(lambda: bool(found()))
        return found()[0]

    def status(self, stream: int) -> int:
        """The status of a whole answer."""
        self.next(StreamEnded, stream)
        return int(dict(self.next(ResponseReceived, stream).headers or ())[b":status"])

    def body(self, stream: int) -> bytes:
        parts = [event for event in self.events if isinstance(event, DataReceived) and event.stream_id == stream]
        return b"".join(part.data or b"" for part in parts)

    def _read(self, data: bytes) -> list[Event]:
        """Events, with the window of each body opened again as a reader does."""
        sent_away = any(isinstance(event, ConnectionTerminated) for event in self.events)
        if not data or sent_away:
            return []
        events = self.h2.receive_data(data)
        for event in events:
            if isinstance(event, DataReceived) and event.stream_id and event.flow_controlled_length:
                self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        return events
