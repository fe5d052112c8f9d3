"""What a client of ThinkBIT's API needs: users with passwords, whose numbers stand in its addresses."""

from __future__ import annotations

from uuid import UUID, uuid4

from tocsin.api.dialects.thinkbit.translation import NAME
from tocsin.commands.context import Context
from tocsin.commands.engine import Engine
from tocsin.commands.secrets import random_secret
from tocsin.commands.users import create_user
from tocsin.dialects.defaults import ensure_default

VARIABLES = ("THINKBIT", "THINKBIT_OTHER")


def provision(engine: Engine, context: Context, app_id: UUID, *, sandbox: bool) -> dict[str, str]:
    """Create two users; calls go to this app where no other has them, as their credentials name no app.

    Raises NotFound, Conflict where the app is disabled.
    """
    found: dict[str, str] = {}
    for variable in VARIABLES:
        email, password = f"{uuid4().hex[:12]}@thinkbit.example", random_secret()
        own = Context(context.actor, correlation_id=context.correlation_id)
        user_id = create_user(engine, own, app_id, email, password=password).result.user_id
        number = engine.record.load(user_id)[0].position
        found |= {
            f"{variable}_USER_ID": str(number),
            f"{variable}_EMAIL": email,
            f"{variable}_PASSWORD": password,
        }
    ensure_default(engine, context, app_id, NAME, sandbox=sandbox)
    return found
