"""What the tests of every dialect share: a record, its read models kept up to date, and the Flask app over them."""

from __future__ import annotations

import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
from databases import migrated_database
from flask import Flask
from patience import PATIENCE
from patient_reads import PatientWaiter, patient_lookups
from system.instance import Instance

from tocsin.api.app import create_app
from tocsin.api.services import Services
from tocsin.commands.apps import ensure_instance
from tocsin.commands.context import Context
from tocsin.commands.engine import Engine
from tocsin.commands.secrets import SecretChecks
from tocsin.domain.entry import system
from tocsin.eventlog.keys import MasterKeys
from tocsin.eventlog.record import Record
from tocsin.eventlog.stream.postgres import PostgresStream
from tocsin.projections.registry import NAMES
from tocsin.projections.runner import run


@pytest.fixture(scope="module")
def record(
    postgres_url: str, migrated_template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Record, str]]:
    """A record for the tests of one module, and the URL of its database."""
    key_file = tmp_path_factory.mktemp("keys") / "master.key"
    MasterKeys.create(key_file)
    with migrated_database(postgres_url, migrated_template) as url:
        record = Record.open(url, key_file, readers=24)
        yield record, url
        record.close()


@pytest.fixture(scope="module")
def services(record: tuple[Record, str]) -> Iterator[Services]:
    """The API's services, with every read model kept up to date by a projector."""
    opened, url = record
    engine, waiter, stop = Engine(opened), PatientWaiter(opened.sessions), threading.Event()
    ensure_instance(engine, Context(system("test")))
    stream = PostgresStream(url, partitions=2)
    projector = threading.Thread(target=run, args=(stream, opened, NAMES, stop))
    projector.start()
    assert waiter.wait_for(opened.head().position, NAMES, PATIENCE)
    yield Services(engine=engine, checks=SecretChecks(engine), waiter=waiter, readiness=dict)
    stop.set()
    projector.join()
    stream.close()
    waiter.close()


@pytest.fixture(scope="module")
def app(services: Services) -> Iterator[Flask]:
    with patient_lookups():
        yield create_app(services)


@pytest.fixture
def appends_nothing(services: Services) -> Callable[[], AbstractContextManager[None]]:
    """A block during which the record must not gain an event."""

    @contextmanager
    def block() -> Iterator[None]:
        before = services.record.head().position
        yield
        assert services.record.head().position == before, "something was appended"

    return block


@pytest.fixture(scope="package")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    """``tocsin up --sandbox`` as a user runs it; each dialect has an app of its own in ``sandbox.env``."""
    directory = Path(tempfile.mkdtemp(prefix="tocsin-dialects-"))
    # As root, the database's own account has to pass through.
    directory.chmod(0o711)
    instance = Instance(directory / "data", tmp_path_factory.mktemp("log") / "up.log", "--sandbox")
    try:
        instance.start()
        yield instance
    finally:
        instance.close()
        shutil.rmtree(directory)
