"""What goes wrong with a PostgreSQL server of our own, each with the way out."""

from __future__ import annotations

import re

_ADVICE = (
    (r"No space left on device|could not extend file", "The disk is full. Free some space on it and start again."),
    (r"Disk quota exceeded", "The disk quota is used up. Raise it or free some space, and start again."),
    (r"Read-only file system", "The file system is read-only. Choose another directory with --data."),
    (r"could not look up effective user ID", "This user has no entry in /etc/passwd. Add one, or run as another user."),
    (r"could not create shared memory|shm_open|could not resize shared memory", "Give the machine more shared memory."),
    (
        r"could not bind|could not create any TCP/IP sockets",
        "Another program listens on that port. Choose another one.",
    ),
    (r"Permission denied", "Give the account that runs the server access to this file, or choose another --data."),
    (r"unrecognized configuration parameter|invalid value for parameter", "Correct or drop that setting."),
)


class EmbeddedPostgresError(Exception):
    """The server could not be made, started, reached or stopped. The message ends with what to do next."""


class NoServerAccount(EmbeddedPostgresError):
    """Root asked for a server, PostgreSQL refuses to run as root, and no account is there to run it."""


class PortTaken(EmbeddedPostgresError):
    """The port that was asked for belongs to another program."""


class IncompatibleCluster(EmbeddedPostgresError):
    """The data were written by another major version of PostgreSQL."""


class ClusterMissing(EmbeddedPostgresError):
    """Data were here before and are gone; beginning anew in silence would hide the loss."""


class StartFailed(EmbeddedPostgresError):
    """A program of PostgreSQL ended with an error; ``output`` is what it said."""

    def __init__(self, doing: str, output: str) -> None:
        super().__init__(f"{doing} failed.\n{output.strip()}\n{advice_on(output)}".rstrip())
        self.output = output


def advice_on(output: str) -> str:
    """What to do about the first known complaint in a PostgreSQL program's output; empty when none is known."""
    return next((advice for pattern, advice in _ADVICE if re.search(pattern, output)), "")
