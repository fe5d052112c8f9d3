"""The API over a record of its own, its read models kept up to date by a real projector."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from calling import Caller
from flask import Flask

from tocsin.api.app import create_app
from tocsin.api.services import Services
from tocsin.commands.apps import INSTANCE, ensure_instance, issue_credential
from tocsin.commands.context import Context
from tocsin.commands.engine import Engine
from tocsin.commands.secrets import SecretChecks
from tocsin.domain.entry import system
from tocsin.eventlog.keys import MasterKeys
from tocsin.eventlog.record import Record
from tocsin.eventlog.stream.postgres import PostgresStream
from tocsin.projections.registry import NAMES
from tocsin.projections.runner import run
from tocsin.projections.waiting import Waiter

MakeServices = Callable[..., Services]


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    MasterKeys.create(tmp_path / "master.key")
    return tmp_path / "master.key"


@pytest.fixture
def record(migrated_database_url: str, key_file: Path) -> Iterator[Record]:
    record = Record.open(migrated_database_url, key_file, readers=24)
    yield record
    record.close()


@pytest.fixture
def engine(record: Record) -> Engine:
    engine = Engine(record)
    ensure_instance(engine, Context(system("test")))
    return engine


@pytest.fixture
def projector(record: Record, migrated_database_url: str) -> Iterator[threading.Event]:
    """Every read model kept up to date until the test ends, or the event is set."""
    stop = threading.Event()
    stream = PostgresStream(migrated_database_url, partitions=2)
    thread = threading.Thread(target=run, args=(stream, record, NAMES, stop))
    thread.start()
    yield stop
    stop.set()
    thread.join()
    stream.close()


@pytest.fixture
def waiter(record: Record) -> Iterator[Waiter]:
    waiter = Waiter(record.sessions)
    yield waiter
    waiter.close()


@pytest.fixture
def make_services(engine: Engine, waiter: Waiter) -> MakeServices:
    def make(**members: object) -> Services:
        given = {"readiness": lambda: {"database": None}, **members}
        return Services(engine=engine, checks=SecretChecks(engine), waiter=waiter, **given)  # type: ignore[arg-type]

    return make


@pytest.fixture
def app(make_services: MakeServices, projector: threading.Event) -> Flask:
    return create_app(make_services())


@pytest.fixture
def instance_token(engine: Engine, waiter: Waiter, projector: threading.Event) -> str:
    """The token of an admin of the instance."""
    done = issue_credential(
        engine, Context(system("test")), INSTANCE, kind="bearer", dialect="native", name="admin", roles=["admin"]
    )
    assert waiter.wait_for(done.position, ["apps"], 30)
    return done.result.secret


@pytest.fixture
def admin(app: Flask, instance_token: str) -> Caller:
    """An admin of the instance."""
    return Caller(app, instance_token)


@pytest.fixture
def campus(admin: Caller) -> Caller:
    """The instance's admin, speaking of one app."""
    return admin.of_app(admin.post("/v1/apps", {"name": "Campus"}).json["app_id"])


@pytest.fixture
def issue(campus: Caller) -> Callable[..., Caller]:
    """Callers with credentials of the campus app that have just these roles."""

    def issued(*roles: str) -> Caller:
        answer = campus.post("/credentials", {"name": "-".join(roles), "roles": list(roles)})
        return Caller(campus.app, answer.json["secret"], campus.prefix)

    return issued
