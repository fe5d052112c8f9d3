"""Who may do what: tokens and their scopes, the secrets of servers and of phones."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from flask import Flask

from dialects.mobilefirst.client import Client, basic
from dialects.mobilefirst.conftest import provisioned
from tocsin.api.services import Services
from tocsin.commands.apps import INSTANCE, change_app
from tocsin.commands.context import Context
from tocsin.commands.credentials import issue_credential, revoke_credential
from tocsin.commands.tokens import read_access_token, revoke_access_token
from tocsin.domain.app import UpdateApp
from tocsin.domain.entry import system
from tocsin.projections import apps

DEVICE = {"deviceId": "of-access", "platform": "G", "token": "of-access"}


def test_a_token_is_given_for_id_and_secret(client: Client) -> None:
    answer = client.ask_token(scope="messages.write push.application.myapp")

    assert answer.status_code == 200
    assert answer.content_type == "application/json"
    assert answer.headers["Cache-Control"] == "no-store"
    assert set(answer.json) == {"access_token", "token_type", "expires_in", "scope"}
    assert answer.json["token_type"] == "Bearer"
    assert 3590 <= answer.json["expires_in"] <= 3600
    assert answer.json["scope"] == "messages.write push.application.myapp"


def test_a_slash_at_the_end_of_the_token_endpoint_changes_nothing(client: Client) -> None:
    answer = client.app.test_client().post(
        "/mfp/api/az/v1/token/",
        data={"grant_type": "client_credentials"},
        headers={"Authorization": basic(client.client_id, client.client_secret)},
    )

    assert (answer.status_code, answer.json["scope"]) == (200, "*")


@pytest.mark.parametrize(
    ("status", "error", "options"),
    [
        (401, "invalid_client", {"name": "nobody"}),
        (401, "invalid_client", {"secret": "wrong"}),
        (400, "unsupported_grant_type", {"grant": "password"}),
    ],
)
def test_who_is_not_a_client_gets_no_token(client: Client, status: int, error: str, options: Any) -> None:
    answer = client.ask_token(**options)

    assert (answer.status_code, answer.json["error"]) == (status, error)
    assert ("WWW-Authenticate" in answer.headers) == (status == 401)


def test_the_client_of_the_development_kit_is_the_sandboxes_alone(client: Client, of_instance: Client) -> None:
    assert of_instance.ask_token("test", "test", scope="*").status_code == 200


def test_no_app_brings_the_client_of_the_development_kit(app: Flask, services: Services) -> None:
    with services.readers.connection() as connection:
        before = apps.credential_by_public_id(connection, "mobilefirst", "test")
    provisioned(app, services, "Plain")
    with services.readers.connection() as connection:
        assert apps.credential_by_public_id(connection, "mobilefirst", "test") == before


def test_who_shows_nothing_is_challenged(client: Client) -> None:
    answer = client.get("/devices", scope=None)

    assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
    assert set(answer.json) == {"code", "message"}


@pytest.mark.parametrize("token", ["x", "x.y", "é", "a" * 5000, ""])
def test_a_token_that_is_not_ours_is_refused(client: Client, token: str) -> None:
    answer = client.get("/devices", scope=None, Authorization=f"Bearer {token}")

    assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, 'Bearer error="invalid_token"')


def test_a_token_is_good_for_an_hour(client: Client, services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    client.token()
    now = services.engine.clock()
    for hours, status in ((0.9, 200), (1.1, 401)):
        later = now + timedelta(hours=hours)
        with monkeypatch.context() as patched:
            patched.setattr(services.engine, "clock", lambda later=later: later)
            answer = client.get("/devices")
        assert answer.status_code == status
    assert answer.headers["WWW-Authenticate"] == 'Bearer error="invalid_token"'


def test_a_revoked_token_is_refused_alone(client: Client, services: Services) -> None:
    first, second = (client.ask_token(scope="devices.read push.application.*").json["access_token"] for _ in range(2))
    token = read_access_token(services.engine, first)
    done = revoke_access_token(services.engine, Context(system("test")), token.app_id, token.token_id)
    assert services.waiter.wait_for(done.position, ["users"], 30)

    for text, status in ((first, 401), (second, 200)):
        assert client.get("/devices", scope=None, Authorization=f"Bearer {text}").status_code == status


def test_a_revoked_clients_tokens_are_refused(app: Flask, services: Services) -> None:
    other = provisioned(app, services, "Revoked")
    assert other.get("/devices").status_code == 200
    with services.readers.connection() as connection:
        found = apps.credential_by_public_id(connection, "mobilefirst", other.client_id)
    assert found is not None
    done = revoke_credential(services.engine, Context(system("test")), found.app_id, found.credential_id)
    assert services.waiter.wait_for(done.position, ["apps"], 30)

    answer = other.get("/devices")
    assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, 'Bearer error="invalid_token"')
    assert other.ask_token().status_code == 401


@pytest.mark.parametrize(
    ("method", "path", "scope"),
    [
        ("GET", "/devices", "devices.read"),
        ("GET", "/devices/x", "devices.read"),
        ("POST", "/devices", "devices.write"),
        ("PUT", "/devices/x", "devices.write"),
        ("DELETE", "/devices/x", "devices.write"),
        ("GET", "/subscriptions", "subscriptions.read"),
        ("GET", "/subscriptions/x", "subscriptions.read"),
        ("POST", "/subscriptions", "subscriptions.write"),
        ("POST", "/subscriptions?action=delete", "subscriptions.write"),
        ("DELETE", "/subscriptions?deviceId=x&tagName=y", "subscriptions.write"),
        ("DELETE", "/subscriptions/x", "subscriptions.write"),
        ("GET", "/tags", "tags.read"),
        ("GET", "/tags/x", "tags.read"),
        ("POST", "/tags", "tags.write"),
        ("PUT", "/tags/x", "tags.write"),
        ("DELETE", "/tags/x", "tags.write"),
        ("GET", "", "apps.read"),
        ("GET", "/status", "apps.read"),
        ("PUT", "/status", "apps.write"),
        ("DELETE", "", "apps.write"),
    ],
)
def test_each_call_needs_its_scope_and_the_applications(client: Client, method: str, path: str, scope: str) -> None:
    wanted = f"{scope} push.application.{client.application}"
    for lacking in (f"push.application.{client.application}", scope, f"{scope}x push.application.*"):
        answer = client.call(method, path, {}, scope=lacking)
        assert answer.status_code == 403, lacking
        assert answer.headers["WWW-Authenticate"] == f'Bearer error="insufficient_scope", scope="{wanted}"'


@pytest.mark.parametrize("scope", ["devices.read", "devices.write", "devices.*", "*.read", "*"])
def test_a_scope_may_be_a_pattern(client: Client, scope: str) -> None:
    assert client.get("/devices", scope=f"{scope} push.application.*").status_code == 200


def test_an_app_is_not_there_for_the_client_of_another(app: Flask, services: Services, client: Client) -> None:
    other = provisioned(app, services, "Other")

    for path in (f"/imfpush/v1/apps/{other.application}/devices", "/imfpush/v1/apps/nowhere/devices"):
        answer = client.get(path)
        assert (answer.status_code, answer.json["code"]) == (404, "FPWSE0001E")


def test_the_app_that_stands_for_the_instance_is_no_application(
    of_instance: Client, appends_nothing: Callable[[], AbstractContextManager[None]]
) -> None:
    of_instance.token()
    with appends_nothing():
        for method, path in (("GET", ""), ("DELETE", ""), ("PUT", "/status"), ("POST", "/devices")):
            answer = of_instance.call(method, f"/imfpush/v1/apps/{INSTANCE}{path}", DEVICE)
            assert (answer.status_code, answer.json["code"]) == (404, "FPWSE0001E")


def test_an_apps_own_id_stands_for_no_other_app(app: Flask, services: Services, client: Client) -> None:
    other = provisioned(app, services, "Squatted")
    own = UUID(other.application)
    with services.readers.connection() as connection:
        (anchor,) = apps.credentials_in_force(connection, own, "mobilefirst", "app-secret")
    revoke_credential(services.engine, Context(system("test")), own, anchor.credential_id)
    done = issue_credential(
        services.engine,
        Context(system("test")),
        UUID(client.application),
        kind="app-secret",
        dialect="mobilefirst",
        name="squatter",
        public_id=other.application,
    )
    assert services.waiter.wait_for(done.position, ["apps"], 30)

    other.register("still-mine")
    assert client.get(f"/imfpush/v1/apps/{other.application}/devices/still-mine").status_code == 404
    assert other.get("/devices/still-mine").status_code == 200


def test_a_phone_shows_the_secret_of_its_app(client: Client) -> None:
    secret = {"clientSecret": client.device_secret}

    assert client.post("/devices", DEVICE, scope=None, **secret).status_code == 201
    assert client.get("/devices/of-access", scope=None, **secret).status_code == 200
    refused = client.get("/devices", scope=None, **secret)
    assert refused.status_code == 403
    assert "insufficient_scope" in refused.headers["WWW-Authenticate"]
    wrong = client.get("/devices/of-access", scope=None, clientSecret=client.app_secret)
    assert (wrong.status_code, wrong.headers["WWW-Authenticate"]) == (401, 'Bearer error="invalid_token"')


def test_a_phones_own_token_opens_what_its_secret_does(client: Client) -> None:
    client.register("of-phone")

    assert client.get("/devices/of-phone", scope="push.mobileclient").status_code == 200
    assert client.get("/devices", scope="push.mobileclient").status_code == 403


def test_a_server_shows_the_secret_of_its_app(client: Client) -> None:
    secret = {"appSecret": client.app_secret}

    assert client.get("/devices", scope=None, **secret).status_code == 200
    assert client.get("/status", scope=None, **secret).status_code == 200
    assert client.put("/status", {"enabled": False}, scope=None, **secret).status_code == 403
    assert client.get("/devices", scope=None, appSecret=client.device_secret).status_code == 401


def test_an_old_app_asks_a_phone_for_its_secret_only_where_it_names_a_user(app: Flask, services: Services) -> None:
    old = provisioned(app, services, "Old")
    settings = {"mobilefirst": {"verifyClientSecret": False}}
    done = change_app(services.engine, Context(system("test")), UUID(old.application), UpdateApp(settings=settings))
    assert services.waiter.wait_for(done.position, ["apps"], 30)

    assert old.post("/devices", DEVICE, scope=None).status_code == 201
    assert old.put("/devices/of-access", {"userId": "admin"}, scope=None).status_code == 401
    assert old.post("/devices", {**DEVICE, "userId": "admin"}, scope=None).status_code == 401
    named = old.post("/devices", {**DEVICE, "userId": "admin"}, scope=None, clientSecret=old.device_secret)
    assert (named.status_code, named.json["userId"]) == (201, "admin")
    assert old.get("/devices", scope=None).status_code == 401


def test_an_api_key_is_changed_for_a_token_as_in_the_cloud(client: Client) -> None:
    key = f"{client.client_id}:{client.client_secret}"
    answer = client.app.test_client().post(
        "/identity/token", data={"grant_type": "urn:ibm:params:oauth:grant-type:apikey", "apikey": key}
    )

    assert answer.status_code == 200
    assert set(answer.json) >= {"access_token", "expiration", "token_type", "expires_in", "refresh_token"}
    bearer = f"Bearer {answer.json['access_token']}"
    assert client.get("/devices", scope=None, Authorization=bearer).status_code == 200


def test_a_secret_is_in_no_refusal(client: Client) -> None:
    answer = client.ask_token(secret="a-secret-nobody-should-see")

    assert "nobody-should-see" not in answer.text
