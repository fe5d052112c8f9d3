"""What the routes work with, put together once a process by ``tocsin.bootstrap``."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any, Protocol, cast

from flask import current_app
from psycopg import Connection
from psycopg_pool import ConnectionPool

from tocsin.commands.engine import Engine
from tocsin.commands.secrets import SecretChecks
from tocsin.eventlog.record import Record


class Passage(Protocol):
    """Waits until read models have passed a position, so that a write can be read at once."""

    def wait_for(self, position: int, names: Collection[str], timeout: float) -> bool:
        """True once they have all passed it; False after ``timeout`` seconds."""

    def lag(self, names: Collection[str]) -> float:
        """Seconds by which the slowest of them is behind the record."""


@dataclass(frozen=True)
class Services:
    """``readers``: sessions for queries. ``trusted_proxies``: how many stand between a client and us.

    ``readiness``: says of each part of the instance whether it is up (name → problem, None where there is none).
    """

    engine: Engine
    checks: SecretChecks
    passage: Passage
    readiness: Callable[[], dict[str, str | None]]
    public_url: str | None = None
    trusted_proxies: int = 0
    version: str = ""
    extras: dict[str, Any] = field(default_factory=dict)

    @property
    def record(self) -> Record:
        """The record, for audit reads."""
        return self.engine.record

    @property
    def readers(self) -> ConnectionPool[Connection[Any]]:
        """Sessions for queries."""
        return self.engine.record.sessions


EXTENSION = "tocsin"


def services() -> Services:
    """The services of the app that handles this request."""
    return cast(Services, current_app.extensions[EXTENSION])
