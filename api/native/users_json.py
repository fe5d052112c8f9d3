"""The JSON of users."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

import marshmallow as ma
import msgspec
from marshmallow import fields, validate
from msgspec import UNSET, UnsetType

from tocsin.commands.users import UserResult
from tocsin.domain.entry import Entry
from tocsin.domain.personal import Personal
from tocsin.domain.user import MAX_NAME
from tocsin.domain.user import User as UserState
from tocsin.projections.users import ACTIVE, DISABLED, ERASED, User

LONGEST_PASSWORD = 1024


def _password(**options: Any) -> fields.String:
    return fields.String(
        allow_none=True, validate=validate.Length(1, LONGEST_PASSWORD), metadata={"writeOnly": True}, **options
    )


class UserForm(ma.Schema):
    """An account. Devices name users whether or not they have one."""

    name = fields.String(required=True, validate=validate.Length(1, MAX_NAME))
    password = _password()
    profile = fields.Dict(keys=fields.String(), allow_none=True, metadata={"description": "At most 4096 bytes."})


class PasswordForm(ma.Schema):
    """A new password; null: nobody can sign in. Sessions end with it."""

    password = _password(required=True)


class UserAnswer(msgspec.Struct, kw_only=True):
    """A user. ``state``: ``active``, ``disabled`` or ``erased``. ``can_sign_in``: there is a password."""

    user_id: UUID
    app_id: UUID
    name: str | None
    profile: Any
    state: str
    can_sign_in: bool
    created_at: datetime | UnsetType = UNSET
    position: int | UnsetType = UNSET


def of_row(row: User) -> UserAnswer:
    """A user as the read model has it."""
    return UserAnswer(
        user_id=row.user_id,
        app_id=row.app_id,
        name=row.name,
        profile=row.profile,
        state=row.state,
        can_sign_in=row.secret_id is not None and row.state == ACTIVE,
        created_at=row.created_at,
        position=row.position,
    )


def of_result(result: UserResult) -> UserAnswer:
    """A user as a command left it."""
    return of_state(result.app_id, result.user_id, result.user)


def of_state(app_id: UUID, user_id: UUID, user: UserState, entries: list[Entry] | None = None) -> UserAnswer:
    """A user as their events make them."""
    state = ERASED if user.erased else DISABLED if user.disabled else ACTIVE
    answer = UserAnswer(
        user_id=user_id,
        app_id=app_id,
        name=_clear(user.name),
        profile=_clear(user.profile),
        state=state,
        can_sign_in=user.secret_id is not None and state == ACTIVE,
    )
    if entries:
        answer.created_at = entries[0].recorded_at or UNSET
        answer.position = entries[-1].position
    return answer


def _clear(value: Personal | None) -> Any:
    return None if value is None else value.value
