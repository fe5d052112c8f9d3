"""Nobody rewrites history: not by a statement, and not by taking away what refuses it."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from psycopg import errors, sql
from record_builders import registration, subscription

from tocsin.eventlog import database
from tocsin.eventlog.migrate import migrate
from tocsin.eventlog.record import Record

CHANGES = [
    "update record.events set body = ''",
    "update record.events set body = '' where false",
    "delete from record.events",
    "truncate record.events",
    "insert into record.events select * from record.events on conflict (position) do update set body = ''",
    "merge into record.events e using record.head h on true when matched then delete",
]


@pytest.mark.parametrize("statement", CHANGES)
def test_the_owner_of_the_record_cannot_change_it_by_a_statement(
    record: Record, record_url: str, statement: str
) -> None:
    record.append([subscription()])
    before = record.read(0, 10)
    with psycopg.connect(record_url) as connection, pytest.raises(errors.InsufficientPrivilege, match="append-only"):
        connection.execute(statement.encode())
    assert record.read(0, 10) == before


ESCAPES = [
    *CHANGES,
    "alter table record.events disable trigger append_only",
    "alter table record.events disable trigger all",
    "alter table record.events add column note text",
    "alter table record.events drop constraint events_pkey",
    "drop trigger append_only on record.events",
    "drop function record.refuse_change() cascade",
    "create or replace function record.refuse_change() returns trigger language plpgsql as 'begin return null; end'",
    "create trigger first before insert on record.events execute function record.refuse_change()",
    "create rule hidden as on insert to record.events do instead nothing",
    "drop table record.events",
    "drop schema record cascade",
    "create table record.mine ()",
    "set session_replication_role = replica",
    "insert into record.head select false, position, recorded_at, record_id, epoch, erasures from record.head",
    "delete from record.head",
    "delete from record.subject_keys",
    "delete from record.instance_keys",
    "insert into migration.applied values ('x', 'y')",
    "update migration.applied set sha256 = ''",
]


@pytest.mark.parametrize("statement", ESCAPES)
def test_the_applications_role_can_neither_change_the_record_nor_what_guards_it(
    record: Record, record_url: str, statement: str
) -> None:
    record.append([subscription()])
    with (
        database.connect(record_url) as connection,
        pytest.raises((errors.InsufficientPrivilege, errors.CheckViolation)),
    ):
        connection.execute(statement.encode())


def test_a_record_runs_under_a_login_that_owns_nothing(postgres_url: str, database_url: str, tmp_path: Path) -> None:
    """As in production: one login migrates, another one serves, and neither is a superuser."""
    names = {"migrator": "tocsin_test_migrator", "server": "tocsin_test_server"}
    try:
        migrator, server = (_login(postgres_url, database_url, name) for name in names.values())
        with psycopg.connect(postgres_url, autocommit=True) as administration:
            own = sql.SQL("alter database {} owner to {}")
            name = urlsplit(database_url).path[1:]
            administration.execute(own.format(sql.Identifier(name), sql.Identifier(names["migrator"])))
            administration.execute(sql.SQL("grant tocsin_app to {}").format(sql.Identifier(names["server"])))
        migrate(migrator)
        (tmp_path / "master.key").touch(0o600)
        (tmp_path / "master.key").write_text("1:" + "A" * 43 + "=\n")
        record = Record.open(server, tmp_path / "master.key", write_timeout=1.5)
        device = registration()
        record.append([device])
        record.append([subscription() for _ in range(600)])
        assert record.load(device.stream_id)[0].fact == device.fact
        standing_still = psycopg.connect(server)
        standing_still.execute("select from record.head for no key update")
        assert record.append([subscription()]).first == 602
        with pytest.raises(errors.AdminShutdown):
            standing_still.execute("select")
        record.close()
        with psycopg.connect(server) as connection, pytest.raises(errors.InsufficientPrivilege):
            connection.execute("alter table record.events disable trigger append_only")
    finally:
        _drop_logins(postgres_url, database_url, names["migrator"], names["server"])


def _login(admin_url: str, url: str, name: str) -> str:
    with psycopg.connect(admin_url, autocommit=True) as administration:
        create = sql.SQL("create role {} login createrole password 'of-a-test'")
        administration.execute(create.format(sql.Identifier(name)))
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=f"{name}:of-a-test@{parts.netloc.rpartition('@')[2]}"))


def _drop_logins(admin_url: str, url: str, *names: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for name in names:
            connection.execute(sql.SQL("drop owned by {} cascade").format(sql.Identifier(name)))
    with psycopg.connect(admin_url, autocommit=True) as administration:
        name = urlsplit(url).path[1:]
        administration.execute(sql.SQL("alter database {} owner to current_user").format(sql.Identifier(name)))
        for login in names:
            administration.execute(sql.SQL("drop role {}").format(sql.Identifier(login)))
