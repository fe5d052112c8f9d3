"""The login of Tocsin's processes at an embedded PostgreSQL: what ``tocsin_app`` may do, and nothing beside it."""

from __future__ import annotations

import psycopg
from psycopg import Connection, sql

from tocsin.eventlog.database import ROLE

LOGIN = "tocsin_service"

_ATTRIBUTES = "login nosuperuser nocreatedb nocreaterole noreplication nobypassrls"

_RIGHTS = (
    "grant {role} to {login}",
    "revoke all on database {database} from public",
    "grant connect, temporary on database {database} to {role}",
    "revoke connect on database postgres, template1 from public",
)
"""It gets into its own database alone; a check of the claims writes down what it finds in a temporary table."""


def ensure_login(superuser_url: str, password: str) -> None:
    """Make the login of a migrated database, or set the password and the rights of the one that is there."""
    with psycopg.connect(superuser_url, autocommit=True) as connection, connection.transaction():
        _make(connection, password)
        names = {name: sql.Identifier(text) for name, text in _names(connection).items()}
        for statement in _RIGHTS:
            connection.execute(sql.SQL(statement).format(**names))


def _names(connection: Connection) -> dict[str, str]:
    return {"role": ROLE, "login": LOGIN, "database": connection.info.dbname}


def _make(connection: Connection, password: str) -> None:
    known = connection.execute("select from pg_roles where rolname = %s", (LOGIN,)).fetchone() is not None
    # The server is given what it checks passwords by, never the password: statements may be logged.
    verifier = connection.pgconn.encrypt_password(password.encode(), LOGIN.encode(), b"scram-sha-256").decode()
    statement = f"{'alter' if known else 'create'} role {LOGIN} with {_ATTRIBUTES} password {{}}"
    connection.execute(sql.SQL(statement).format(sql.Literal(verifier)))
