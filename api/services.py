"""What the routes work with, put together once a process by ``tocsin.bootstrap``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, cast

from flask import current_app
from psycopg import Connection
from psycopg_pool import ConnectionPool

from tocsin.commands.engine import Engine
from tocsin.commands.secrets import SecretChecks
from tocsin.eventlog.handles import Handles
from tocsin.eventlog.record import Record
from tocsin.projections.feed import Feed
from tocsin.projections.waiting import Waiter

EXTENSION = "tocsin"


@dataclass(frozen=True)
class Services:
    """``trusted_proxies``: how many stand between a client and us. ``public_url``: where clients reach us, if not here.

    ``readiness``: of each part of the instance what is wrong with it, None where nothing is. ``origins``: the web
    origins whose pages may call (CORS), ``*`` for all.
    """

    engine: Engine
    checks: SecretChecks
    waiter: Waiter
    readiness: Callable[[], Mapping[str, str | None]]
    public_url: str | None = None
    trusted_proxies: int = 0
    origins: tuple[str, ...] = ()

    @property
    def record(self) -> Record:
        """The record, for audit reads."""
        return self.engine.record

    @property
    def readers(self) -> ConnectionPool[Connection[Any]]:
        """Sessions for queries."""
        return self.engine.record.sessions

    @cached_property
    def feed(self) -> Feed:
        """The record as a feed of events."""
        return Feed(self.engine.record)

    @property
    def handles(self) -> Handles:
        """What makes and reads ids in short form."""
        return self.engine.record.handles

    def digest(self, purpose: str, value: str) -> bytes:
        """The key ring's digest of a value."""
        return self.engine.digest(purpose, value)

    def close(self) -> None:
        """End every wait and close every session."""
        self.waiter.close()
        self.engine.record.close()


def services() -> Services:
    """The services of the app that handles this request."""
    return cast(Services, current_app.extensions[EXTENSION])
