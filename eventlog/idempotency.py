"""How long the answers of commands are kept."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from psycopg import Connection

KEPT = timedelta(days=30)
BATCH = 10_000


def prune(connection: Connection[Any]) -> int:
    """Forget the commands carried out more than 30 days ago, by the database's clock; returns how many.

    In batches, each a transaction of its own on a session in autocommit: nobody waits for a month's worth of them.
    """
    pruned = 0
    while True:
        batch = connection.execute(
            "delete from record.commands where ctid = any(array(select ctid from record.commands "
            "where recorded_at < clock_timestamp() - %s order by recorded_at limit %s))",
            (KEPT, BATCH),
        ).rowcount
        pruned += batch
        if batch < BATCH:
            return pruned
