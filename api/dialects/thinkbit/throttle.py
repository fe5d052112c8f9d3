"""How often one address may call: so many requests in a minute that begins with its first, whichever process serves."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from flask import g

from tocsin.api.dialects.thinkbit.errors import TOO_MANY, Throttled
from tocsin.api.services import services
from tocsin.eventlog import call_counts

WINDOW = timedelta(minutes=1)
PURPOSE = "thinkbit-caller"


@dataclass(frozen=True, slots=True)
class Allowance:
    """What an address has left. ``seconds``: until it has all again."""

    limit: int
    remaining: int
    seconds: int
    exceeded: bool


def count(app_id: UUID | None, address: str, limit: int) -> None:
    """Count this request of an address to an app. Raises Throttled."""
    caller = services().digest(PURPOSE, f"{app_id} {address}")
    with services().readers.connection() as connection:
        counted = call_counts.count(connection, caller, limit, WINDOW)
    exceeded = counted.calls > limit
    g.allowance = Allowance(limit, max(limit - counted.calls, 0), counted.seconds, exceeded)
    if exceeded:
        raise Throttled(TOO_MANY, retry_after=counted.seconds)


def headers() -> dict[str, str]:
    """What the answer to this request says of it; nothing where it was not counted."""
    allowance: Allowance | None = g.get("allowance")
    if allowance is None:
        return {}
    said = {"X-RateLimit-Limit": str(allowance.limit), "X-RateLimit-Remaining": str(allowance.remaining)}
    if allowance.exceeded:
        said["X-RateLimit-Reset"] = str(int(time.time()) + allowance.seconds)
    return said
