"""How much memory an embedded PostgreSQL keeps pages of tables and indexes in."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

MIB = 1024 * 1024

LEAST, MOST = 128 * MIB, 1024 * MIB

# Where a container may use less than the machine has (the kernel's documentation, cgroup-v2 and cgroup-v1/memory).
LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))


def shared_buffers(memory: int) -> str:
    """PostgreSQL's setting of this name on a machine with ``memory`` bytes.

    A quarter is what its manual advises (Resource Consumption), and what an index of random ids outgrows last: from
    then on every row that is added reads a page and writes another. Beyond ``MOST`` the roles on the same machine have
    more use for it. It is taken from the system as it is filled, so an empty server takes little.
    """
    return f"{min(max(memory // 4, LEAST), MOST) // MIB}MB"


def memory_of_this_machine() -> int:
    """The bytes that this process may use: all there are, or as many as its container is allowed."""
    allowed = [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
    for file in LIMITS:
        # Without a limit the file says "max", or is not there.
        with suppress(OSError, ValueError):
            allowed.append(int(file.read_text()))
    return min(allowed)
