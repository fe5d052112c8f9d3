"""The command that changes what an app's settings say of one API."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any
from uuid import UUID

from tocsin.commands.apps import AppResult, decision, load_app
from tocsin.commands.context import Context
from tocsin.commands.engine import Decision, Done, Engine
from tocsin.domain.app import UpdateApp


def change_settings(
    engine: Engine,
    context: Context,
    app_id: UUID,
    dialect: str,
    change: Callable[[Mapping[str, Any]], Mapping[str, Any]],
) -> Done[AppResult]:
    """Set what an app's settings say of one API to what ``change`` makes of it: of two callers at once each keeps what
    the other did.

    Raises NotFound, Conflict where the app is disabled, Invalid.
    """

    def decide() -> Decision[AppResult]:
        loaded = load_app(engine, app_id)
        assert loaded.state is not None
        before = loaded.state.settings.get(dialect)
        own = dict(change(before if isinstance(before, dict) else {}))
        command = UpdateApp(settings={**loaded.state.settings, dialect: own})
        return decision(engine, loaded, [command], partial(AppResult, app_id))

    return engine.carry_out(context, decide)
