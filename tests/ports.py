"""Ports for servers that must be told theirs."""

from __future__ import annotations

import random
import socket

# Below those that systems give out by themselves (Linux: ip_local_port_range), which is what every other server of the
# tests and every connection has: between here and the start of the server that is to have it, none of them takes it.
_QUIET = range(10_000, 20_000)


def free_port() -> int:
    """A port of loopback on which nobody listens."""
    return next(port for port in random.sample(_QUIET, len(_QUIET)) if _is_free(port))


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
