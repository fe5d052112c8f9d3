"""The command that changes some of an app's settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from uuid import UUID

from tocsin.commands.apps import AppResult, load_app
from tocsin.commands.context import Context
from tocsin.commands.engine import Decision, Done, Engine
from tocsin.domain.app import UpdateApp
from tocsin.eventlog.unit import Secret


def change_settings(
    engine: Engine,
    context: Context,
    app_id: UUID,
    change: Callable[[Mapping[str, Any]], Mapping[str, Any]],
    secrets: Sequence[Secret] = (),
) -> Done[AppResult]:
    """Set an app's settings to what ``change`` makes of them: of two callers at once each keeps what the other did.

    ``secrets``: those that the new settings name by their ids; they are sealed with the change. Raises NotFound,
    Conflict where the app is disabled, Invalid.
    """

    def decide() -> Decision[AppResult]:
        loaded = load_app(engine, app_id)
        assert loaded.state is not None
        facts, state = loaded.decide(UpdateApp(settings=dict(change(loaded.state.settings))))
        assert state is not None
        return Decision(AppResult(app_id, state), [loaded.change(app_id, facts)], secrets=secrets if facts else ())

    return engine.carry_out(context, decide)
