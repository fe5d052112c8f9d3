"""Which app answers the calls of a dialect that carry no credential."""

from __future__ import annotations

from uuid import UUID

import psycopg

from tocsin.commands.context import Context
from tocsin.commands.engine import Engine
from tocsin.commands.settings import change_settings
from tocsin.projections import apps


def ensure_default(engine: Engine, context: Context, app_id: UUID, dialect: str, *, sandbox: bool) -> None:
    """Make an app its dialect's default, where no other app is; the sandbox's in any case.

    Raises NotFound, Conflict where the app is disabled.
    """
    if not sandbox and _has_default(engine, dialect):
        return
    own = Context(context.actor, correlation_id=context.correlation_id)
    change_settings(engine, own, app_id, dialect, lambda before: {**before, "default": True})


def _has_default(engine: Engine, dialect: str) -> bool:
    try:
        with engine.record.sessions.connection() as connection:
            return apps.default_app(connection, dialect) is not None
    except psycopg.errors.UndefinedTable:
        # Nothing was ever read here, so nobody has been made the default.
        return False
