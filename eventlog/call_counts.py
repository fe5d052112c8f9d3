"""How often somebody has called, counted by all the processes of an instance together."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from psycopg import Connection

KEPT = timedelta(hours=1)
"""How long the row of a window is kept after its end: whoever calls again has it still."""

SWEPT = 100
"""The most rows that are removed when a window begins."""

# All by now(), which stands still in a statement: a window must not end between two of its columns.
_COUNT = """
    insert into record.call_counts as c (caller, ends_at, calls) values (%(caller)s, now() + %(window)s, 1)
    on conflict (caller) do update set
        calls = case when c.ends_at <= now() then 1 else greatest(c.calls, least(c.calls, %(limit)s) + 1) end,
        ends_at = case when c.ends_at <= now() then excluded.ends_at else c.ends_at end
    returning calls, ceil(extract(epoch from ends_at - now()))::integer"""

_SWEEP = """
    delete from record.call_counts where caller in (
        select caller from record.call_counts where ends_at < now() - %s order by ends_at limit %s
        for update skip locked)"""


@dataclass(frozen=True, slots=True)
class Counted:
    """A call, counted. ``calls``: in this window, this one too; one above the limit for each that is refused.
    ``seconds``: until the window ends."""

    calls: int
    seconds: int


def count(connection: Connection[Any], caller: bytes, limit: int, window: timedelta) -> Counted:
    """Count one call in the caller's window, which begins with the first call after the last one ended.

    Calls above ``limit`` are not added up. ``connection``: in autocommit, so that nobody waits for another's window.
    """
    told = {"caller": caller, "limit": limit, "window": window}
    row = connection.execute(_COUNT, told).fetchone()
    assert row is not None
    if row[0] == 1:
        connection.execute(_SWEEP, (KEPT, SWEPT))
    return Counted(calls=row[0], seconds=max(row[1], 1))
