"""Whether two builds of a read model hold the same: a digest of all of its rows."""

from __future__ import annotations

import hashlib
from typing import Any

from psycopg import Connection

from tocsin.projections.registry import chosen

# A sum does not hang on the order of the rows, and needs no sorting; two seeds make 128 bits.
_CONTENT = """
    select count(*), coalesce(sum(hashtextextended(t::text, 0)), 0), coalesce(sum(hashtextextended(t::text, 1)), 0)
    from {table} t"""

_TABLES = """
    select oid::regclass::text from pg_class
    where relnamespace = %s::regnamespace and relkind = 'r' order by relname"""


def fingerprint(connection: Connection[Any], name: str) -> str:
    """A digest of every row of a read model, in hexadecimal: equal where the contents are equal.

    The state of one moment, also while a projector writes. Raises UnknownProjection.
    """
    schema = chosen([name])[0].schema
    whole = hashlib.sha256()
    with connection.transaction():
        connection.execute("set transaction isolation level repeatable read")
        for table in tables(connection, schema):
            counted = connection.execute(_CONTENT.replace("{table}", table).encode()).fetchone()
            whole.update(repr((table, counted)).encode())
    return whole.hexdigest()[:32]


def tables(connection: Connection[Any], schema: str) -> list[str]:
    """The tables of a schema, qualified."""
    return [name for (name,) in connection.execute(_TABLES, (schema,)).fetchall()]
