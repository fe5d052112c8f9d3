"""`tocsin api` as a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO
from urllib.request import urlopen

from patience import PATIENCE, eventually
from ports import free_port

THE_COMMAND = ("-m", "tocsin")


@contextmanager
def serving(
    database_url: str,
    key_file: Path,
    log: IO[str],
    port: int = 0,
    workers: int = 2,
    command: Sequence[str] = THE_COMMAND,
) -> Iterator[str]:
    """The URL of a server until the block ends; it must end by itself when told to."""
    chosen = port or free_port()
    process = start(database_url, key_file, log, chosen, workers, command)
    url = f"http://127.0.0.1:{chosen}"
    try:
        await_answer(f"{url}/healthz", process)
        yield url
    finally:
        process.terminate()
        assert process.wait(timeout=PATIENCE) == 0


def start(
    database_url: str,
    key_file: Path,
    log: IO[str],
    port: int,
    workers: int,
    command: Sequence[str] = THE_COMMAND,
    **more: str,
) -> subprocess.Popen[bytes]:
    """Start the exact command, unless ``command`` stands for it; ``more``: further environment variables."""
    line = [sys.executable, *command, "api", "--port", str(port), "--workers", str(workers)]
    settings = {"TOCSIN_DATABASE_URL": database_url, "TOCSIN_MASTER_KEY_FILE": str(key_file)}
    return subprocess.Popen(line, env={**os.environ, **settings, **more}, stdout=log, stderr=log)


def await_answer(url: str, process: subprocess.Popen[bytes]) -> None:
    """Wait until a URL answers 200."""
    eventually(lambda: _answers(url, process), f"{url} answers")


def _answers(url: str, process: subprocess.Popen[bytes]) -> bool:
    assert process.poll() is None, "the server ended"
    try:
        with urlopen(url, timeout=PATIENCE):
            return True
    except OSError:
        return False
