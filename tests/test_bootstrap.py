"""What is wrong with a database is a sentence that says what to do, whichever command meets it."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql

from tocsin.bootstrap import NotReady, check_named_database, opened_record, prepare
from tocsin.database import NotMigrated
from tocsin.eventlog.keys import KeyFileError, MasterKeys
from tocsin.settings import Settings, SettingsError, load


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    MasterKeys.create(tmp_path / "master.key")
    return tmp_path / "master.key"


@pytest.fixture
def guests_url(database_url: str) -> Iterator[str]:
    """The URL of an empty database for a role that may do nothing in it."""
    name, parts = f"guest_{uuid4().hex[:12]}", urlsplit(database_url)
    with psycopg.connect(database_url, autocommit=True) as superuser:
        superuser.execute(sql.SQL("create role {} login password 'guest'").format(sql.Identifier(name)))
    yield parts._replace(netloc=f"{name}:guest@{parts.hostname}:{parts.port}").geturl()
    with psycopg.connect(database_url, autocommit=True) as superuser:
        superuser.execute(sql.SQL("drop role {}").format(sql.Identifier(name)))


def open_record(url: str, key_file: Path) -> None:
    with opened_record(Settings(database_url=url, master_key_file=key_file)):
        raise AssertionError("there is no record to open")


def test_a_database_that_was_not_migrated_yet(database_url: str, migrated_template: str, key_file: Path) -> None:
    with pytest.raises(NotReady, match=r'relation "record\.\w+" does not exist\. Run `tocsin migrate` first\.$'):
        open_record(database_url, key_file)


def test_what_is_not_migrated_to_this_version_is_said_at_once(
    database_url: str, migrated_database_url: str, guests_url: str, key_file: Path
) -> None:
    for url in (database_url, migrated_database_url):
        with psycopg.connect(url, autocommit=True) as owner:
            if url == migrated_database_url:
                check_named_database(Settings(database_url=url, master_key_file=key_file))
                owner.execute("delete from migration.applied where name = '058_destroyed_secrets.sql'")
        with pytest.raises(NotMigrated, match=r"was not migrated to this version .*Run `tocsin migrate` first\.$"):
            check_named_database(Settings(database_url=url, master_key_file=key_file))
    with pytest.raises(NotMigrated, match=r"Run `tocsin migrate` first"):
        check_named_database(Settings(database_url=guests_url, master_key_file=key_file))


def test_a_master_key_that_is_not_the_databases_is_said_at_once(
    migrated_database_url: str, key_file: Path, tmp_path: Path
) -> None:
    with opened_record(Settings(database_url=migrated_database_url, master_key_file=key_file)) as record:
        record.keyring.digest("test", "what is kept under a key that the master key seals")
    MasterKeys.create(tmp_path / "another.key")
    with pytest.raises(KeyFileError, match=r"another\.key does not open what this database holds"):
        check_named_database(Settings(database_url=migrated_database_url, master_key_file=tmp_path / "another.key"))


def test_a_database_that_is_away_is_waited_for(key_file: Path, caplog: pytest.LogCaptureFixture) -> None:
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        url = f"postgresql://tocsin@127.0.0.1:{deaf.getsockname()[1]}/tocsin"
        check_named_database(Settings(database_url=url, master_key_file=key_file))
    assert "the database cannot be reached, and everything waits for it" in caplog.text


def test_a_database_that_does_not_answer(key_file: Path, caplog: pytest.LogCaptureFixture) -> None:
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        url = f"postgresql://tocsin@127.0.0.1:{deaf.getsockname()[1]}/tocsin"
        with pytest.raises(NotReady, match=r"^the database cannot be reached.* refused.*TOCSIN_DATABASE_URL"):
            open_record(url, key_file)
        assert not caplog.records
        with pytest.raises(NotReady, match=r"^the database cannot be reached"):
            prepare(Settings(database_url=url, master_key_file=key_file))


def test_a_role_that_may_not_migrate(guests_url: str, key_file: Path) -> None:
    with pytest.raises(NotReady, match=r"^permission denied .*: TOCSIN_ADMIN_DATABASE_URL must name a role"):
        prepare(Settings(database_url=guests_url, master_key_file=key_file))


def test_a_level_of_the_log_that_is_none(tmp_path: Path) -> None:
    assert load(tmp_path, {"TOCSIN_LOG_LEVEL": "WARNING"}).log_level == "WARNING"
    with pytest.raises(SettingsError, match="TOCSIN_LOG_LEVEL must be one of DEBUG, INFO, WARNING, ERROR, not 'loud'"):
        load(tmp_path, {"TOCSIN_LOG_LEVEL": "loud"})
