"""Whether an instance is ready, part by part: what ``GET /readyz`` tells."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
from psycopg import Connection
from psycopg_pool import PoolTimeout

from tocsin.domain.platforms import PROVIDERS
from tocsin.eventlog.record import Record
from tocsin.health import Role, everywhere, sessions_of
from tocsin.projections import agenda, apps, cursors
from tocsin.settings import Settings
from tocsin.supervisor import State, read_status

LAG_TOLERATED = 10_000
"""Positions a read model may be behind before the instance says it is not ready."""


def readiness(settings: Settings, record: Record) -> dict[str, str | None]:
    """Of each part of the instance what is wrong with it, None where nothing is."""
    parts: dict[str, str | None] = {}
    try:
        with record.sessions.connection(timeout=2) as connection:
            parts["database"] = None
            statuses = cursors.statuses(connection)
            for status in statuses:
                parts[f"read model {status.projection}"] = _wrong(status)
            parts["sends"] = _left_lying(connection)
            present = everywhere(connection)
            for name, sessions in _needed(settings, connection, with_apps=bool(statuses)):
                parts[f"role {name}"] = _absent(sessions - present)
    except (psycopg.Error, PoolTimeout) as error:
        parts["database"] = f"cannot be reached: {type(error).__name__}"
    for process in read_status(settings.status_file) if settings.status_file else ():
        parts[f"process {process.name}"] = None if process.state is State.READY else f"is {process.state}"
    return parts


def _wrong(status: cursors.Status) -> str | None:
    if status.error is not None:
        return f"stopped at position {status.error_position}: see its log, then `tocsin rebuild`"
    return f"{status.lag} positions behind" if status.lag > LAG_TOLERATED else None


def _left_lying(connection: Connection[Any]) -> str | None:
    found = agenda.unplanned(connection) if cursors.exists(connection, agenda.SCHEMA) else []
    if not found:
        return None
    return f"{len(found)} started a while ago and not planned, such as {found[0]}: see the planner's log"


def _needed(
    settings: Settings, connection: Connection[Any], *, with_apps: bool
) -> Iterator[tuple[str, frozenset[str]]]:
    """The roles without which something would stand still, and the sessions by which each is known.

    ``with_apps``: also those that are needed where an app wants them, as the read model of apps says.
    """
    always = (Role.PROJECT, Role.PLAN, Role.SCHEDULE, *((Role.RELAY,) if settings.kafka is not None else ()))
    for role in always:
        yield str(role), sessions_of(role)
    if not with_apps:
        return
    for provider in PROVIDERS:
        if apps.is_provider_used(connection, provider):
            yield f"deliver --provider {provider}", sessions_of(Role.DELIVER, (provider,))
    if apps.are_webhooks_used(connection):
        yield str(Role.WEBHOOKS), sessions_of(Role.WEBHOOKS)


def _absent(missing: frozenset[str]) -> str | None:
    if not missing:
        return None
    return f"no process does its work, on any machine: no session {', '.join(sorted(missing))} at the database"
