"""A real PostgreSQL for every test that asks for one, and a database of its own for each."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from psycopg import sql

from tocsin.eventlog.embedded import EmbeddedPostgres

pytest_plugins = ["kafka_fixtures", "node_fixtures"]


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A superuser's URL to one server for the whole session, without fsync: these tests pull no plugs."""
    given = os.environ.get("TOCSIN_TEST_DATABASE_URL")
    if given:
        yield given
        return
    directory = _reachable_directory()
    # As a process of its own, which ends with this one even when this one is killed.
    command = [sys.executable, "-m", "tocsin.eventlog.embedded", "--data", str(directory)]
    settings = ["--set", "fsync=off", "--set", "synchronous_commit=off", "--set", "full_page_writes=off"]
    server = subprocess.Popen([*command, *settings], stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        assert "ready" in server.stdout.readline(), "PostgreSQL did not start; its reason is above"
        info = EmbeddedPostgres(directory).connection()
        assert info is not None
        yield info.url
    finally:
        server.terminate()
        server.communicate()
        EmbeddedPostgres(directory).destroy()
        shutil.rmtree(directory)


def _reachable_directory() -> Path:
    """A directory the server's account may pass through, so that nothing has to be placed below /var/lib."""
    directory = Path(tempfile.mkdtemp(prefix="tocsin-test-"))
    directory.chmod(0o711)
    return directory


@pytest.fixture
def database_url(postgres_url: str) -> Iterator[str]:
    """The URL of a fresh, empty database."""
    yield from _database(postgres_url)


@pytest.fixture(scope="session")
def migrated_template(postgres_url: str) -> Iterator[str]:
    """The name of a database with Tocsin's schema, to be copied."""
    from tocsin.eventlog.migrate import migrate

    name = _new_name()
    _administer(postgres_url, sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    migrate(_with_database(postgres_url, name))
    yield name
    _drop(postgres_url, name)


@pytest.fixture
def migrated_database_url(postgres_url: str, migrated_template: str) -> Iterator[str]:
    """The URL of a fresh database with Tocsin's schema and nothing in it."""
    for url in _database(postgres_url, migrated_template):
        # A copy takes everything of its template but the grants on the database itself.
        grant = sql.SQL("GRANT CREATE ON DATABASE {} TO tocsin_app").format(sql.Identifier(urlsplit(url).path[1:]))
        _administer(url, grant)
        yield url


def _database(admin_url: str, template: str = "template0") -> Iterator[str]:
    name = _new_name()
    create = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
    _administer(admin_url, create.format(sql.Identifier(name), sql.Identifier(template)))
    yield _with_database(admin_url, name)
    _drop(admin_url, name)


def _drop(admin_url: str, name: str) -> None:
    _administer(admin_url, sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def _administer(admin_url: str, statement: sql.Composed) -> None:
    with psycopg.connect(admin_url, autocommit=True) as connection:
        connection.execute(statement)


def _new_name() -> str:
    return f"tocsin_test_{uuid.uuid4().hex[:12]}"


def _with_database(url: str, name: str) -> str:
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))
