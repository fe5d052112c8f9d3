"""Tocsin's processes do not get in as the superuser: theirs is a login with the rights they need."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

import psycopg
import pytest
from psycopg.errors import InsufficientPrivilege

from tocsin.bootstrap import ensure_master_key, opened_record, prepare
from tocsin.commands.apps import create_app
from tocsin.commands.context import Context
from tocsin.commands.engine import Engine
from tocsin.database import NotReady, database_url, postgres_directory
from tocsin.domain.entry import system
from tocsin.eventlog.embedded import EmbeddedPostgres
from tocsin.settings import Settings

RIGHTS = "rolsuper, rolcreatedb, rolcreaterole, rolreplication, rolbypassrls"


@pytest.fixture
def settings(room: Path, data_dir: Path) -> Settings:
    """An instance whose server is in the test's own directory."""
    (room / "postgres").symlink_to(data_dir)
    settings = Settings(data=room)
    assert postgres_directory(settings).resolve() == data_dir
    ensure_master_key(settings)
    return settings


def refused(url: str, *statements: str) -> list[str]:
    """Those of these statements that the server refuses for lack of rights."""
    found = []
    for statement in statements:
        with psycopg.connect(url, autocommit=True) as connection:
            try:
                connection.execute(statement.encode())
            except InsufficientPrivilege:
                found.append(statement)
    return found


def test_a_login_of_their_own_does_all_they_do_and_nothing_else(settings: Settings, data_dir: Path) -> None:
    with EmbeddedPostgres(data_dir) as server:
        with pytest.raises(NotReady, match="not migrated"):
            database_url(settings)
        prepare(settings)
        url = database_url(settings)
        assert "postgres:" not in url.partition("//")[2].partition("@")[0]
        with psycopg.connect(url) as connection:
            (rights,) = connection.execute(f"select {RIGHTS} from pg_roles where rolname = session_user".encode())
            assert not any(rights)
        forbidden = (
            "set role postgres",
            "create role another login",
            "create database another",
            "delete from record.events",
            "update record.events set position = 1",
            "alter table record.events disable trigger all",
            "drop table record.events",
            "create table record.another (n int)",
            "select pg_read_file('/etc/hostname')",
            "copy record.head to program 'cat'",
        )
        assert refused(url, *forbidden) == [*forbidden]
        for other in ("postgres", "template1"):
            with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
                psycopg.connect(url.rpartition("/")[0] + f"/{other}")
        with opened_record(settings) as record:
            app_id: UUID = create_app(Engine(record), Context(system("test")), "Campus").result.app_id
            assert record.load(app_id)
            with record.sessions.connection() as connection, connection.transaction():
                connection.execute("select record.lay_out_claims()")
                connection.execute("create schema read_model_v1")
        assert server.url != url


def test_what_is_prepared_again_keeps_its_login_and_a_lost_password_is_replaced(
    settings: Settings, data_dir: Path
) -> None:
    with EmbeddedPostgres(data_dir) as server:
        prepare(settings)
        before = database_url(settings)
        with psycopg.connect(server.url, autocommit=True) as connection:
            connection.execute("alter role tocsin_service superuser")
        prepare(settings)
        assert database_url(settings) == before
        assert refused(before, "create role another") == ["create role another"]
        (data_dir / "service-password").unlink()
        prepare(settings)
        after = database_url(settings)
        assert after != before
        psycopg.connect(after).close()
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(before)


def test_its_password_is_readable_to_its_owner_alone_and_gone_with_the_server(
    settings: Settings, data_dir: Path
) -> None:
    server = EmbeddedPostgres(data_dir)
    with server:
        prepare(settings)
        file = data_dir / "service-password"
        assert file.stat().st_mode & 0o777 == 0o600
        assert file.read_text().strip() not in repr(server.connection())
    server.destroy()
    assert not file.exists()
