"""An app that is provisioned for ThinkBIT's API, and clients of its two users."""

from __future__ import annotations

from uuid import UUID

import pytest
from flask import Flask
from patience import PATIENCE

from dialects.thinkbit.client import Client
from tocsin.api.services import Services
from tocsin.commands.apps import create_app
from tocsin.commands.context import Context
from tocsin.dialects import PROVISIONS
from tocsin.domain.entry import system


@pytest.fixture(scope="module")
def app_id(services: Services) -> UUID:
    """The app that these calls go to."""
    return create_app(services.engine, Context(system("test")), "ThinkBIT").result.app_id


@pytest.fixture(scope="module")
def issued(services: Services, app_id: UUID) -> dict[str, str]:
    found = PROVISIONS["thinkbit"](services.engine, Context(system("test")), app_id, sandbox=False)
    assert services.waiter.wait_for(services.record.head().position, ["apps", "users"], PATIENCE)
    return found


@pytest.fixture(scope="module")
def client(app: Flask, issued: dict[str, str]) -> Client:
    return Client(app, int(issued["THINKBIT_USER_ID"]), issued["THINKBIT_EMAIL"], issued["THINKBIT_PASSWORD"])


@pytest.fixture(scope="module")
def other(app: Flask, issued: dict[str, str]) -> Client:
    """The other user."""
    email, password = issued["THINKBIT_OTHER_EMAIL"], issued["THINKBIT_OTHER_PASSWORD"]
    return Client(app, int(issued["THINKBIT_OTHER_USER_ID"]), email, password)
