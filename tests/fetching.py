"""What the tests fetch from elsewhere, once: later runs and other processes find it in the repository's ``.cache``."""

from __future__ import annotations

import fcntl
import hashlib
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

CACHE = Path(os.environ.get("TOCSIN_TEST_CACHE") or Path(__file__).parents[1] / ".cache")


def fetched_once(kind: str, description: bytes, fetch: Callable[[Path], None]) -> Path:
    """The folder that ``fetch`` filled for this description; it is called with an empty one where there is none yet."""
    folder = CACHE / kind / hashlib.sha256(description).hexdigest()[:12]
    with only_one_process(kind):
        if not folder.exists():
            folder.parent.mkdir(exist_ok=True)
            with tempfile.TemporaryDirectory(dir=folder.parent) as unfinished:
                filled = Path(unfinished, "filled")
                filled.mkdir()
                fetch(filled)
                filled.rename(folder)
    return folder


@contextmanager
def only_one_process(kind: str) -> Iterator[None]:
    """Keep every other process of the tests from fetching anything of this kind meanwhile."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / f"{kind}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
