"""What holds for every answer: its form, headers for browsers, addresses with and without a slash."""

from __future__ import annotations

from string import Formatter

import pytest
from flask import Flask

from dialects.mobilefirst.client import Client
from dialects.mobilefirst.conftest import provisioned
from tocsin.api.dialects.mobilefirst.errors import STATUSES
from tocsin.api.dialects.mobilefirst.languages import ENGLISH, LANGUAGES
from tocsin.api.services import Services

HEADERS = {"Authorization", "Content-Type", "appSecret", "clientSecret", "X-REWRITE-DOMAIN", "Accept-Language"}
READS = ("", "/status", "/devices", "/tags", "/subscriptions", "/messages", "/settings")


@pytest.mark.parametrize("path", READS)
@pytest.mark.parametrize("accepted", ["application/json", "*/*", "text/html, */*;q=0.1", None])
def test_json_is_answered_to_whoever_reads_it(client: Client, path: str, accepted: str | None) -> None:
    answer = client.get(path, **({} if accepted is None else {"Accept": accepted}))

    assert (answer.status_code, answer.content_type) == (200, "application/json")


@pytest.mark.parametrize("path", READS)
def test_a_slash_at_the_end_changes_nothing_and_sends_nobody_elsewhere(client: Client, path: str) -> None:
    assert client.get(path).json == client.get(path + "/").json
    assert client.put(path + "/x/", {}).status_code in (400, 404, 405)


@pytest.mark.parametrize(
    "path", ["/imfpush", "/imfpush/v1", "/imfpush/v1/apps/x/y", "/imfpush/v2/apps", "/mfp", "/mfp/api/az/v1/other"]
)
def test_what_is_nowhere_in_the_service_is_not_found_in_its_form(client: Client, path: str) -> None:
    answer = client.app.test_client().get(path)

    assert (answer.status_code, answer.json["code"]) == (404, "FPWSE0001E")
    assert set(answer.json) == {"code", "message"}


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PATCH", "/devices", {"GET", "HEAD", "POST", "OPTIONS"}),
        ("POST", "/devices/x", {"GET", "HEAD", "PUT", "DELETE", "OPTIONS"}),
        ("PUT", "/messages", {"GET", "HEAD", "POST", "OPTIONS"}),
        ("POST", "/settings/gcmConf", {"GET", "HEAD", "PUT", "DELETE", "OPTIONS"}),
    ],
)
def test_a_wrong_method_is_told_the_right_ones(client: Client, method: str, path: str, allowed: set[str]) -> None:
    answer = client.call(method, path)

    assert (answer.status_code, set(answer.headers["Allow"].split(", "))) == (405, allowed)
    assert set(answer.json) == {"code", "message"}


def test_every_answer_can_be_read_by_a_page_of_any_origin(client: Client) -> None:
    for answer in (
        client.get("/devices"),
        client.get("/devices", scope=None),
        client.post("/devices", b"{"),
        client.get("/nothing/of/ours"),
        client.call("PATCH", "/devices"),
        client.ask_token(secret="wrong"),
    ):
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        assert "WWW-Authenticate" in answer.headers["Access-Control-Expose-Headers"]


def test_a_browser_may_ask_first(client: Client) -> None:
    asked = {"Origin": "https://app.example", "Access-Control-Request-Method": "PUT"}
    answer = client.call("OPTIONS", "/devices/x", scope=None, **asked)

    assert answer.status_code == 200
    assert set(answer.headers["Access-Control-Allow-Headers"].split(", ")) >= HEADERS
    assert {"GET", "PUT", "DELETE"} <= set(answer.headers["Access-Control-Allow-Methods"].split(", "))


@pytest.mark.parametrize(
    ("wanted", "language", "beginning"),
    [
        (None, "en-US", "Not Found - Targeted resource 'devices' does not exist."),
        ("en-US", "en-US", "Not Found"),
        ("xx, *;q=0.1", "en-US", "Not Found"),
        ("de-CH, en;q=0.5", "de", "Nicht gefunden - Die Ressource 'devices'"),
        ("es", "es", "No encontrado"),
        ("fr-FR", "fr", "Introuvable"),
    ],
)
def test_errors_are_told_in_the_callers_language(
    client: Client, wanted: str | None, language: str, beginning: str
) -> None:
    answer = client.get("/devices/nobody", **({} if wanted is None else {"Accept_Language": wanted}))

    assert (answer.status_code, answer.headers["Content-Language"]) == (404, language)
    assert answer.json["message"].startswith(beginning)
    assert "'deviceId'" in answer.json["message"]
    assert answer.json["code"] == "FPWSE0001E"


def test_every_language_says_everything() -> None:
    for language, texts in LANGUAGES.items():
        assert texts.keys() == ENGLISH.keys() >= STATUSES.keys(), language
        for code, text in texts.items():
            assert named_in(text) == named_in(ENGLISH[code]), (language, code)


def named_in(text: str) -> set[str | None]:
    return {name for _, name, _, _ in Formatter().parse(text) if name is not None}


def test_an_application_of_any_name_can_be_refused(client: Client) -> None:
    for name in ("a%0d%0ab", "%22", "%C3%A9", "%E2%82%AC", "%5c"):
        for scope in ("devices.read", None):
            answer = client.get(f"/imfpush/v1/apps/{name}/devices", scope=scope)
            assert answer.status_code == (403 if scope else 401), answer.text


def test_an_address_that_cannot_be_stored_is_refused(client: Client) -> None:
    for path in ("/devices/%00", "/devices?userId=%00", "/tags?filter=name==%00"):
        answer = client.get(path)
        assert (answer.status_code, answer.json["code"]) == (400, "FPWSE0005E")


def test_a_body_that_is_too_large_is_refused_in_its_form(client: Client) -> None:
    answer = client.post("/messages", b'"' + b"x" * (1024 * 1024) + b'"')

    assert (answer.status_code, set(answer.json)) == (413, {"code", "message"})


def test_head_is_get_without_the_body(client: Client) -> None:
    answer = client.call("HEAD", "/devices")

    assert (answer.status_code, answer.data) == (200, b"")


def test_what_belongs_to_another_app_is_not_there(app: Flask, services: Services, client: Client) -> None:
    other = provisioned(app, services, "Neighbour")
    other.register("theirs")
    other.post("/tags", {"name": "theirs"})
    identifier = other.post("/messages", {"message": {"alert": "theirs"}}).json["messageId"]
    subscription = other.get("/subscriptions").json["subscriptions"][0]["subscriptionId"]

    for path in ("/devices/theirs", "/tags/theirs", f"/messages/{identifier}", f"/subscriptions/{subscription}"):
        assert other.get(path).status_code == 200
        assert client.get(path).status_code == 404
