"""An app that is provisioned for BaasBox with a provider, its administrator, and two of its users."""

from __future__ import annotations

from uuid import UUID

import pytest
from flask import Flask
from patience import PATIENCE

from dialects.baasbox.client import Client
from dialects.service_account import service_account
from tocsin.api.services import Services
from tocsin.commands.apps import create_app
from tocsin.commands.context import Context
from tocsin.commands.providers import configure_provider
from tocsin.dialects import PROVISIONS
from tocsin.domain.entry import system


@pytest.fixture(scope="module")
def app_id(services: Services) -> UUID:
    context = Context(system("test"))
    made = create_app(services.engine, context, "Chat").result.app_id
    configure_provider(services.engine, Context(system("test")), made, "fcm", {}, service_account())
    return made


@pytest.fixture(scope="module")
def admin(app: Flask, services: Services, app_id: UUID) -> Client:
    issued = PROVISIONS["baasbox"](services.engine, Context(system("test")), app_id, sandbox=False)
    assert services.waiter.wait_for(services.record.head().position, ["apps", "users"], PATIENCE)
    user = (issued["BAASBOX_ADMIN_USER"], issued["BAASBOX_ADMIN_PASSWORD"])
    return Client(app, issued["BAASBOX_APPCODE"], user)


@pytest.fixture(scope="module")
def anonymous(app: Flask, admin: Client) -> Client:
    return Client(app, admin.appcode)


@pytest.fixture(scope="module")
def ann(anonymous: Client) -> Client:
    return anonymous.signed_up("ann")


@pytest.fixture(scope="module")
def bob(anonymous: Client) -> Client:
    return anonymous.signed_up("bob")
