"""An app that is provisioned for MobileFirst Push, and a client with its credentials."""

from __future__ import annotations

from uuid import UUID

import pytest
from flask import Flask

from dialects.mobilefirst.client import Client
from tocsin.api.services import Services
from tocsin.commands.apps import create_app
from tocsin.commands.context import Context
from tocsin.dialects import PROVISIONS
from tocsin.domain.entry import system


def provisioned(app: Flask, services: Services, name: str, *, sandbox: bool = False) -> Client:
    """A client of a new app; of the instance, where it is the sandbox's."""
    context = Context(system("test"))
    app_id = create_app(services.engine, context, name).result.app_id
    issued = PROVISIONS["mobilefirst"](services.engine, context, app_id, sandbox=sandbox)
    assert services.waiter.wait_for(services.record.head().position, ["apps"], 30)
    return Client(
        app,
        issued["MOBILEFIRST_APP"],
        issued["MOBILEFIRST_CLIENT_ID"],
        issued["MOBILEFIRST_CLIENT_SECRET"],
        issued["MOBILEFIRST_APP_SECRET"],
        issued["MOBILEFIRST_DEVICE_SECRET"],
    )


@pytest.fixture(scope="module")
def client(app: Flask, services: Services) -> Client:
    """A client of one app alone."""
    return provisioned(app, services, "myapp")


@pytest.fixture(scope="module")
def of_instance(app: Flask, services: Services) -> Client:
    """A client that may do everything in every app, and create new ones."""
    return provisioned(app, services, "Sandbox", sandbox=True)


@pytest.fixture
def app_id(client: Client) -> UUID:
    return UUID(client.application)
