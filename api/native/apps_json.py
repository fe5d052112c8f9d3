"""The JSON of apps: what is asked for, and what is answered."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

import marshmallow as ma
import msgspec
from marshmallow import fields, validate
from msgspec import UNSET, UnsetType

from tocsin.commands.apps import AppResult
from tocsin.domain.app import MAX_NAME, MAX_TEXT
from tocsin.domain.app import App as AppState
from tocsin.domain.entry import Entry
from tocsin.projections.apps_rows import App

MAX_HOSTS = 50


class AppForm(ma.Schema):
    """A new app."""

    name = fields.String(required=True, validate=validate.Length(1, MAX_NAME))
    hosts = fields.List(fields.String(validate=validate.Length(1, 253)), validate=validate.Length(max=MAX_HOSTS))
    settings = fields.Dict(keys=fields.String(), metadata={"description": "Settings of its dialects, by dialect."})


class AppChanges(ma.Schema):
    """What is to change of an app; what is left out stays."""

    name = fields.String(validate=validate.Length(1, MAX_NAME))
    hosts = fields.List(fields.String(validate=validate.Length(1, 253)), validate=validate.Length(max=MAX_HOSTS))
    settings = fields.Dict(keys=fields.String(), metadata={"description": "Replaces them as a whole."})


class ReasonForm(ma.Schema):
    """Why, for the history."""

    reason = fields.String(load_default=None, allow_none=True, validate=validate.Length(1, MAX_TEXT))


class AppAnswer(msgspec.Struct, kw_only=True):
    """An app. ``position``: of its newest event."""

    app_id: UUID
    name: str
    hosts: list[str]
    settings: dict[str, Any]
    disabled: bool
    created_at: datetime | UnsetType = UNSET
    position: int | UnsetType = UNSET


def of_row(row: App) -> AppAnswer:
    """An app as the read model has it."""
    return AppAnswer(
        app_id=row.app_id,
        name=row.name,
        hosts=row.hosts,
        settings=row.settings,
        disabled=row.disabled,
        created_at=row.created_at,
        position=row.position,
    )


def of_result(result: AppResult) -> AppAnswer:
    """An app as a command left it."""
    return of_state(result.app_id, result.app)


def of_state(app_id: UUID, app: AppState, entries: list[Entry] | None = None) -> AppAnswer:
    """An app as its events make it."""
    answer = AppAnswer(
        app_id=app_id, name=app.name, hosts=list(app.hosts), settings=app.settings, disabled=app.disabled
    )
    if entries:
        answer.created_at = entries[0].recorded_at or UNSET
        answer.position = entries[-1].position
    return answer
