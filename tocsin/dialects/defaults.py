"""Which app answers the calls of a dialect that carry no credential."""

from __future__ import annotations

from uuid import UUID

import psycopg

from tocsin.commands.apps import change_app, load_enabled
from tocsin.commands.context import Context
from tocsin.commands.engine import Engine
from tocsin.domain.app import UpdateApp
from tocsin.projections import apps


def ensure_default(engine: Engine, context: Context, app_id: UUID, dialect: str, *, sandbox: bool) -> None:
    """Make an app its dialect's default, where no other app is; the sandbox's in any case.

    Raises NotFound, Conflict where the app is disabled.
    """
    if not sandbox and _has_default(engine, dialect):
        return
    settings = load_enabled(engine, app_id).settings
    own = {**settings.get(dialect, {}), "default": True}
    command = UpdateApp(settings={**settings, dialect: own})
    change_app(engine, Context(context.actor, correlation_id=context.correlation_id), app_id, command)


def _has_default(engine: Engine, dialect: str) -> bool:
    try:
        with engine.record.sessions.connection() as connection:
            return apps.default_app(connection, dialect) is not None
    except psycopg.errors.UndefinedTable:
        # Nothing was ever read here, so nobody has been made the default.
        return False
