"""An app that is provisioned for TwinPush, a client with its tokens, and pushes that are taken without a worker."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from outcomes import deliver
from patience import eventually

from dialects.service_account import service_account
from dialects.twinpush.client import Client, await_position, new_app
from tocsin.api.services import Services
from tocsin.commands.context import Context
from tocsin.commands.providers import configure_provider
from tocsin.commands.sends import load_send
from tocsin.domain.entry import system
from tocsin.domain.events.send import SendRequested
from tocsin.eventlog.record import Record
from tocsin.eventlog.stream.port import StaleEpoch
from tocsin.eventlog.stream.postgres import PostgresStream
from tocsin.projections import devices, sends
from tocsin.workers.planner_process import run_planner

Delivered = Callable[..., dict[str, Any]]
Requested = Callable[[dict[str, Any]], SendRequested]


@pytest.fixture(scope="module", autouse=True)
def planner(record: tuple[Record, str], services: Services) -> Iterator[None]:
    """Audiences are frozen as sends start."""
    opened, url = record
    stop, stream = threading.Event(), PostgresStream(url)

    def plan() -> None:
        with suppress(StaleEpoch):
            run_planner(opened, stream, stop)

    thread = threading.Thread(target=plan)
    thread.start()
    yield
    stop.set()
    thread.join()
    stream.close()


@pytest.fixture(scope="module")
def app_id(services: Services) -> UUID:
    """An app whose Android devices can be reached."""
    made = new_app(services, "Campus")
    configure_provider(services.engine, Context(system("test")), made, "fcm", {}, service_account())
    return made


@pytest.fixture(scope="module")
def client(app: Flask, services: Services, app_id: UUID) -> Client:
    return Client.provisioned(app, services, app_id)


@pytest.fixture(scope="module")
def stranger(app: Flask, services: Services) -> Client:
    """A client of another app."""
    return Client.provisioned(app, services, new_app(services, "Other"))


@pytest.fixture
def appends_nothing(services: Services) -> Callable[[], AbstractContextManager[None]]:
    """A block during which the record must not gain an event, once the planner is done with what was sent before."""

    def is_idle() -> bool:
        with services.readers.connection() as connection:
            started = connection.execute("select count(*) from sends_v1.send where status = 'started'").fetchall()
        return started == [(0,)]

    @contextmanager
    def block() -> Iterator[None]:
        eventually(is_idle, "every audience is frozen")
        before = services.record.head().position
        yield
        assert services.record.head().position == before, "something was appended"

    return block


@pytest.fixture
def delivered(client: Client, services: Services, app_id: UUID) -> Delivered:
    """Creates a notification, and has it taken by the provider for every device but ``failed``."""

    def create(failed: tuple[str, ...] = (), **members: Any) -> dict[str, Any]:
        notification = client.create(**members)
        with services.readers.connection() as connection:
            found = sends.send_by_handle(connection, app_id, services.handles, notification["id"])
            refused = devices.devices_by_handle(connection, app_id, services.handles, failed)
        assert found is not None
        send_id = found.row.send_id

        def planned() -> bool:
            with services.readers.connection() as connection:
                row = sends.send(connection, app_id, send_id)
            return row is not None and row.row.frozen_at is not None

        eventually(planned, "the audience is frozen")
        last = deliver(services.record, app_id, send_id, failed={one.device_id for one in refused.values()})
        await_position(services, last)
        return notification

    return create


@pytest.fixture
def requested(services: Services, app_id: UUID) -> Requested:
    """What was recorded of a notification."""

    def of(notification: dict[str, Any]) -> SendRequested:
        with services.readers.connection() as connection:
            found = sends.send_by_handle(connection, app_id, services.handles, notification["id"])
        assert found is not None
        state = load_send(services.engine, app_id, found.row.send_id).state
        assert state is not None
        return state.request

    return of


@pytest.fixture
def ids(services: Services, app_id: UUID) -> Callable[[str], UUID]:
    def of(shown: str) -> UUID:
        with services.readers.connection() as connection:
            found = devices.device_by_handle(connection, app_id, services.handles, shown)
        assert found is not None
        return found.device_id

    return of
