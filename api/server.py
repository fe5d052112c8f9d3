"""The HTTP server: gunicorn, with threads in processes. TLS is a proxy's work."""

from __future__ import annotations

import logging
import os
import shutil
import socket
import struct
import sys
from collections.abc import Callable
from contextlib import suppress
from http import HTTPStatus
from typing import Any

import msgspec
from flask import Flask
from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter
from gunicorn.glogging import Logger
from gunicorn.http.errors import (
    ExpectationFailed,
    InvalidResponseHeader,
    InvalidResponseHeaderName,
    LimitRequestHeaders,
    LimitRequestLine,
    ParseException,
    UnsupportedTransferCoding,
)
from gunicorn.util import write_nonblock
from gunicorn.workers.base import Worker
from gunicorn.workers.gthread import ThreadWorker

from tocsin.api import metrics_directory
from tocsin.api.problems import CONTENT_TYPE
from tocsin.api.services import EXTENSION

GRACE_SECONDS = 10
"""How long requests that are being answered may still take once the server was told to stop."""

KEPT_ALIVE_SECONDS = 75
"""Longer than proxies keep a connection they may send a request on."""

STALLED_SECONDS = 30
"""How long a client may say nothing in the middle of a request, or take nothing of an answer: it occupies a thread."""

METRICS_DIRECTORY = "PROMETHEUS_MULTIPROC_DIR"
BACKLOG = 1024
LONGEST_LINE = 8190

UNREADABLE: dict[type[Exception], int] = {
    LimitRequestLine: 414,
    ExpectationFailed: 417,
    LimitRequestHeaders: 431,
    UnsupportedTransferCoding: 501,
}
"""Statuses of what cannot be read as HTTP; of all else, 400."""

OURS = (InvalidResponseHeader, InvalidResponseHeaderName)
"""What is wrong in an answer, though the server counts it among what it cannot read."""

logger = logging.getLogger(__name__)


def serve(
    make_app: Callable[[], Flask],
    host: str,
    port: int,
    workers: int,
    threads: int,
    *,
    alive: Callable[[], None] = lambda: None,
) -> None:
    """Serve until told to stop (SIGTERM, SIGINT), then end the process.

    ``make_app`` is called in each of the ``workers`` processes, as sessions with a database cannot be shared by two;
    ``threads`` of each answer requests. ``alive`` is called every second or so in the first process, which looks after
    the others.
    """
    directory, _ = metrics_directory.make()
    # Read by the metrics' library when the workers import it, after the fork.
    os.environ[METRICS_DIRECTORY] = str(directory)
    _Server(make_app, host, port, workers, threads, alive).run()


class _Server(BaseApplication):  # type: ignore[misc]
    def __init__(
        self,
        make_app: Callable[[], Flask],
        host: str,
        port: int,
        workers: int,
        threads: int,
        alive: Callable[[], None],
    ) -> None:
        self._make_app = make_app
        self.alive = alive
        self._options: dict[str, Any] = {
            "bind": f"[{host}]:{port}" if ":" in host else f"{host}:{port}",
            "workers": workers,
            "threads": threads,
            "worker_class": _Worker,
            "backlog": BACKLOG,
            "graceful_timeout": GRACE_SECONDS,
            "keepalive": KEPT_ALIVE_SECONDS,
            "limit_request_line": LONGEST_LINE,
            "logger_class": _Logs,
            # It would lie in the home directory, the same for every server of an account, or in none at all.
            "control_socket_disable": True,
            "proc_name": "tocsin-api",
            "worker_exit": _close,
            "child_exit": _forget,
            "on_exit": _clean_up,
        }
        super().__init__()

    def load_config(self) -> None:
        for name, value in self._options.items():
            self.cfg.set(name, value)

    def load(self) -> Flask:
        return self._make_app()

    def run(self) -> None:
        _Arbiter(self).run()


class _Arbiter(Arbiter):  # type: ignore[misc]
    """Gunicorn's first process, with a sign of life whenever it looks after the others: once a second."""

    def murder_workers(self) -> None:
        self.app.alive()
        super().murder_workers()


class _Logs(Logger):  # type: ignore[misc]
    """Gunicorn's messages through the root logger. Requests are logged by the app, by route."""

    def setup(self, cfg: Any) -> None:
        super().setup(cfg)
        self.error_log.handlers.clear()
        self.error_log.propagate = True

    def exception(self, msg: Any, *args: Any, **options: Any) -> None:
        """Log what went wrong here. That a client stalled is none of it."""
        if isinstance(sys.exception(), BlockingIOError):
            self.info("a client stalled and was let go")
        else:
            super().exception(msg, *args, **options)


class _Worker(ThreadWorker):  # type: ignore[misc]
    """Answers in JSON also what cannot be read as HTTP, and so never comes to the app. What it was is not logged: a
    line that cannot be read may hold a secret."""

    def handle(self, conn: Any) -> Any:
        """Serve a request; a client that stalls in its middle, as a phone does that is out of reach, is let go."""
        # The system's own time-outs, as gunicorn makes the socket wait for ever when it takes it up.
        limit = struct.pack("ll", STALLED_SECONDS, 0)
        for direction in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
            conn.sock.setsockopt(socket.SOL_SOCKET, direction, limit)
        return super().handle(conn)

    def handle_error(self, req: Any, client: socket.socket, addr: Any, exc: Exception) -> None:
        """Answer a request that failed outside of the app."""
        if not isinstance(exc, ParseException) or isinstance(exc, OURS):
            super().handle_error(req, client, addr, exc)
            return
        logger.warning("a request could not be read: %s", type(exc).__name__)
        with suppress(OSError):
            write_nonblock(client, _refusal(UNREADABLE.get(type(exc), 400)))


def _refusal(status: int) -> bytes:
    phrase = HTTPStatus(status).phrase
    detail = "what came cannot be read as HTTP/1.1, or is longer than is read"
    body = msgspec.json.encode(
        {"type": "about:blank", "title": phrase, "status": status, "detail": detail, "code": "malformed"}
    )
    head = (
        f"HTTP/1.1 {status} {phrase}\r\nConnection: close\r\nContent-Type: {CONTENT_TYPE}\r\n"
        f"Access-Control-Allow-Origin: *\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def _close(_: Arbiter, worker: Worker) -> None:
    """A worker that ends closes its sessions, where it came as far as having any."""
    app = getattr(worker, "wsgi", None)
    if isinstance(app, Flask):
        app.extensions[EXTENSION].close()


def _clean_up(_: Arbiter) -> None:
    """The last thing the first process does. The others must not: each of them unwinds the same calls."""
    shutil.rmtree(os.environ[METRICS_DIRECTORY], ignore_errors=True)


def _forget(_: Arbiter, worker: Worker) -> None:
    """What a process that ended counted stays; what it was doing does not."""
    from prometheus_client import multiprocess

    multiprocess.mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]
