"""The directory through which the processes of one server count together."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

PREFIX = "tocsin-api-metrics-"


def make() -> tuple[Path, int]:
    """A new directory of this server's, and the descriptor by which it is held.

    It is held until no process has that open any more: neither this one nor those forked from it. What servers that
    were killed have left is removed. Raises OSError where none can be made.
    """
    for left in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        # Others' are not ours to look into, and one that is held is in use.
        with suppress(OSError):
            _remove_if_left(left)
    while True:
        directory = Path(tempfile.mkdtemp(prefix=PREFIX))
        with suppress(FileNotFoundError):
            held = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
            fcntl.flock(held, fcntl.LOCK_EX)
            if os.fstat(held).st_nlink:
                return directory, held
            # Another server took it for one that is left, before it was held.
            os.close(held)


def _remove_if_left(directory: Path) -> None:
    held = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        if os.fstat(held).st_uid == os.geteuid():
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(directory)
    finally:
        os.close(held)
