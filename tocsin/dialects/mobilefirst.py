"""What a client of IBM MobileFirst Push needs: a confidential client, and the secrets of servers and of phones."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from uuid import UUID, uuid4

from tocsin.api.dialects.mobilefirst.access import APP_SECRET, CLIENT, DEVICE_SECRET
from tocsin.api.dialects.mobilefirst.applications import NAME
from tocsin.commands.apps import INSTANCE
from tocsin.commands.context import Context
from tocsin.commands.credentials import issue_credential
from tocsin.commands.engine import Engine
from tocsin.domain.errors import Conflict

EVERYTHING = "*"

TRIAL = "test"
"""Id and secret of a client that only the sandbox has, as the product's development kit does."""


def provision(engine: Engine, context: Context, app_id: UUID, *, sandbox: bool) -> dict[str, str]:
    """Issue a confidential client and the two secrets. The app is known by its own id.

    The client may do everything in this app; the sandbox's, in every app, and create new ones. Raises NotFound,
    Conflict where the app is disabled or known to this API already.
    """

    issue = partial(_issue, engine, context)
    app_secret = issue(app_id, APP_SECRET, public_id=str(app_id))
    device_secret = issue(app_id, DEVICE_SECRET)
    client_id = str(uuid4())
    client_secret = issue(INSTANCE if sandbox else app_id, CLIENT, public_id=client_id, scope=EVERYTHING)
    if sandbox:
        # One that a forgotten sandbox has left is the same.
        with suppress(Conflict):
            issue(INSTANCE, CLIENT, public_id=TRIAL, scope=EVERYTHING, secret=TRIAL)
    return {
        "MOBILEFIRST_APP": str(app_id),
        "MOBILEFIRST_CLIENT_ID": client_id,
        "MOBILEFIRST_CLIENT_SECRET": client_secret,
        "MOBILEFIRST_APP_SECRET": app_secret,
        "MOBILEFIRST_DEVICE_SECRET": device_secret,
    }


def _issue(engine: Engine, context: Context, app_id: UUID, kind: str, **further: str) -> str:
    own = Context(context.actor, correlation_id=context.correlation_id)
    return issue_credential(engine, own, app_id, kind=kind, dialect=NAME, name=kind, **further).result.secret
