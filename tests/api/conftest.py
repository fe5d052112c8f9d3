"""The API over a record whose read models a real projector keeps up to date: one for a module, an app for each test."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from calling import AppendsNothing, Caller
from databases import migrated_database
from flask import Flask
from patience import PATIENCE
from patient_reads import PatientWaiter, patient_lookups
from serving import serving

from tocsin.api.app import create_app
from tocsin.api.services import Services
from tocsin.commands.apps import INSTANCE, ensure_instance
from tocsin.commands.context import Context
from tocsin.commands.credentials import issue_credential
from tocsin.commands.engine import Engine
from tocsin.commands.secrets import SecretChecks
from tocsin.domain.entry import system
from tocsin.eventlog.keys import MasterKeys
from tocsin.eventlog.record import Record
from tocsin.eventlog.stream.port import StaleEpoch
from tocsin.eventlog.stream.postgres import PostgresStream
from tocsin.projections.registry import NAMES
from tocsin.projections.runner import run
from tocsin.projections.waiting import Waiter

MakeServices = Callable[..., Services]


@pytest.fixture(scope="module")
def database_url(postgres_url: str, migrated_template: str) -> Iterator[str]:
    """The URL of a database with Tocsin's schema, for the tests of one module."""
    with migrated_database(postgres_url, migrated_template) as url:
        yield url


@pytest.fixture(scope="module")
def key_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("keys") / "master.key"
    MasterKeys.create(file)
    return file


@pytest.fixture(scope="module")
def record(database_url: str, key_file: Path) -> Iterator[Record]:
    record = Record.open(database_url, key_file, readers=24)
    yield record
    record.close()


@pytest.fixture(scope="module")
def engine(record: Record) -> Engine:
    engine = Engine(record)
    ensure_instance(engine, Context(system("test")))
    return engine


@contextmanager
def projecting(record: Record, database_url: str) -> Iterator[None]:
    """Every read model kept up to date."""
    stop = threading.Event()
    stream = PostgresStream(database_url, partitions=2)

    def project() -> None:
        with suppress(StaleEpoch):
            run(stream, record, NAMES, stop)

    thread = threading.Thread(target=project)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        stream.close()


@pytest.fixture(scope="module")
def waiter(record: Record) -> Iterator[Waiter]:
    waiter = PatientWaiter(record.sessions)
    yield waiter
    waiter.close()


@pytest.fixture(scope="module")
def projector(engine: Engine, database_url: str, waiter: Waiter) -> Iterator[None]:
    with projecting(engine.record, database_url):
        assert waiter.wait_for(engine.record.head().position, NAMES, PATIENCE)
        yield


@pytest.fixture(scope="module")
def make_services(engine: Engine, waiter: Waiter) -> MakeServices:
    """Services with some members of the test's own."""

    def make(**members: object) -> Services:
        given = {"waiter": waiter, "readiness": lambda: {"database": None}, **members}
        return Services(engine=engine, checks=SecretChecks(engine), **given)  # type: ignore[arg-type]

    return make


@pytest.fixture(scope="module")
def app(make_services: MakeServices, projector: None) -> Iterator[Flask]:
    with patient_lookups():
        yield create_app(make_services())


@pytest.fixture(scope="module")
def document(app: Flask) -> dict[str, Any]:
    """What the API says of itself."""
    answer = app.test_client().get("/openapi.json")
    assert answer.status_code == 200
    return dict(answer.json)


@pytest.fixture(scope="module")
def instance_token(engine: Engine, waiter: Waiter, projector: None) -> str:
    """The token of an admin of the instance."""
    done = issue_credential(
        engine, Context(system("test")), INSTANCE, kind="bearer", dialect="native", name="admin", roles=["admin"]
    )
    assert waiter.wait_for(done.position, ["apps"], PATIENCE)
    return done.result.secret


@pytest.fixture(scope="module")
def admin(app: Flask, instance_token: str) -> Caller:
    """An admin of the instance."""
    return Caller(app, instance_token)


@pytest.fixture
def campus(admin: Caller) -> Caller:
    """The instance's admin, speaking of an app of the test's own."""
    return admin.of_app(admin.post("/v1/apps", {"name": "Campus"}).json["app_id"])


@pytest.fixture
def issue(campus: Caller) -> Callable[..., Caller]:
    """Callers with credentials of the campus app that have just these roles."""

    def issued(*roles: str) -> Caller:
        answer = campus.post("/credentials", {"name": "-".join(roles), "roles": list(roles)})
        return Caller(campus.app, answer.json["secret"], campus.prefix)

    return issued


@pytest.fixture
def appends_nothing(record: Record) -> AppendsNothing:
    """A block during which the record must not gain an event."""

    @contextmanager
    def block() -> Iterator[None]:
        before = record.head().position
        yield
        assert record.head().position == before, "something was appended"

    return block


@pytest.fixture(scope="module")
def server(app: Flask, database_url: str, key_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of `tocsin api`, two processes of it, on the module's record."""
    directory = tmp_path_factory.mktemp("server")
    with (directory / "log").open("w") as log, serving(database_url, key_file, log) as url:
        yield url
