"""Whether a role on this machine does its work: what a container's health check asks.

Every worker keeps a named session at the database which the server ends a few seconds after the worker stopped giving
signs of life. So a process that hangs or is frozen is found out, and not only one that has ended.

It runs every few seconds beside every container, so it loads what it needs for the role it is asked about and no more.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from enum import StrEnum
from typing import TYPE_CHECKING, Any, LiteralString
from urllib.request import urlopen

from tocsin.domain.lanes import LANES
from tocsin.domain.platforms import PROVIDERS
from tocsin.settings import Settings
from tocsin.workers.groups import DELIVERY, PLANNER, WEBHOOKS

if TYPE_CHECKING:
    from psycopg import Connection

PATIENCE = 3
"""Seconds for an answer."""

_EVERYWHERE = "select distinct application_name from pg_stat_activity where datname = current_database()"
_HERE = f"{_EVERYWHERE} and client_addr is not distinct from inet_client_addr()"


class Role(StrEnum):
    """A kind of process that can be asked after."""

    API = "api"
    RELAY = "relay"
    PROJECT = "project"
    PLAN = "plan"
    SCHEDULE = "schedule"
    DELIVER = "deliver"
    WEBHOOKS = "webhooks"


class Unhealthy(Exception):
    """The role does not do its work; the message says what is missing."""


def check(settings: Settings, role: Role, providers: Collection[str] = PROVIDERS) -> None:
    """Return if a role other than the API works; ``providers`` is for DELIVER. Raises Unhealthy, SettingsError."""
    _check_sessions(settings, sessions_of(role, providers))


def check_api(port: int) -> None:
    """Return if the API answers, which needs no settings. Raises Unhealthy."""
    try:
        urlopen(f"http://127.0.0.1:{port}/healthz", timeout=PATIENCE).close()
    except OSError as error:
        raise Unhealthy(f"the API does not answer on port {port}: {error}") from error


def sessions_of(role: Role, providers: Collection[str] = PROVIDERS) -> frozenset[str]:
    """The names of the sessions that a working process of this role has."""
    from tocsin.eventlog.stream.port import EVENTS, work_topic

    match role:
        case Role.PROJECT:
            from tocsin.projections.registry import NAMES, chosen

            return frozenset(_member(one.group, EVENTS) for one in chosen(NAMES))
        case Role.PLAN:
            return frozenset({_member(PLANNER, EVENTS)})
        case Role.DELIVER:
            return frozenset(_member(DELIVERY, work_topic(name, lane)) for name in providers for lane in LANES)
        case Role.WEBHOOKS:
            return frozenset({_member(WEBHOOKS, EVENTS)})
        case Role.RELAY:
            return frozenset({"tocsin relay"})
        case Role.SCHEDULE:
            return frozenset({"tocsin scheduler"})
        case Role.API:
            return frozenset()


def _member(group: str, topic: str) -> str:
    return f"tocsin {group} {topic}"


def _check_sessions(settings: Settings, expected: Iterable[str]) -> None:
    missing = set(expected) - _present(settings)
    if missing:
        raise Unhealthy(f"no such session at the database: {', '.join(sorted(missing))}")


def _present(settings: Settings) -> frozenset[str]:
    """The names of the sessions at the database that come from this machine."""
    import psycopg

    from tocsin.database import database_url
    from tocsin.eventlog.database import connect

    try:
        with connect(database_url(settings), connect_timeout=PATIENCE) as connection:
            return _sessions(connection, _HERE)
    except psycopg.Error as error:
        raise Unhealthy(f"the database cannot be asked: {str(error).strip()}") from error


def everywhere(connection: Connection[Any]) -> frozenset[str]:
    """The names of the sessions at the database that come from any machine."""
    return _sessions(connection, _EVERYWHERE)


def _sessions(connection: Connection[Any], query: LiteralString) -> frozenset[str]:
    with connection.transaction():
        # Whose sessions are whose is shown to the role that logged in, which all of them share.
        connection.execute("set local role none")
        return frozenset(name for (name,) in connection.execute(query))
