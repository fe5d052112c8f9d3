"""Who may write: what is signed, what is refused and why."""

from __future__ import annotations

import subprocess
from dataclasses import replace as with_changes
from uuid import UUID

import pytest
from flask import Flask
from patience import PATIENCE
from werkzeug.test import TestResponse

from dialects.moxie.client import DATE, HOST, NONCE, Client, sign
from tocsin.api.app import create_app
from tocsin.api.dialects.moxie.signatures import signature
from tocsin.api.services import Services
from tocsin.commands.context import Context
from tocsin.commands.credentials import issue_credential, revoke_credential
from tocsin.domain.entry import system

CHALLENGE = 'HMACDigest realm="HMACDigest Moxie", reason="{}", algorithm="HMAC-SHA-1", '


@pytest.mark.parametrize(
    ("secret", "method", "url", "date", "nonce", "digest"),
    [
        (
            "mysupersecretkey",
            "GET",
            "http://localhost/test",
            "Wednesday",
            "foobarbaz",
            "668db85d1dff6718d778454fc8c1d368a906f675",
        ),
        (
            "mysharedsecret",
            "POST",
            "http://api.m.ox.ac.uk/notifications",
            "Fri, 10 Jan 2014 11:49:55 GMT",
            "12642",
            "c1aed9b34a0c949763c17b049d47ef83ee09fc63",
        ),
        (
            "mysharedsecret",
            "post",
            "http://localhost:5000/notifications/",
            "Fri, 10 Jan 2014 11:49:55 GMT",
            "12642",
            "088b5291497eec5c4c24678ed45025353d8720b2",
        ),
        (
            "mysupersecretkey",
            "POST",
            "http://localhost:5000/notifications/alert",
            "Wed, 15 Nov 2013 06:25:24 GMT",
            "29582",
            "8b4bc3a8f5768328d9fd1bfbf1af0cded732af2f",
        ),
    ],
)
def test_the_published_examples_are_signed_as_published(
    secret: str, method: str, url: str, date: str, nonce: str, digest: str
) -> None:
    assert signature(secret.encode(), method, url.encode(), date, nonce) == digest


def test_a_request_signed_by_openssl_is_let_in(client: Client) -> None:
    message = f"POST\nhttp://{HOST}/notifications/\ndate:{DATE}\nx-hmac-nonce:{NONCE}"
    command = ["openssl", "dgst", "-sha1", "-hmac", client.secret, "-r"]
    digest = subprocess.run(command, input=message.encode(), capture_output=True, check=True).stdout.split()[0].decode()

    assert client.post("/notifications/", {"message": "m"}, Authorization=digest).status_code == 201


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ("X_Moxie_Key", "HTTP_X_MOXIE_KEY"),
        ("Date", "HTTP_DATE"),
        ("X_HMAC_Nonce", "HTTP_X_HMAC_NONCE"),
        ("Authorization", "HTTP_AUTHORIZATION"),
    ],
)
def test_a_missing_header_is_named(client: Client, header: str, name: str) -> None:
    # The client names headers with dashes for underscores; a None leaves one out.
    answer = client.call("POST", "/notifications", {"message": "m"}, **{header: None})  # type: ignore[arg-type]

    assert (answer.status_code, answer.json) == (401, {"description": "Unauthorized"})
    assert answer.headers["WWW-Authenticate"] == CHALLENGE.format(f"missing header: {name}")


def test_an_unknown_key_is_refused(client: Client) -> None:
    refused(client.post("/notifications", {"message": "m"}, X_Moxie_Key="another"), "unknown key")


@pytest.mark.parametrize("key", ["", "\0", "ÿ", "k" * 8000])
def test_a_key_that_cannot_be_one_is_unknown(client: Client, key: str) -> None:
    refused(client.post("/notifications", {"message": "m"}, X_Moxie_Key=key), "unknown key")


def test_a_wrong_signature_is_refused(client: Client) -> None:
    forged = with_changes(client, secret="another")

    refused(forged.post("/notifications", {"message": "m"}), "unauthorized")


def test_a_signature_in_upper_case_is_refused(client: Client) -> None:
    digest = sign(client.secret, "POST", f"http://{HOST}/notifications").upper()

    refused(client.post("/notifications", {"message": "m"}, Authorization=digest), "unauthorized")


@pytest.mark.parametrize("given", ["", "HMAC x", "é", "a" * 40, "\x01"])
def test_what_is_no_signature_is_refused(client: Client, given: str) -> None:
    refused(client.post("/notifications", {"message": "m"}, Authorization=given), "unauthorized")


def test_the_signature_of_another_method_or_address_is_refused(client: Client) -> None:
    for method, path in (("DELETE", "/notifications"), ("POST", "/notifications/push"), ("POST", "/notifications/")):
        digest = sign(client.secret, method, f"http://{HOST}{path}")
        refused(client.post("/notifications", {"message": "m"}, Authorization=digest), "unauthorized")


