"""The role ``postgres``: keeps an embedded server up in the foreground, until told to stop or left alone."""

from __future__ import annotations

import argparse
import logging
import os
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from tocsin.eventlog.embedded import ConnectionInfo, EmbeddedPostgres
from tocsin.eventlog.embedded_errors import EmbeddedPostgresError
from tocsin.eventlog.stopping import stop_on_signals

logger = logging.getLogger(__name__)

WATCH_SECONDS = 0.25
FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 30.0


def serve(
    server: EmbeddedPostgres,
    stop: threading.Event,
    ready: Callable[[ConnectionInfo], None] | None = None,
    *,
    leave_with_parent: bool = False,
) -> None:
    """Run the server until ``stop`` is set, then end it cleanly; with ``leave_with_parent`` also once that is gone.

    ``ready`` is called after each start. A server that dies is started again, after pauses that double while it keeps
    failing. Raises EmbeddedPostgresError when the very first start fails.
    """
    parent = os.getppid() if leave_with_parent else None
    try:
        info = server.start()
        while True:
            if ready is not None:
                ready(info)
            if _ended_while_needed(server, stop, parent):
                logger.error("PostgreSQL has died; starting it again")
                restarted = _started_again(server, stop)
                if restarted is not None:
                    info = restarted
                    continue
            return
    finally:
        if not server.stop():
            logger.info("PostgreSQL stays up: another process still uses it")


def _ended_while_needed(server: EmbeddedPostgres, stop: threading.Event, parent: int | None) -> bool:
    """Watch the server. True: it died. False: it is no longer wanted."""
    while not stop.wait(WATCH_SECONDS):
        # Whoever started us would stop us; killed, it cannot any more, and nobody else knows of the server.
        if parent is not None and os.getppid() != parent:
            logger.warning("the process that started this one is gone: stopping PostgreSQL")
            return False
        if not server.is_running():
            return True
    return False


def _started_again(server: EmbeddedPostgres, stop: threading.Event) -> ConnectionInfo | None:
    pause = FIRST_PAUSE_SECONDS
    while not stop.is_set():
        try:
            return server.start()
        except EmbeddedPostgresError as error:
            logger.error("PostgreSQL does not start; trying again in %s s: %s", pause, error)
            stop.wait(pause)
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
    return None


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the role from the command line; returns the exit status."""
    chosen = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    stop = stop_on_signals()
    try:
        serve(
            EmbeddedPostgres(chosen.data, port=chosen.port, settings=dict(chosen.set)),
            stop,
            _say_ready,
            leave_with_parent=True,
        )
    except EmbeddedPostgresError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _say_ready(info: ConnectionInfo) -> None:
    print(f"PostgreSQL is ready on 127.0.0.1:{info.port}", flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tocsin.eventlog.embedded", description="Run Tocsin's own PostgreSQL."
    )
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="where the database is kept")
    parser.add_argument("--port", type=int, metavar="N", help="loopback port (default: a free one, kept)")
    parser.add_argument("--set", type=_setting, action="append", default=[], metavar="NAME=VALUE", help="a setting")
    return parser


def _setting(text: str) -> tuple[str, str]:
    name, separator, value = text.partition("=")
    if not separator or not name:
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form NAME=VALUE")
    return name.strip(), value.strip()
