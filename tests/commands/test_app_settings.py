"""What an app's settings say of one API is changed without touching what they say of another."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import pytest

from tocsin.commands.apps import change_app, load_app
from tocsin.commands.context import Context
from tocsin.commands.engine import Engine
from tocsin.commands.settings import change_settings
from tocsin.domain.app import DisableApp, UpdateApp
from tocsin.domain.errors import Conflict


def adding(name: str, value: Any) -> Any:
    def change(own: Mapping[str, Any]) -> Mapping[str, Any]:
        return {**own, name: value}

    return change


def test_only_the_part_of_the_api_changes(engine: Engine, context: Context, app_id: UUID) -> None:
    change_app(engine, Context(context.actor), app_id, UpdateApp(settings={"other": {"kept": 1}, "mine": {"a": 1}}))

    done = change_settings(engine, Context(context.actor), app_id, "mine", adding("b", 2))
    assert done.result.app.settings == {"other": {"kept": 1}, "mine": {"a": 1, "b": 2}}
    assert not change_settings(engine, Context(context.actor), app_id, "mine", adding("b", 2)).changed


def test_what_somebody_else_says_meanwhile_is_not_lost(engine: Engine, context: Context, app_id: UUID) -> None:
    rivals = iter([True])

    def change(own: Mapping[str, Any]) -> Mapping[str, Any]:
        if next(rivals, False):
            change_settings(engine, Context(context.actor), app_id, "mine", adding("theirs", 1))
        return {**own, "ours": 2}

    change_settings(engine, Context(context.actor), app_id, "mine", change)
    state = load_app(engine, app_id).state
    assert state is not None
    assert state.settings == {"mine": {"theirs": 1, "ours": 2}}


def test_a_disabled_apps_settings_stay(engine: Engine, context: Context, app_id: UUID) -> None:
    change_app(engine, Context(context.actor), app_id, DisableApp())

    with pytest.raises(Conflict):
        change_settings(engine, Context(context.actor), app_id, "mine", adding("a", 1))
