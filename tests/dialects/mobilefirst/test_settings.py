"""Settings: how an application reaches Google, Apple and Microsoft, and that its secrets stay secret."""

from __future__ import annotations

import io
import json
from typing import Any
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.serialization import pkcs12
from flask import Flask

from dialects.mobilefirst.client import HOST, Client
from dialects.mobilefirst.conftest import provisioned
from tocsin.api.services import Services
from tocsin.commands.apps import load_app
from tocsin.sandbox.certificates import make_apns_client, make_authority, new_rsa_key, private_pem

CERTIFICATE = make_apns_client(make_authority(), "com.example.bank")
GOOGLE = "https://oauth2.googleapis.com/token"
KINDS = ("gcmConf", "wnsConf", "smsConf", "apnsConf")
SMS = {
    "host": "2by2.example.com",
    "name": "dummy",
    "port": "80",
    "programName": "gateway/add.php",
    "parameters": [{"name": "xmlHttp", "value": "a-parameter-that-may-be-secret", "encode": "true"}],
}


@pytest.fixture
def fresh(app: Flask, services: Services) -> Client:
    """An application that has no settings."""
    return provisioned(app, services, "Settings")


def account(token_uri: str = GOOGLE) -> dict[str, str]:
    return {
        "type": "service_account",
        "project_id": "demo",
        "private_key": private_pem(new_rsa_key()).decode(),
        "client_email": "a@demo.iam.gserviceaccount.com",
        "token_uri": token_uri,
    }


def upload(client: Client, file: bytes | None, **fields: str) -> Any:
    """A certificate, as a form sends it."""
    data: dict[str, Any] = {**fields, **({} if file is None else {"certificate": (io.BytesIO(file), "apns.p12")})}
    return client.app.test_client().put(
        f"/imfpush/v1/apps/{client.application}/settings/apnsConf",
        base_url=f"https://{HOST}",
        data=data,
        content_type="multipart/form-data",
        headers={"Authorization": f"Bearer {client.token()}"},
    )


def test_the_settings_say_where_each_providers_are(client: Client) -> None:
    root = f"https://example.com:443/imfpush/v1/apps/{client.application}/settings"

    assert client.get("/settings").json == {
        "applicationId": client.application,
        "apnsConf": f"{root}/apnsConf",
        "gcmConf": f"{root}/gcmConf",
        "wnsConf": f"{root}/wnsConf",
        "mode": "PRODUCTION",
    }


@pytest.mark.parametrize("name", KINDS)
def test_what_is_not_configured_is_missing(client: Client, name: str) -> None:
    for answer in (client.get(f"/settings/{name}"), client.delete(f"/settings/{name}")):
        assert (answer.status_code, answer.json["code"]) == (404, "FPWSE0003E")
    assert client.get("/settings/gcmConfPublic").json["code"] == "FPWSE0003E"
    assert client.get("/settings/apnsCert").json["code"] == "FPWSE0003E"


def test_google_is_reached_by_the_service_account(fresh: Client, services: Services) -> None:
    given = {"apiKey": "an-old-key", "senderId": "123456", "serviceAccount": account()}
    answer = fresh.put("/settings/gcmConf", given)

    assert (answer.status_code, answer.json) == (200, {"apiKey": "********", "senderId": "123456"})
    assert fresh.get("/settings/gcmConf").json == {"apiKey": "********", "senderId": "123456"}
    phone = {"scope": None, "clientSecret": fresh.device_secret}
    assert fresh.get("/settings/gcmConfPublic", **phone).json == {"senderId": "123456"}
    assert fresh.get("/settings/chromeAppExtConfPublic", **phone).json == {"senderId": "123456"}
    assert fresh.get("/settings/gcmConf", **phone).status_code == 403
    state = load_app(services.engine, UUID(fresh.application)).state
    assert state is not None
    assert ("fcm", "default") in state.providers
    assert "an-old-key" not in json.dumps(state.settings)
    assert fresh.delete("/settings/gcmConf").status_code == 204
    assert fresh.get("/settings/gcmConf").status_code == 404


def test_a_service_account_may_come_as_a_string(fresh: Client) -> None:
    given = {"senderId": 123456, "serviceAccount": json.dumps(account())}

    assert fresh.put("/settings/gcmConf", given).json == {"apiKey": "", "senderId": "123456"}


def test_an_old_key_alone_is_taken(fresh: Client, services: Services) -> None:
    assert fresh.put("/settings/gcmConf", {"apiKey": "an-old-key", "senderId": "1"}).status_code == 200
    state = load_app(services.engine, UUID(fresh.application)).state
    assert state is not None
    assert state.providers == {}
    assert fresh.delete("/settings/gcmConf").status_code == 204


