"""Databases of the tests' own, on the server that they share."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg import sql

# By copying files: through the log, PostgreSQL's own choice, takes ten times as long where nothing is synced.
CREATE = sql.SQL("create database {} template {} strategy file_copy")
GRANT = sql.SQL("grant create on database {} to tocsin_app")
DROP = sql.SQL("drop database {} with (force)")


@contextmanager
def empty_database(server_url: str, template: str = "template0") -> Iterator[str]:
    """The URL of a new database, which is dropped afterwards. ``server_url``: a superuser's."""
    name = f"tocsin_test_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(server_url, autocommit=True) as server:
        server.execute(CREATE.format(sql.Identifier(name), sql.Identifier(template)))
    yield urlunsplit(urlsplit(server_url)._replace(path=f"/{name}"))
    with psycopg.connect(server_url, autocommit=True) as server:
        server.execute(DROP.format(sql.Identifier(name)))


@contextmanager
def migrated_database(server_url: str, template: str) -> Iterator[str]:
    """The same of a copy of ``template``, which has Tocsin's schema."""
    with empty_database(server_url, template) as url:
        # A copy takes everything of its template but the grants on the database itself.
        with psycopg.connect(url, autocommit=True) as database:
            database.execute(GRANT.format(sql.Identifier(name_of(url))))
        yield url


def name_of(url: str) -> str:
    """The database that a URL leads to."""
    return urlsplit(url).path.removeprefix("/")
