"""A receiver of webhooks on loopback that answers as it is told and remembers what it was sent."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple


class Received(NamedTuple):
    """One request."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def told(self) -> Any:
        """Its JSON."""
        return json.loads(self.body)


class Receiver:
    """``statuses``: what the next requests are answered, then 204. ``location``: sent along. ``open``: while it is not
    set, requests are taken and not answered."""

    def __init__(self, server: ThreadingHTTPServer) -> None:
        self.url = f"http://127.0.0.1:{server.server_address[1]}/hook"
        self.received: list[Received] = []
        self.statuses: list[int] = []
        self.location: str | None = None
        self.open = threading.Event()
        self.open.set()
        self._lock = threading.Lock()

    def take(self, request: Received) -> int:
        """Remember a request; the status to answer."""
        with self._lock:
            self.received.append(request)
            status = self.statuses.pop(0) if self.statuses else 204
        self.open.wait(60)
        return status


@contextmanager
def receiving() -> Iterator[Receiver]:
    """A receiver until the end of the block."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            named = {name.lower(): value for name, value in self.headers.items()}
            status = receiver.take(Received(self.path, named, body))
            self.send_response(status)
            if receiver.location is not None:
                self.send_header("Location", receiver.location)
            self.send_header("Content-Length", "0")
            # Whoever was killed meanwhile does not read it.
            with suppress(BrokenPipeError, ConnectionResetError):
                self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            """Keep quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    receiver = Receiver(server)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield receiver
    finally:
        receiver.open.set()
        server.shutdown()
        thread.join()
        server.server_close()
