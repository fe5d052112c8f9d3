"""Why devices of a send were not reached, counted. No read model of its own: deliveries, by what providers said."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from psycopg import Connection

READ_MODELS = ("deliveries",)


class Failure(NamedTuple):
    """``code``: the provider's, or ``unknown`` where its answer never came. ``reason``: what it said to one of them.
    ``first_at``: when the first of the ``devices`` was so recorded."""

    provider: str
    code: str
    reason: str | None
    devices: int
    first_at: datetime


# The second condition is the index's own, which the planner does not see in the first.
_FAILURES = """
    select provider, coalesce(code, outcome), min(reason), count(*), min(updated_at) from deliveries_v2.delivery
    where send_id = %s and outcome in ('failed', 'unknown') and outcome not in ('delivered', 'pending')
    group by 1, 2 order by 1, 2"""


def failures(connection: Connection[Any], send_id: UUID) -> list[Failure]:
    """What providers refused of a send for good, by provider and code."""
    return [Failure(*row) for row in connection.execute(_FAILURES, (send_id,)).fetchall()]
