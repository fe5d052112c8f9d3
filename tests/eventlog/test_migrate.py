"""``tocsin migrate``: once, by whoever is first, and never over a schema that is not its own."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql

from tocsin.eventlog import migrate as migration
from tocsin.eventlog.migrate import MigrationError, migrate


def applied(url: str) -> dict[str, str]:
    with psycopg.connect(url) as connection:
        return dict(connection.execute("select name, sha256 from migration.applied order by name").fetchall())


def test_an_empty_database_is_brought_to_the_schema_and_a_second_time_changes_nothing(database_url: str) -> None:
    names = migrate(database_url)
    assert names == sorted(names)
    assert names == list(applied(database_url))
    assert migrate(database_url) == []
    with psycopg.connect(database_url) as connection:
        assert connection.execute("select position, epoch from record.head").fetchall() == [(0, 1)]


@pytest.fixture
def owners_url(database_url: str, migrated_template: str) -> Iterator[str]:
    """The URL of the empty database for a role that owns it and may nothing else; ``tocsin_app`` is there."""
    name, parts = f"owner_{uuid4().hex[:12]}", urlsplit(database_url)
    owner, database = sql.Identifier(name), sql.Identifier(parts.path.lstrip("/"))
    with psycopg.connect(database_url, autocommit=True) as superuser:
        superuser.execute(sql.SQL("create role {} login password 'owner'").format(owner))
        superuser.execute(sql.SQL("alter database {} owner to {}").format(database, owner))
    yield parts._replace(netloc=f"{name}:owner@{parts.hostname}:{parts.port}").geturl()
    with psycopg.connect(database_url, autocommit=True) as superuser:
        superuser.execute(sql.SQL("reassign owned by {} to current_user").format(owner))
        superuser.execute(sql.SQL("drop role {}").format(owner))


def test_an_owner_who_may_make_no_roles_migrates_where_the_role_was_made_beforehand(
    owners_url: str, database_url: str
) -> None:
    names = migrate(owners_url)
    assert names == list(applied(database_url))
    assert migrate(database_url) == []
    with psycopg.connect(database_url) as connection:
        connection.execute("set role tocsin_app")
        assert connection.execute("select position from record.head").fetchone() == (0,)
        connection.execute("create schema read_model")


def test_of_several_that_migrate_at_once_each_file_is_applied_by_one(database_url: str) -> None:
    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(migrate, [database_url] * 4))
    assert sorted(map(len, done))[:3] == [0, 0, 0]
    assert max(done) == list(applied(database_url))


def test_two_databases_of_one_server_migrate_at_once(database_url: str, reused_database_url: str) -> None:
    with ThreadPoolExecutor(2) as pool:
        fresh, known = pool.map(migrate, [database_url, reused_database_url])
    assert fresh
    assert known == []


def with_files(monkeypatch: pytest.MonkeyPatch, change: Any) -> None:
    files = list(migration._files())
    monkeypatch.setattr(migration, "_files", lambda: iter(change(files)))


def test_a_file_that_changed_since_it_was_applied_is_refused_and_nothing_is_applied(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    migrate(database_url)
    before = applied(database_url)
    with_files(
        monkeypatch,
        lambda files: [
            *files[:-1],
            (files[-1][0], files[-1][1] + "-- changed"),
            ("095_later.sql", "create table public.later ()"),
        ],
    )
    with pytest.raises(MigrationError, match=r"090_privileges.sql was applied .* with other content"):
        migrate(database_url)
    assert applied(database_url) == before


def test_a_later_file_is_applied_to_a_database_that_has_the_earlier_ones(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    migrate(database_url)
    with_files(monkeypatch, lambda files: [*files, ("095_later.sql", "create table public.later ()")])
    assert migrate(database_url) == ["095_later.sql"]


def test_a_file_that_fails_leaves_the_database_as_it_was(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with_files(monkeypatch, lambda files: [*files, ("095_broken.sql", "create table nowhere.at_all ()")])
    with pytest.raises(psycopg.errors.InvalidSchemaName):
        migrate(database_url)
    with psycopg.connect(database_url) as connection:
        assert connection.execute("select to_regnamespace('record'), to_regnamespace('migration')").fetchone() == (
            None,
            None,
        )


class _OldServer:
    """Of a connection only what is asked of a server before anything else."""

    def __init__(self, version: int) -> None:
        self.info = self
        self.server_version = version


@pytest.mark.parametrize("version", [130_021, 160_010])
def test_a_server_that_is_too_old_is_told_what_to_do(version: int) -> None:
    with pytest.raises(MigrationError, match=rf"PostgreSQL {version // 10_000} is too old.*Upgrade the server"):
        migration._require_version(_OldServer(version))  # type: ignore[arg-type]


def test_a_server_that_is_new_enough_is_taken() -> None:
    migration._require_version(_OldServer(170_000))  # type: ignore[arg-type]
