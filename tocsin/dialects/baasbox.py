"""What a client of the BaasBox API needs: the app's code, and an administrator who can sign in."""

from __future__ import annotations

from uuid import UUID

from tocsin.api.dialects.baasbox.access import ADMINISTRATOR, KIND, NAME, REGISTERED
from tocsin.commands.context import Context
from tocsin.commands.credentials import issue_credential
from tocsin.commands.engine import Engine
from tocsin.commands.secrets import random_secret
from tocsin.commands.users import create_user

ADMIN = "admin"

TRIAL = "test"
"""Name and password of a user whom only the sandbox has."""


def provision(engine: Engine, context: Context, app_id: UUID, *, sandbox: bool) -> dict[str, str]:
    """Issue an app's code and create its administrator.

    Raises NotFound, Conflict where the app is disabled or has such a user already.
    """
    password, appcode = random_secret(), random_secret()

    def own() -> Context:
        return Context(context.actor, correlation_id=context.correlation_id)

    create_user(engine, own(), app_id, ADMIN, password=password, roles=(ADMINISTRATOR,))
    issue_credential(engine, own(), app_id, kind=KIND, dialect=NAME, name=NAME, public_id=appcode)
    if sandbox:
        create_user(engine, own(), app_id, TRIAL, password=TRIAL, roles=(REGISTERED,))
    return {"BAASBOX_APPCODE": appcode, "BAASBOX_ADMIN_USER": ADMIN, "BAASBOX_ADMIN_PASSWORD": password}
