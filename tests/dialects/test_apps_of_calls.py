"""A call without a credential means the app that answers at its host, else its API's default, else none.

Which it was is seen by what only one of the apps has.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from patience import PATIENCE
from werkzeug.test import TestResponse

from tocsin.api.services import Services
from tocsin.commands.apps import change_app, create_app
from tocsin.commands.context import Context
from tocsin.commands.notifications import create_notification
from tocsin.commands.settings import change_settings
from tocsin.commands.users import create_user
from tocsin.domain.app import DisableApp, EnableApp
from tocsin.domain.entry import system
from tocsin.domain.notification import CreateNotification

HOSTED, DEFAULT = "hosted.example", "default.example"
Probe = Callable[[str], TestResponse]


def context() -> Context:
    return Context(system("test"))


@pytest.fixture(scope="module")
def apps(services: Services) -> dict[str, UUID]:
    """One that answers at a host, one that is the default of every API that has defaults, and one that is neither."""
    engine = services.engine
    made = {
        "hosted": create_app(engine, context(), "Hosted", hosts=[HOSTED]),
        "default": create_app(engine, context(), "Default"),
        "neither": create_app(engine, context(), "Neither"),
    }
    found = {name: done.result.app_id for name, done in made.items()}
    for dialect in ("moxie", "thinkbit"):
        change_settings(engine, context(), found["default"], dialect, lambda _: {"default": True})
    return found


@pytest.fixture(scope="module", params=["moxie", "thinkbit"])
def means(
    request: pytest.FixtureRequest, app: Flask, services: Services, apps: dict[str, UUID]
) -> Callable[[str], str]:
    """By which of the apps a call to a host is answered; ``nobody`` where by none."""
    probe = {"moxie": _moxie, "thinkbit": _thinkbit}[request.param]
    asked = {name: probe(app, services, app_id) for name, app_id in apps.items()}
    assert services.waiter.wait_for(services.record.head().position, ["apps", "users", "notifications"], PATIENCE)

    def answering(host: str) -> str:
        told = [name for name, ask in asked.items() if ask(host).status_code != 404]
        assert len(told) <= 1
        return told[0] if told else "nobody"

    return answering


def _moxie(app: Flask, services: Services, app_id: UUID) -> Probe:
    """A notification can be read by whoever asks its app."""
    command = CreateNotification(body="m", starts_at=services.engine.clock())
    made = create_notification(services.engine, context(), app_id, command).result.notification_id
    return lambda host: app.test_client().get(f"/notifications/{made}", headers={"Host": host})


def _thinkbit(app: Flask, services: Services, app_id: UUID) -> Probe:
    """A user of another app is not found; one of this is asked for credentials."""
    user_id = create_user(services.engine, context(), app_id, "ada@example.org").result.user_id
    path = f"/api/users/{services.record.load(user_id)[0].position}/fcm_registration_tokens"
    return lambda host: app.test_client().post(path, headers={"Host": host})


@pytest.mark.parametrize(
    ("host", "name"),
    [
        (HOSTED, "hosted"),
        (HOSTED.upper(), "hosted"),
        (f"{HOSTED}:8443", "hosted"),
        (f"www.{HOSTED}", "default"),
        (DEFAULT, "default"),
        ("localhost", "default"),
        ("127.0.0.1:8080", "default"),
        ("", "default"),
    ],
)
def test_the_host_says_which_app_is_meant_else_the_default(means: Callable[[str], str], host: str, name: str) -> None:
    assert means(host) == name


@pytest.fixture
def disabled(services: Services, apps: dict[str, UUID]) -> Iterator[Callable[[str], None]]:
    """Disables apps by name; afterwards they are enabled again."""

    def change(name: str, command: Any) -> None:
        done = change_app(services.engine, context(), apps[name], command)
        assert services.waiter.wait_for(done.position, ["apps"], PATIENCE)

    yield lambda name: change(name, DisableApp())
    for name in ("default", "hosted"):
        change(name, EnableApp())


def test_a_host_without_an_app_is_nobodys_where_there_is_no_default(
    means: Callable[[str], str], disabled: Callable[[str], None]
) -> None:
    disabled("default")

    assert (means("localhost"), means(HOSTED)) == ("nobody", "hosted")


def test_the_default_does_not_answer_for_an_app_that_is_disabled(
    means: Callable[[str], str], disabled: Callable[[str], None]
) -> None:
    disabled("hosted")

    assert (means(HOSTED), means("localhost")) == ("nobody", "default")
