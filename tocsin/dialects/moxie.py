"""What a client of the Moxie API needs: a key, and the secret it signs with."""

from __future__ import annotations

from uuid import UUID, uuid4

from tocsin.api.dialects.moxie.signatures import KIND, NAME
from tocsin.commands.context import Context
from tocsin.commands.credentials import issue_credential
from tocsin.commands.engine import Engine
from tocsin.dialects.defaults import ensure_default


def provision(engine: Engine, context: Context, app_id: UUID, *, sandbox: bool) -> dict[str, str]:
    """Issue a key and a secret; reads and registrations, which carry neither, go to this app where no other has them.

    Raises NotFound, Conflict where the app is disabled.
    """
    own = Context(context.actor, correlation_id=context.correlation_id)
    key = str(uuid4())
    issued = issue_credential(engine, own, app_id, kind=KIND, dialect=NAME, name="moxie", public_id=key).result
    ensure_default(engine, context, app_id, NAME, sandbox=sandbox)
    return {"MOXIE_KEY": key, "MOXIE_SECRET": issued.secret}
