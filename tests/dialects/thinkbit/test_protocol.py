"""Each refusal, in the order in which they are found; what all answers carry; and the group that holds so many."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from patience import PATIENCE
from patient_reads import PatientWaiter
from werkzeug.test import TestResponse

from dialects.thinkbit.client import Client, basic
from tocsin.api.app import create_app
from tocsin.api.services import Services
from tocsin.commands.context import Context
from tocsin.commands.engine import Engine
from tocsin.commands.secrets import SecretChecks
from tocsin.commands.settings import change_settings
from tocsin.domain.entry import system
from tocsin.domain.events.device import Retirement
from tocsin.eventlog.record import Record
from tocsin.projections.devices import DeviceFilter, list_devices

RULES = "The given data was invalid."


def broken(answer: Any) -> str:
    """The one rule that was broken."""
    assert answer.status_code == 422
    assert answer.json["message"] == RULES
    (message,) = answer.json["errors"]["registration_id"]
    return str(message)


def cron(process: Flask, address: str) -> TestResponse:
    """A call from an address, which is refused in any case."""
    return process.test_client().get("/api/cron", environ_base={"REMOTE_ADDR": address})


@pytest.mark.parametrize("user", ["99999999", "abc", "0", "-1", "1.0", "9" * 30, "%F0%9F%98%80", "%FF"])
def test_an_unknown_user_is_told_before_who_calls(client: Client, user: str) -> None:
    answer = client.call("POST", {}, f"/api/users/{user}/fcm_registration_tokens", Authorization=None)

    assert answer.status_code == 404
    assert answer.json["message"].startswith("No query results for model [App\\User] ")


@pytest.mark.parametrize("authorization", [None, "", "Basic", "secret"])
def test_a_call_without_credentials(client: Client, authorization: str | None) -> None:
    answer = client.call("POST", {}, Authorization=authorization)

    assert answer.status_code == 401
    assert answer.json == {"message": "You did not provide a token."}


def test_wrong_credentials(client: Client) -> None:
    given = [basic(client.email, "wrong"), basic("nobody@example.org", "x"), "Basic ???", "Basic /w==", "Basic  ",
             basic(client.email, ""), basic("", ""), basic("\0", "\0")]  # fmt: skip
    for authorization in given:
        answer = client.call("POST", {}, Authorization=authorization)
        assert answer.status_code == 401
        assert answer.json == {"message": "Invalid credentials."}
        assert answer.headers["WWW-Authenticate"] == "Basic"


@pytest.mark.parametrize(("prefix", "shown"), [("Bearer", '"bearer"'), ("Facebook", '"facebook"'), ("s3cRe+", "given")])
def test_another_scheme_is_named_unless_it_may_be_a_secret(client: Client, prefix: str, shown: str) -> None:
    answer = client.call("POST", {}, Authorization=f"{prefix} abc")

    assert answer.status_code == 501
    assert answer.json == {"message": f"The {shown} prefix is not supported."}


@pytest.mark.parametrize("method", ["POST", "DELETE"])
def test_another_users_devices_are_none_of_mine(client: Client, other: Client, method: str) -> None:
    answer = client.call(method, {"registration_id": "t"}, other.path)

    assert answer.status_code == 403
    assert answer.json == {"message": "This action is unauthorized."}


@pytest.mark.parametrize("method", ["POST", "DELETE"])
@pytest.mark.parametrize(
    ("value", "message"),
    [
        *((blank, "The registration id field is required.") for blank in (None, "", "  \t", [], {})),
        *((value, "The registration id must be a string.") for value in (1, 0, False, 1e300, ["a"], {"a": 1})),
        ("x" * 4097, "The registration id may not be greater than 4096 characters."),
        ("a\0b", "The registration id format is invalid."),
    ],
)
def test_a_registration_id_that_cannot_be(
    client: Client,
    appends_nothing: Callable[[], AbstractContextManager[None]],
    method: str,
    value: Any,
    message: str,
) -> None:
    with appends_nothing():
        assert broken(client.call(method, {"registration_id": value})) == message


@pytest.mark.parametrize("body", [b'{"registration_id":"a",}', b"[object Object]", b"\xff", b'"\\ud800"', b"[" * 9000])
def test_a_body_that_is_no_json(client: Client, body: bytes) -> None:
    answer = client.call("POST", body)

    assert answer.status_code == 400
    assert answer.json == {"message": "The request body is not valid JSON."}


def test_json_that_is_no_object_holds_no_registration_id(client: Client) -> None:
    assert broken(client.call("POST", ["a"])) == "The registration id field is required."


def test_a_token_is_added_once_and_removed_once(client: Client) -> None:
    first = client.add(" once ")
    assert first.json["registration_id"] == "once"
    assert broken(client.add("once")) == "The registration id has already been taken."
    assert client.remove("once").status_code == 204
    assert broken(client.remove("once")) == "The selected registration id is invalid."
    assert broken(client.remove("never")) == "The selected registration id is invalid."
    again = client.add("once")
    assert again.status_code == 201
    assert again.json["id"] == first.json["id"]
    client.remove("once")


def test_a_token_may_belong_to_two_users(client: Client, other: Client) -> None:
    mine, theirs = client.add("shared"), other.add("shared")

    assert (mine.status_code, theirs.status_code) == (201, 201)
    assert mine.json["id"] != theirs.json["id"]
    assert client.remove("shared").status_code == 204
    assert broken(client.remove("shared")) == "The selected registration id is invalid."
    assert other.remove("shared").status_code == 204


def test_a_registration_id_may_come_as_a_form_or_in_the_address(client: Client) -> None:
    form = "application/x-www-form-urlencoded"
    assert client.call("POST", b"registration_id=formed", Content_Type=form).status_code == 201
    assert client.call("DELETE", b"registration_id=formed", Content_Type=form).status_code == 204
    assert client.call("POST", None, f"{client.path}?registration_id=asked").status_code == 201
    assert client.call("DELETE", None, f"{client.path}/?registration_id=asked").status_code == 204


def test_the_oldest_leaves_a_full_group(other: Client, services: Services, app_id: UUID) -> None:
    tokens = [f"grouped-{number}" for number in range(20)]
    for token in tokens:
        assert other.add(token).status_code == 201
    with services.readers.connection() as connection:
        wanted = DeviceFilter(user_digest=services.digest("user", other.email))
        found = {row.token: row.retired for row in list_devices(connection, app_id, wanted).items}

    assert [found[token] for token in tokens] == [Retirement.REPLACED.value] * 2 + [None] * 18
    assert broken(other.remove(tokens[0])) == "The selected registration id is invalid."
    assert other.remove(tokens[2]).status_code == 204
    assert other.add(tokens[0]).status_code == 201
    for token in [tokens[0], *tokens[3:]]:
        assert other.remove(token).status_code == 204


def test_what_nothing_answers_is_told_in_json(app: Flask, client: Client) -> None:
    missing = app.test_client().get("/api/nothing")
    wrong = client.call("PUT", {})

    assert (missing.status_code, missing.json) == (404, {"message": "Not Found"})
    assert wrong.status_code == 405
    assert wrong.json["message"].startswith("The PUT method is not supported for this route.")
    assert "POST" in wrong.headers["Allow"]


def test_pages_of_any_origin_may_call(client: Client) -> None:
    for answer in (client.call("POST", {}, Origin="https://a.example"), client.call("POST", {}, Authorization=None)):
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
    preflight = client.call("OPTIONS", None, Authorization=None, Access_Control_Request_Method="DELETE")

    assert preflight.status_code == 200
    assert "DELETE" in preflight.headers["Access-Control-Allow-Methods"]
    assert "Authorization" in preflight.headers["Access-Control-Allow-Headers"]


def test_every_answer_says_how_many_calls_are_left(app: Flask, client: Client) -> None:
    answers = [client.call("POST", {}), client.call("POST", {}, Authorization=None), app.test_client().get("/api/cron")]

    left = [int(answer.headers["X-RateLimit-Remaining"]) for answer in answers]
    assert {answer.headers["X-RateLimit-Limit"] for answer in answers} == {"6000"}
    assert left == [left[0], left[0] - 1, left[0] - 2]


@pytest.fixture
def setting(services: Services, app_id: UUID) -> Iterator[Callable[..., None]]:
    """Changes settings of the app; afterwards they are as they were."""
    before: list[Mapping[str, Any]] = []

    def store(change: Callable[[Mapping[str, Any]], Mapping[str, Any]]) -> Mapping[str, Any]:
        """Returns what was changed: a change is asked for again where what it was first asked of is out of date."""
        asked: list[Mapping[str, Any]] = []

        def asking(settings: Mapping[str, Any]) -> Mapping[str, Any]:
            asked.append(settings)
            return change(settings)

        done = change_settings(services.engine, Context(system("test")), app_id, "thinkbit", asking)
        assert services.waiter.wait_for(done.position, ["apps"], PATIENCE)
        return asked[-1]

    def change(**own: Any) -> None:
        before.append(store(lambda settings: {**settings, **own}))

    yield change
    store(lambda _: before[0])


@pytest.fixture
def limit(setting: Callable[..., None]) -> Callable[[int], None]:
    """Sets how many calls an address has in a minute."""
    return lambda number: setting(requests_per_minute=number)


def test_an_app_may_have_smaller_groups(other: Client, setting: Callable[..., None]) -> None:
    setting(device_limit=2)
    for token in ("small-1", "small-2", "small-3"):
        assert other.add(token).status_code == 201

    assert broken(other.remove("small-1")) == "The selected registration id is invalid."
    for token in ("small-2", "small-3"):
        assert other.remove(token).status_code == 204


def test_cron_calls_may_come_from_another_address(app: Flask, client: Client, setting: Callable[..., None]) -> None:
    def status(forwarded: str) -> int:
        headers = {"X-Appengine-Cron": "true", "X-Forwarded-For": forwarded}
        return app.test_client().get("/api/cron", headers=headers).status_code

    setting(cron_address="2001:db8::1")

    assert status("2001:0db8:0:0::1") == 204
    assert [status(forwarded) for forwarded in ("10.0.0.1", "2001:db8::11", "nonsense")] == [403] * 3


def test_whoever_calls_too_often_is_told_when_to_go_on(client: Client, limit: Callable[[int], None]) -> None:
    limit(1)
    client.call("POST", {})
    answer = client.call("POST", {}, "/api/users/99/fcm_registration_tokens", Authorization=None)

    assert answer.status_code == 429
    assert answer.json == {"message": "Too Many Attempts."}
    assert 0 < int(answer.headers["Retry-After"]) <= 60
    assert 0 <= int(answer.headers["X-RateLimit-Reset"]) - time.time() <= 61
    assert answer.headers["X-RateLimit-Limit"] == "1"
    assert answer.headers["X-RateLimit-Remaining"] == "0"
    limit(6000)
    assert client.call("POST", {}).status_code == 422


@pytest.fixture
def processes(app: Flask, services: Services, client: Client) -> Iterator[list[Flask]]:
    """The app, and the same in another process: with its own connections to the same record."""
    record = Record.open(*services.record.address)
    engine = Engine(record)
    waiter = PatientWaiter(record.sessions)
    yield [app, create_app(replace(services, engine=engine, checks=SecretChecks(engine), waiter=waiter))]
    waiter.close()
    record.close()


def test_all_processes_count_together(processes: list[Flask], limit: Callable[[int], None]) -> None:
    limit(5)
    answers = [cron(processes[number % 2], "192.0.2.1") for number in range(7)]

    assert [answer.headers["X-RateLimit-Remaining"] for answer in answers] == ["4", "3", "2", "1", "0", "0", "0"]
    assert [answer.status_code for answer in answers] == [401] * 5 + [429] * 2
    for process in processes:
        assert cron(process, "192.0.2.2").status_code == 401


def test_what_browsers_ask_first_is_not_counted(app: Flask, client: Client, limit: Callable[[int], None]) -> None:
    limit(1)
    for _ in range(3):
        asked = app.test_client().options("/api/cron", environ_base={"REMOTE_ADDR": "192.0.2.3"})
        assert "X-RateLimit-Limit" not in asked.headers

    assert cron(app, "192.0.2.3").status_code == 401


def test_the_document_is_served(app: Flask) -> None:
    answer = app.test_client().get("/api/openapi.json")

    assert answer.status_code == 200
    assert set(answer.json["paths"]) == {"/cron", "/users/{user}/fcm_registration_tokens"}
