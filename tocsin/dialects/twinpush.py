"""What a client of the TwinPush API needs: the app's id, its API token and its creator token."""

from __future__ import annotations

import secrets
from uuid import UUID

from tocsin.api.dialects.twinpush.access import API_ROLE, CREATOR_ROLE, KIND, NAME
from tocsin.commands.apps import create_app
from tocsin.commands.context import Context
from tocsin.commands.credentials import issue_credential
from tocsin.commands.engine import Engine


def provision(engine: Engine, context: Context, app_id: UUID, *, sandbox: bool) -> dict[str, str]:
    """Issue both tokens; in the sandbox also one of another app, which must not open this one.

    Raises NotFound, Conflict where the app is disabled.
    """
    found = {
        "TWINPUSH_APP_ID": engine.record.handles.of(app_id),
        "TWINPUSH_API_TOKEN": _token(engine, context, app_id, "API token", API_ROLE),
        "TWINPUSH_CREATOR_TOKEN": _token(engine, context, app_id, "creator token", CREATOR_ROLE),
    }
    if sandbox:
        other = create_app(engine, _own(context), "Sandbox twinpush, another").result.app_id
        found["TWINPUSH_OTHER_API_TOKEN"] = _token(engine, context, other, "API token", API_ROLE)
    return found


def _token(engine: Engine, context: Context, app_id: UUID, name: str, role: str) -> str:
    # 32 lower-case letters and digits, as the original's are.
    token = secrets.token_hex(16)
    issue_credential(engine, _own(context), app_id, kind=KIND, dialect=NAME, name=name, roles=(role,), secret=token)
    return token


def _own(context: Context) -> Context:
    return Context(context.actor, correlation_id=context.correlation_id)
