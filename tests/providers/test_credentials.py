"""How a provider's configuration is checked, and that its secret stays one."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tocsin.domain.credentials import (
    ApnsConfiguration,
    FcmConfiguration,
    WnsConfiguration,
    apns_certificate,
    check_provider,
)
from tocsin.domain.errors import Invalid
from tocsin.sandbox.certificates import make_apns_client, make_authority, new_ec_key, new_rsa_key, private_pem
from tocsin.workers.providers.credentials import parse_credential

APNS = {"topic": "com.example.app", "key_id": "ABC1234567", "team_id": "TEAM123456"}
WNS = {"client_id": "ms-app://s-1"}
P8 = private_pem(new_ec_key())
CLIENT = make_apns_client(make_authority(), "com.example.app")


def account(**changes: Any) -> bytes:
    whole = {
        "type": "service_account",
        "project_id": "demo",
        "private_key": private_pem(new_rsa_key()).decode(),
        "client_email": "a@demo.iam.gserviceaccount.com",
        "token_uri": "https://oauth2.googleapis.com/token",
    }
    return json.dumps({**whole, **changes}).encode()


def test_a_signing_key_is_taken_and_goes_to_apples_environment() -> None:
    configuration, kept = check_provider("apns", APNS, P8)
    assert isinstance(configuration, ApnsConfiguration)
    assert (configuration.authentication, configuration.url) == ("token", "https://api.push.apple.com")
    development, _ = check_provider("apns", {**APNS, "environment": "development"}, kept)
    assert isinstance(development, ApnsConfiguration)
    assert development.url == "https://api.sandbox.push.apple.com"


def test_a_p12_is_opened_once_and_kept_without_its_password() -> None:
    configuration, kept = check_provider("apns", {"topic": "a.b"}, CLIENT.pkcs12("sesame"), password="sesame")
    assert isinstance(configuration, ApnsConfiguration)
    assert configuration.authentication == "certificate"
    again, same = check_provider("apns", {"topic": "a.b"}, kept)
    assert (again, same) == (configuration, kept)
    certificate, key = apns_certificate(kept)
    assert certificate == CLIENT.certificate_pem()
    assert key == CLIENT.key_pem()


def test_a_certificate_names_its_app_unless_it_is_told_another() -> None:
    for given, topic in (({}, "com.example.app"), ({"topic": "a.b"}, "a.b")):
        configuration, kept = check_provider("apns", given, CLIENT.pkcs12("sesame"), password="sesame")
        assert isinstance(configuration, ApnsConfiguration)
        assert configuration.topic == topic
        assert check_provider("apns", {"topic": configuration.topic}, kept)[0] == configuration


def test_an_expired_certificate_is_refused_with_its_date() -> None:
    late = datetime.now(UTC) + timedelta(days=365 * 30)
    with pytest.raises(Invalid, match="expired on 20"):
        check_provider("apns", {"topic": "a.b"}, CLIENT.pkcs12("x"), password="x", now=late)
    check_provider("apns", {"topic": "a.b"}, CLIENT.pkcs12("x"), password="x", now=datetime.now(UTC))


def test_google_and_microsoft_configurations_have_defaults() -> None:
    fcm, _ = check_provider("fcm", {}, account())
    assert isinstance(fcm, FcmConfiguration)
    assert fcm.base_url == "https://fcm.googleapis.com"
    wns, kept = check_provider("wns", WNS, b" secret\n")
    assert isinstance(wns, WnsConfiguration)
    assert (wns.token_url, wns.scope, kept) == (
        "https://login.live.com/accesstoken.srf",
        "notify.windows.com",
        b"secret",
    )


OTHER_CURVE = ec.generate_private_key(ec.SECP384R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


@pytest.mark.parametrize(
    ("provider", "configuration", "secret", "field"),
    [
        ("smoke", {}, b"", "provider"),
        ("apns", {}, P8, "configuration.topic"),
        ("apns", {**APNS, "topic": "with space"}, P8, "configuration.topic"),
        ("apns", {**APNS, "topic": 5}, P8, "configuration.topic"),
        ("apns", {**APNS, "environment": "test"}, P8, "configuration.environment"),
        ("apns", {**APNS, "key_id": "short"}, P8, "configuration.key_id"),
        ("apns", {**APNS, "team_id": None}, P8, "configuration.team_id"),
        ("apns", {**APNS, "base_url": "http://plain"}, P8, "configuration.base_url"),
        ("apns", {**APNS, "base_url": "https://u:p@x"}, P8, "configuration.base_url"),
        ("apns", {**APNS, "base_url": "https://"}, P8, "configuration.base_url"),
        ("apns", {**APNS, "authentication": "certificate"}, P8, "configuration.authentication"),
        ("apns", {**APNS, "password": "x"}, P8, "configuration"),
        ("apns", APNS, OTHER_CURVE, "secret"),
        ("apns", APNS, b"-----BEGIN PRIVATE KEY-----\nsesame\n-----END PRIVATE KEY-----", "secret"),
        ("apns", APNS, b"sesame", "secret"),
        ("apns", APNS, CLIENT.pkcs12("right"), "secret"),
        ("apns", APNS, CLIENT.certificate_pem(), "secret"),
        ("apns", APNS, CLIENT.certificate_pem() + P8, "secret"),
        ("fcm", {}, b"sesame", "secret"),
        ("fcm", {}, b"[]", "secret"),
        ("fcm", {}, account(type="authorized_user"), "secret"),
        ("fcm", {}, account(private_key="sesame"), "secret"),
        ("fcm", {}, account(private_key=P8.decode()), "secret"),
        ("fcm", {}, account(client_email=""), "secret"),
        ("fcm", {}, account(token_uri="http://plain/token"), "secret"),
        ("fcm", {"project_id": "No Such"}, account(), "configuration.project_id"),
        ("fcm", {"base_url": "ftp://x"}, account(), "configuration.base_url"),
        ("wns", {}, b"sesame", "configuration"),
        ("wns", {"client_id": " "}, b"sesame", "configuration.client_id"),
        ("wns", {**WNS, "token_url": "nowhere"}, b"sesame", "configuration.token_url"),
        ("wns", {**WNS, "allowed_hosts": ["https://x/"]}, b"sesame", "configuration.allowed_hosts"),
        ("wns", WNS, b"  ", "secret"),
        ("wns", WNS, b"\xff\xfe", "secret"),
    ],
)
def test_a_fault_is_named_by_its_field_and_never_by_the_secret(
    provider: str, configuration: dict[str, Any], secret: bytes, field: str
) -> None:
    with pytest.raises(Invalid) as caught:
        check_provider(provider, configuration, secret)
    assert caught.value.facts["field"] == field
    assert "sesame" not in caught.value.message
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


@pytest.mark.parametrize(
    ("provider", "configuration", "secret"),
    [
        ("apns", APNS, P8),
        ("apns", {"topic": "a.b"}, CLIENT.certificate_pem() + CLIENT.key_pem()),
        ("fcm", {}, account()),
        ("wns", WNS, b"sesame"),
    ],
)
def test_a_credential_does_not_show_its_secret_when_printed(
    provider: str, configuration: dict[str, Any], secret: bytes
) -> None:
    shown = repr(parse_credential(provider, configuration, secret))
    assert "PRIVATE KEY" not in shown
    assert "sesame" not in shown
    assert "CERTIFICATE" not in shown