@pytest.mark.parametrize("date", ["Wednesday", "Sat 21 Nov 08:00:00 UTC 2026", "Fri, 10 Jan 2014 11:49:55 GMT", ""])
def test_the_date_is_signed_and_not_read(client: Client, date: str) -> None:
    digest = sign(client.secret, "POST", f"http://{HOST}/notifications", date=date)

    answer = client.post("/notifications", {"message": "m"}, Date=date, Authorization=digest)

    assert answer.status_code == 201
    refused(client.post("/notifications", {"message": "m"}, Date=date + "x", Authorization=digest), "unauthorized")


def test_the_same_signature_is_good_again_and_for_another_body(client: Client) -> None:
    first = client.create(message="first")

    assert client.create(message="second") != first


@pytest.mark.parametrize(
    ("sent", "signed"),
    [
        ("/notifications?a=b%20c", "/notifications?a=b%20c"),
        ("/notifications?a=b%20c", "/notifications?a=b c"),
        ("/notifications?a=%41", "/notifications?a=A"),
        ("/notifications?a=%26", "/notifications?a=%26"),
        ("/notifications?a=%C3%A9", "/notifications?a=é"),
        ("/%6Eotifications", "/%6Eotifications"),
        ("/%6Eotifications", "/notifications"),
        ("/notifications?", "/notifications?"),
        ("/notifications?", "/notifications"),
    ],
)
def test_an_address_is_signed_as_sent_or_decoded(client: Client, sent: str, signed: str) -> None:
    digest = sign(client.secret, "POST", f"http://{HOST}{signed}")

    answer = raw(client, "POST", sent, {"Host": HOST}, digest)

    assert answer.status_code == 201, answer.headers


@pytest.mark.parametrize("host", ["api.m.ox.ac.uk:80", "API.m.ox.ac.uk", "localhost:5000", "[::1]:8080"])
def test_the_host_is_signed_as_sent(client: Client, host: str) -> None:
    digest = sign(client.secret, "POST", f"http://{host}/notifications")

    assert raw(client, "POST", "/notifications", {"Host": host}, digest).status_code == 201
    other = sign(client.secret, "POST", "http://elsewhere.example/notifications")
    refused(raw(client, "POST", "/notifications", {"Host": host}, other), "unauthorized")


def test_an_address_may_be_signed_with_the_scheme_before_a_proxy(client: Client) -> None:
    digest = sign(client.secret, "POST", f"https://{HOST}/notifications")

    assert client.post("/notifications", {"message": "m"}, Authorization=digest).status_code == 201


def test_an_address_may_be_signed_as_the_public_one(services: Services, client: Client) -> None:
    public = with_changes(client, app=create_app(with_changes(services, public_url="https://push.ox.ac.uk/tocsin/")))
    digest = sign(client.secret, "POST", "https://push.ox.ac.uk/tocsin/notifications")

    assert public.post("/notifications", {"message": "m"}, Authorization=digest).status_code == 201
    refused(client.post("/notifications", {"message": "m"}, Authorization=digest), "unauthorized")


def test_a_revoked_key_is_unknown(app: Flask, services: Services, app_id: UUID) -> None:
    context, engine = Context(system("test")), services.engine
    issued = issue_credential(engine, context, app_id, kind="hmac", dialect="moxie", name="old", public_id="old").result
    done = revoke_credential(engine, Context(system("test")), app_id, issued.credential.credential_id)
    assert services.waiter.wait_for(done.position, ["apps"], PATIENCE)

    refused(Client(app, "old", issued.secret).post("/notifications", {"message": "m"}), "unknown key")


def test_no_error_repeats_what_was_presented(client: Client) -> None:
    answer = client.post("/notifications", {"message": "m"}, X_Moxie_Key="presented-key", Authorization="presented")

    assert "presented" not in answer.text + str(answer.headers)


def raw(client: Client, method: str, target: str, headers: dict[str, str], digest: str) -> TestResponse:
    """A request whose target and host stand on the line as they are given."""
    path, _, query = target.partition("?")
    signed = {"X-Moxie-Key": client.key, "X-HMAC-Nonce": NONCE, "Date": DATE, "Authorization": digest, **headers}
    return client.app.test_client().open(
        path.replace("%6E", "n"),
        query_string=query,
        method=method,
        headers=signed,
        data=b'{"message": "m"}',
        environ_overrides={"RAW_URI": target},
    )


def refused(answer: TestResponse, reason: str) -> None:
    assert (answer.status_code, answer.json) == (401, {"description": "Unauthorized"})
    assert answer.headers["WWW-Authenticate"] == CHALLENGE.format(reason)
