"""A proxy before PostgreSQL that cuts the line at the moment a test wants it cut."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from typing import Self
from urllib.parse import urlsplit, urlunsplit


class CuttingProxy:
    """Passes everything on, until ``cut_at`` is set: then the line is cut when the client sends those bytes.

    ``before`` says whether the server still receives them; if it does, the line is cut when its answer comes.
    """

    def __init__(self, url: str, port: int = 0) -> None:
        """Before the server of a URL, on a port or on a free one."""
        self._target = urlsplit(url)
        self._listener = socket.create_server(("127.0.0.1", port))
        self.cut_at: bytes | None = None
        self.before = False
        port = self._listener.getsockname()[1]
        netloc = self._target.netloc.rpartition("@")[0] + f"@127.0.0.1:{port}"
        self.url = urlunsplit(self._target._replace(netloc=netloc, query="gssencmode=disable&sslmode=disable"))

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection((self._target.hostname, self._target.port))
            line = _Line(client, server)
            threading.Thread(target=self._requests, args=(line,), daemon=True).start()
            threading.Thread(target=line.answer, daemon=True).start()

    def _requests(self, line: _Line) -> None:
        while sent := line.receive(line.client):
            hit = self.cut_at is not None and self.cut_at in sent
            if hit:
                self.cut_at = None
                line.deaf = True
                if self.before:
                    break
            line.server.sendall(sent)
        if not line.deaf or self.before:
            line.cut()


class _Line:
    def __init__(self, client: socket.socket, server: socket.socket) -> None:
        self.client = client
        self.server = server
        self.deaf = False

    @staticmethod
    def receive(end: socket.socket) -> bytes:
        try:
            return end.recv(1 << 20)
        except OSError:
            return b""

    def answer(self) -> None:
        while (answer := self.receive(self.server)) and not self.deaf:
            self.client.sendall(answer)
        self.cut()

    def cut(self) -> None:
        for end in (self.client, self.server):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
