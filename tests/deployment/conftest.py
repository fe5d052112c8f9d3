"""The compose file's services as processes, on a PostgreSQL of their own and a real broker."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from ports import free_port

from deployment.deployment import Deployment
from tocsin.eventlog.embedded import EmbeddedPostgres
from tocsin.sandbox.handle import SandboxHandle, running_sandbox


@pytest.fixture(scope="module")
def empty_postgres_url() -> Iterator[str]:
    """A superuser's URL of a server with nothing on it, not even roles of Tocsin's."""
    directory = Path(tempfile.mkdtemp(prefix="tocsin-deployment-"))
    # As root, the database's own account has to pass through.
    directory.chmod(0o711)
    server = EmbeddedPostgres(directory / "postgres", settings={"max_connections": "200", "fsync": "off"})
    try:
        yield server.start().url
    finally:
        server.destroy()
        shutil.rmtree(directory)


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxHandle]:
    with running_sandbox(tmp_path_factory.mktemp("sandbox")) as handle:
        yield handle


@pytest.fixture(scope="module")
def deployment(
    empty_postgres_url: str, kafka_bootstrap: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Deployment]:
    """Everything that the compose file starts, migrated, up and healthy."""
    deployment = Deployment(tmp_path_factory.mktemp("compose"), empty_postgres_url, kafka_bootstrap, free_port())
    try:
        deployment.migrate()
        deployment.start()
        deployment.wait_until_healthy()
        yield deployment
    finally:
        deployment.close()
