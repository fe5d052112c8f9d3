"""An app that is provisioned for Moxie, and a client with its key."""

from __future__ import annotations

from uuid import UUID

import pytest
from flask import Flask
from patience import PATIENCE

from dialects.moxie.client import Client
from tocsin.api.services import Services
from tocsin.commands.apps import create_app
from tocsin.commands.context import Context
from tocsin.dialects import PROVISIONS
from tocsin.domain.entry import system


@pytest.fixture(scope="module")
def app_id(services: Services) -> UUID:
    """The app that Moxie's calls go to."""
    return create_app(services.engine, Context(system("test")), "Mobile Oxford").result.app_id


@pytest.fixture(scope="module")
def client(app: Flask, services: Services, app_id: UUID) -> Client:
    issued = PROVISIONS["moxie"](services.engine, Context(system("test")), app_id, sandbox=False)
    assert services.waiter.wait_for(services.record.head().position, ["apps"], PATIENCE)
    return Client(app, issued["MOXIE_KEY"], issued["MOXIE_SECRET"])
