"""A real PostgreSQL for every test that asks for one, and a database of its own for each."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from databases import empty_database, migrated_database, name_of
from hypothesis import HealthCheck, settings
from order import longest_first

from tocsin.eventlog.embedded import EmbeddedPostgres

# The same examples in every run, whatever time they take on a busy machine. A fixture may serve all examples of a test.
settings.register_profile(
    "tests",
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("tests")

UUID_OR_HEX = re.compile(r"[0-9a-f]{8}(?:-?[0-9a-f]{4}){3}-?[0-9a-f]{12}")

pytest_plugins = ["kafka_fixtures", "node_fixtures"]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    items.sort(key=longest_first)


def pytest_make_parametrize_id(val: object) -> str | None:
    """What is drawn at random names no test: processes that share the tests must all know each by the same name."""
    return UUID_OR_HEX.sub("uuid", val) if isinstance(val, str) and UUID_OR_HEX.search(val) else None


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> object:
    from sharing import FilesInOrder

    # Otherwise the files with most tests would go first, which take no time.
    config.option.loadscopereorder = False
    return FilesInOrder(config, log)


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
    with empty_database(postgres_url) as url:
        yield url


@pytest.fixture(scope="session")
def migrated_template(postgres_url: str) -> Iterator[str]:
    """The name of a database with Tocsin's schema, to be copied."""
    from tocsin.eventlog.migrate import migrate

    with empty_database(postgres_url) as url:
        migrate(url)
        yield name_of(url)


@pytest.fixture
def migrated_database_url(postgres_url: str, migrated_template: str) -> Iterator[str]:
    """The URL of a fresh database with Tocsin's schema and nothing in it."""
    with migrated_database(postgres_url, migrated_template) as url:
        yield url