@pytest.mark.parametrize(
    ("body", "name"),
    [
        ({}, "senderId"),
        ({"apiKey": "x"}, "senderId"),
        ({"senderId": "1"}, "apiKey"),
        ({"senderId": "1", "serviceAccount": {}}, "serviceAccount"),
        ({"senderId": "1", "serviceAccount": "no json"}, "gcmConf.serviceAccount"),
        ({"senderId": "1", "serviceAccount": account("https://elsewhere.example/token")}, "serviceAccount"),
    ],
)
def test_settings_for_google_that_cannot_be_are_refused(client: Client, body: Any, name: str) -> None:
    answer = client.put("/settings/gcmConf", body)

    assert (answer.status_code, answer.json["code"]) == (400, "FPWSE0005E")
    assert f"'{name}'" in answer.json["message"]
    assert "PRIVATE KEY" not in answer.text


def test_windows_is_reached_by_sid_and_secret(fresh: Client) -> None:
    answer = fresh.put("/settings/wnsConf", {"packageSID": "ms-app://s-1", "clientSecret": "a-windows-secret"})

    assert (answer.status_code, answer.json) == (200, {"packageSID": "ms-app://s-1", "clientSecret": "********"})
    assert fresh.get("/settings/wnsConf").json == answer.json
    assert fresh.put("/settings/wnsConf", {"packageSID": "ms-app://s-1"}).status_code == 400
    assert fresh.delete("/settings/wnsConf").status_code == 204


def test_a_gateway_of_text_messages_is_kept_without_what_may_be_secret(fresh: Client, services: Services) -> None:
    answer = fresh.put("/settings/smsConf", SMS)

    hidden = [{"name": "xmlHttp", "value": "********", "encode": "true"}]
    assert (answer.status_code, answer.json) == (200, {**SMS, "parameters": hidden})
    assert fresh.get("/settings/smsConf").json == answer.json
    state = load_app(services.engine, UUID(fresh.application)).state
    assert state is not None
    assert "a-parameter-that-may-be-secret" not in json.dumps(state.settings)
    assert fresh.put("/settings/smsConf", {**SMS, "port": "x"}).status_code == 400
    assert fresh.put("/settings/smsConf", {**SMS, "host": None}).status_code == 400
    assert fresh.delete("/settings/smsConf").status_code == 204


def test_apple_is_reached_by_a_certificate(fresh: Client, services: Services) -> None:
    answer = upload(fresh, CERTIFICATE.pkcs12("sesame"), password="sesame", isSandBox="true")

    assert answer.status_code == 200, answer.text
    assert answer.json["certificate"] == "apns-certificate.p12"
    assert answer.json["isSandBox"] == "true"
    assert answer.json["validUntil"].endswith(".000Z")
    assert fresh.get("/settings/apnsConf").json == answer.json
    assert fresh.get("/settings").json["mode"] == "SANDBOX"
    state = load_app(services.engine, UUID(fresh.application)).state
    assert state is not None
    configuration = state.providers["apns", "default"].configuration
    assert (configuration["topic"], configuration["environment"]) == ("com.example.bank", "development")
    certificate = fresh.get("/settings/apnsCert", Accept="application/octet-stream")
    assert certificate.content_type == "application/octet-stream"
    key, _, others = pkcs12.load_key_and_certificates(certificate.data, None)
    assert key is None
    assert others
    assert fresh.delete("/settings/apnsConf").status_code == 204
    assert fresh.get("/settings/apnsConf").status_code == 404


@pytest.mark.parametrize(
    ("file", "fields"),
    [
        (None, {"password": "sesame"}),
        (b"", {}),
        (b"no certificate", {}),
        (CERTIFICATE.pkcs12("sesame"), {"password": "wrong-password"}),
        (CERTIFICATE.pkcs12("sesame"), {}),
        (CERTIFICATE.pkcs12("sesame"), {"password": "sesame", "isSandBox": "perhaps"}),
        (CERTIFICATE.pkcs12("sesame"), {"password": "sesame", "topic": "not a bundle"}),
    ],
)
def test_a_certificate_that_cannot_be_is_refused(client: Client, file: bytes | None, fields: Any) -> None:
    answer = upload(client, file, **fields)

    assert (answer.status_code, answer.json["code"]) == (400, "FPWSE0005E")
    assert "wrong-password" not in answer.text


def test_a_certificate_comes_as_a_form(client: Client) -> None:
    assert client.put("/settings/apnsConf", {"certificate": "x"}).status_code == 405


@pytest.mark.parametrize("name", KINDS)
def test_each_setting_needs_its_own_scope(client: Client, name: str) -> None:
    for method, scope in (("GET", f"{name}.read"), ("PUT", f"{name}.write"), ("DELETE", f"{name}.write")):
        refused = client.call(method, f"/settings/{name}", {}, scope="settings.read push.application.*")
        wanted = f"{scope} push.application.{client.application}"
        assert refused.status_code == 403
        assert refused.headers["WWW-Authenticate"] == f'Bearer error="insufficient_scope", scope="{wanted}"'
        allowed = client.call(method, f"/settings/{name}", {}, scope=f"{scope} push.application.*")
        assert allowed.status_code in (400, 404, 405)


@pytest.mark.parametrize("path", ["/settings", "/settings/gcmConf", "/settings/apnsCert"])
def test_settings_are_json_but_for_the_certificate(client: Client, path: str) -> None:
    assert client.get(path, Accept="text/html").status_code == 406
