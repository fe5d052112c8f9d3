"""``tocsin migrate``: brings a database's record to this version's schema. It runs once, under a role that owns it."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator
from importlib import resources

import psycopg

logger = logging.getLogger(__name__)

# One number for everybody who migrates this database: two processes that start together take turns.
_LOCK = 0x746F_6373_696E


MADE_BEFOREHAND = {"005_roles.sql": "select from pg_roles where rolname = 'tocsin_app'"}
"""Finds what a file makes where somebody else made it: an owner who may not create roles is given the one it needs."""


class MigrationError(Exception):
    """The database holds a schema that these files did not make. The message says which file, and what to do."""


def _files() -> Iterator[tuple[str, str]]:
    folder = resources.files("tocsin.eventlog") / "sql"
    for file in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if file.name.endswith(".sql"):
            yield file.name, file.read_text(encoding="utf-8")


def migrate(database_url: str) -> list[str]:
    """Apply what is missing, in one transaction, and return the names of the files applied.

    ``database_url`` is a connection string of a role that may create schemas and, where there is no role ``tocsin_app``
    yet, roles (PostgreSQL 17 or later). Raises MigrationError where an applied file has changed since or the server is
    too old.
    """
    with psycopg.connect(database_url, autocommit=True) as connection:
        _require_version(connection)
        with connection.transaction():
            connection.execute("select pg_advisory_xact_lock(%s)", (_LOCK,))
            return _apply_missing(connection)


def missing(connection: psycopg.Connection) -> list[str]:
    """What ``migrate`` would apply to the database, by the names of its files: all of them where nobody ever did.

    Any role may ask that acts for ``tocsin_app``. Raises psycopg.Error.
    """
    names = [name for name, _ in _files()]
    if connection.execute("select to_regclass('migration.applied')").fetchone() == (None,):
        return names
    applied = {name for (name,) in connection.execute("select name from migration.applied")}
    return [name for name in names if name not in applied]


def _require_version(connection: psycopg.Connection) -> None:
    if connection.info.server_version < 170000:
        raise MigrationError(
            f"PostgreSQL {connection.info.server_version // 10000} is too old: Tocsin needs 17 or later "
            "(transaction_timeout). Upgrade the server, or use the embedded one by not giving a database URL."
        )


def _apply_missing(connection: psycopg.Connection) -> list[str]:
    files = list(_files())
    connection.execute(files[0][1].encode())
    seen: dict[str, str] = dict(connection.execute("select name, sha256 from migration.applied").fetchall())
    return [name for name, text in files if _apply(connection, name, text, seen.get(name))]


def _there_already(connection: psycopg.Connection, name: str) -> bool:
    """Whether somebody made beforehand what a file makes."""
    query = MADE_BEFOREHAND.get(name)
    return query is not None and connection.execute(query).fetchone() is not None


def _apply(connection: psycopg.Connection, name: str, text: str, applied: str | None) -> bool:
    digest = hashlib.sha256(text.encode()).hexdigest()
    if applied == digest:
        return False
    if applied is not None:
        raise MigrationError(
            f"{name} was applied to this database with other content. Run the version of Tocsin that made the "
            "database, or restore it from a backup of this version."
        )
    if not _there_already(connection, name):
        connection.execute(text.encode())
    connection.execute("insert into migration.applied (name, sha256) values (%s, %s)", (name, digest))
    logger.info("applied %s", name)
    return True
