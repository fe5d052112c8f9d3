"""Directories for servers that are killed, and processes that start servers and are killed themselves."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tocsin.eventlog.embedded import EmbeddedPostgres

from .processes import remember

Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def room() -> Iterator[Path]:
    """A directory of our own that other accounts may pass through."""
    yield from _room()


@pytest.fixture
def data_dir(room: Path) -> Iterator[Path]:
    """Where a test keeps a server of its own, which is gone after the test whatever happened."""
    yield room / "data"
    EmbeddedPostgres(room / "data").destroy()


@pytest.fixture(scope="session")
def lasting_room() -> Iterator[Path]:
    yield from _room()


@pytest.fixture(scope="session")
def used_before(lasting_room: Path) -> Iterator[Path]:
    """The directory of a server that was used and stopped; it remembers the word "kept"."""
    directory = lasting_room / "data"
    with EmbeddedPostgres(directory) as info:
        remember(info, "kept")
    yield directory
    EmbeddedPostgres(directory).destroy()


@pytest.fixture
def stopped(used_before: Path) -> Iterator[Path]:
    """The same directory for one more test, which ends with the server stopped."""
    yield used_before
    EmbeddedPostgres(used_before).stop()


def _room() -> Iterator[Path]:
    directory = Path(tempfile.mkdtemp(prefix="tocsin-embedded-"))
    directory.chmod(0o711)
    yield directory
    shutil.rmtree(directory)


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts a Python program in a process group of its own; all are ended after the test."""
    started: list[subprocess.Popen[str]] = []

    def launch(*arguments: str | Path) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        started.append(process)
        return process

    yield launch
    for process in started:
        process.kill()
        process.communicate()
