"""What holds for every answer: form, headers for browsers, addresses, and whose app is meant."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace as with_changes
from uuid import UUID, uuid4

import pytest
from flask import Flask
from patience import PATIENCE

from dialects.moxie.client import Client
from tocsin.api.services import Services
from tocsin.commands.apps import change_app, create_app
from tocsin.commands.context import Context
from tocsin.dialects import PROVISIONS
from tocsin.domain.app import DisableApp, UpdateApp
from tocsin.domain.entry import system
from tocsin.projections import apps

HEADERS = {"Content-Type", "X-Moxie-Key", "X-HMAC-Nonce", "Authorization", "Date"}


@pytest.mark.parametrize("accepted", ["application/json", "application/hal+json", "*/*", "text/html, */*;q=0.1", None])
def test_json_is_answered_to_whoever_reads_it(client: Client, accepted: str | None) -> None:
    headers = {} if accepted is None else {"Accept": accepted}

    for answer in (
        client.get("/notifications", **headers),
        client.post("/notifications", {"message": "m"}, **headers),
        client.call("POST", "/notifications/register/gcm", {"registration_id": "t"}, signed=False, **headers),
    ):
        assert answer.status_code < 300
        assert answer.content_type == "application/json"


def test_nothing_is_done_for_who_could_not_read_the_answer(
    client: Client, appends_nothing: Callable[[], AbstractContextManager[None]]
) -> None:
    with appends_nothing():
        for answer in (
            client.get("/notifications", Accept="text/html"),
            client.post("/notifications", {"message": "m"}, Accept="application/xml"),
        ):
            assert (answer.status_code, answer.json) == (406, {"description": "Not Acceptable"})
            assert answer.content_type == "application/json"


def test_every_answer_can_be_read_by_a_page_of_any_origin(client: Client) -> None:
    ident = client.create()
    for answer in (
        client.get("/notifications", Origin="https://m.ox.ac.uk"),
        client.get(f"/notifications/{ident}"),
        client.get("/notifications/nothing/of/ours"),
        client.call("PUT", "/notifications", signed=False),
        client.call("POST", "/notifications", signed=False),
        client.post("/notifications", b"{"),
        client.post("/push", {"notification": ident, "message": "abc"}),
        client.call("POST", "/push", signed=False),
    ):
        assert answer.headers["Access-Control-Allow-Origin"] == "*"


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        ("/notifications", {"GET", "HEAD", "POST", "OPTIONS"}),
        ("/notifications/", {"GET", "HEAD", "POST", "OPTIONS"}),
        ("/notifications/X", {"GET", "HEAD", "POST", "DELETE", "OPTIONS"}),
        ("/notifications/X/followup", {"POST", "OPTIONS"}),
        ("/notifications/X/followup/1", {"GET", "HEAD", "POST", "DELETE", "OPTIONS"}),
        ("/push", {"POST", "OPTIONS"}),
    ],
)
def test_a_browser_may_ask_first(client: Client, path: str, methods: set[str]) -> None:
    asked = {"Origin": "https://m.ox.ac.uk", "Access-Control-Request-Method": "POST"}
    answer = client.call("OPTIONS", path, signed=False, **asked)

    assert answer.status_code == 200
    assert set(answer.headers["Allow"].split(", ")) == methods
    assert set(answer.headers["Access-Control-Allow-Methods"].split(", ")) == methods
    assert set(answer.headers["Access-Control-Allow-Headers"].split(", ")) >= HEADERS
    assert answer.headers["Access-Control-Max-Age"] == "21600"


@pytest.mark.parametrize(
    ("method", "path"),
    [("PUT", "/notifications"), ("PUT", "/notifications/"), ("PATCH", "/notifications/X")],
)
def test_a_wrong_method_is_told_the_right_ones(client: Client, method: str, path: str) -> None:
    answer = client.call(method, path, signed=False)

    assert answer.status_code == 405
    assert "POST" in answer.headers["Allow"]


@pytest.mark.parametrize("path", ["/notifications/a/b", "/notifications/a/followup/1/x", "/api/notifications/a/b"])
def test_what_is_nowhere_in_the_module_is_not_found_in_its_form(client: Client, path: str) -> None:
    answer = client.get(path)

    assert answer.status_code == 404
    assert answer.json["description"] in ("Not found", "Notification not found")


def test_a_slash_at_the_end_changes_nothing_and_sends_nobody_elsewhere(client: Client) -> None:
    ident = client.create()
    client.post(f"/notifications/{ident}/followup/", {"message": "m"})

    for path in ("/notifications", f"/notifications/{ident}", f"/notifications/{ident}/followup/1"):
        assert client.get(path).data == client.get(path + "/").data
        assert client.get(path + "/").status_code == 200
    for path in ("/notifications/", f"/notifications/{ident}/", f"/notifications/{ident}/followup/1/"):
        assert client.post(path, {"message": "m"}).status_code in (200, 201)
    assert client.post("/push/", {"notification": ident, "message": "abc"}).status_code == 202


def test_the_module_is_there_for_the_javascript_client_too(client: Client) -> None:
    answer = client.post("/api/notifications/", {"message": "m"})
    ident = answer.json["ident"]

    assert answer.headers["Location"] == f"/api/notifications/{ident}"
    shown = client.get("/api/notifications/").json
    assert shown["_links"] == {"self": {"href": "/api/notifications/"}}
    assert ident in [one["ident"] for one in shown["_embedded"]["notifications"]]
    assert client.get(f"/api/notifications/{ident}").json["_links"]["self"]["href"] == f"/api/notifications/{ident}"
    assert client.post(f"/api/notifications/{ident}/followup", {"message": "m"}).json["id"] == 1
    assert client.post("/api/notifications/push", {"notification": ident, "message": "abc"}).status_code == 202


def test_head_is_get_without_the_body(client: Client) -> None:
    answer = client.call("HEAD", "/notifications", signed=False)

    assert (answer.status_code, answer.data) == (200, b"")


def test_its_reference_is_linked_from_the_front_page(client: Client) -> None:
    assert 'href="/notifications/openapi.json"' in client.get("/").text
    document = client.get("/notifications/openapi.json").json
    assert document["openapi"].startswith("3.1")
    assert set(document["paths"]) >= {"/", "/{ident}", "/{ident}/followup", "/{ident}/followup/{id}", "/push"}


def test_a_key_is_good_for_its_own_app_alone(app: Flask, services: Services, client: Client) -> None:
    other = provisioned(app, services, "Cambridge")
    ident = client.create()
    theirs = other.create()

    for answer in (
        other.post(f"/notifications/{ident}", {"message": "m"}),
        other.delete(f"/notifications/{ident}"),
        other.post(f"/notifications/{ident}/followup", {"message": "m"}),
    ):
        assert (answer.status_code, answer.json) == (404, {"description": "Notification not found"})
    assert other.post("/push", {"notification": ident, "message": "abc"}).status_code == 400
    assert client.get(f"/notifications/{theirs}").status_code == 404


def test_who_carries_no_key_means_the_app_of_the_host(app: Flask, services: Services, client: Client) -> None:
    other = provisioned(app, services, "Durham", "m.dur.ac.uk")
    ident = other.create()

    assert client.get(f"/notifications/{ident}", Host="m.dur.ac.uk").status_code == 200
    assert client.get(f"/notifications/{ident}", Host="M.DUR.ac.uk:8080").status_code == 200
    assert client.get(f"/notifications/{ident}").status_code == 404


@pytest.mark.parametrize("host", ["\0", "[", "a b", "é", ":", "x" * 3000])
def test_a_host_that_is_none_means_the_default(client: Client, host: str) -> None:
    assert client.get("/notifications", Host=host).status_code in (200, 400)


def test_an_app_that_is_disabled_takes_nothing(app: Flask, services: Services) -> None:
    closed = provisioned(app, services, "Closed")
    ident = closed.create()
    own = services.engine.record.apps_of([UUID(ident)])[UUID(ident)]
    done = change_app(services.engine, Context(system("test")), own, DisableApp())
    assert services.waiter.wait_for(done.position, ["apps"], PATIENCE)

    assert closed.post("/notifications", {"message": "m"}).status_code == 409
    assert closed.post("/push", {"notification": ident, "message": "abc"}).status_code == 409


def test_the_same_key_of_idempotency_publishes_once(client: Client) -> None:
    key = {"Idempotency-Key": str(uuid4())}
    first = client.post("/notifications", {"message": "m"}, **key)
    again = client.post("/notifications", {"message": "m"}, **key)
    other = client.post("/notifications", {"message": "another"}, **key)

    assert (again.data, again.headers["Location"]) == (first.data, first.headers["Location"])
    assert other.status_code == 409


def test_a_second_app_does_not_become_the_default(app: Flask, services: Services) -> None:
    own = services.engine.record.apps_of([UUID(provisioned(app, services, "Second").create())])

    with services.readers.connection() as connection:
        (second,) = [apps.app(connection, app_id) for app_id in own.values()]
    assert second is not None
    assert second.settings == {}


def provisioned(app: Flask, services: Services, name: str, *hosts: str) -> Client:
    """A client of another app."""
    context = Context(system("test"))
    app_id = create_app(services.engine, context, name, hosts=hosts).result.app_id
    issued = PROVISIONS["moxie"](services.engine, context, app_id, sandbox=False)
    assert services.waiter.wait_for(services.record.head().position, ["apps"], PATIENCE)
    return Client(app, issued["MOXIE_KEY"], issued["MOXIE_SECRET"])


def test_an_instance_without_a_default_app_says_so(services: Services, client: Client, app_id: UUID) -> None:
    engine = services.engine
    before = {"moxie": {"default": True}}
    done = change_app(engine, Context(system("test")), app_id, UpdateApp(settings={}))
    assert services.waiter.wait_for(done.position, ["apps"], PATIENCE)
    try:
        for answer in (
            client.get("/notifications"),
            client.call("POST", "/notifications/register/gcm", {"registration_id": "t"}, signed=False),
        ):
            assert answer.status_code == 404
            assert list(answer.json) in (["description"], ["error"])
        assert client.post(f"/notifications/{client.create()}", {"message": "m"}).status_code == 200
        unsigned = with_changes(client, key="unknown")
        assert unsigned.post(f"/notifications/{uuid4()}", {"message": "m"}).status_code == 401
    finally:
        done = change_app(engine, Context(system("test")), app_id, UpdateApp(settings=before))
        assert services.waiter.wait_for(done.position, ["apps"], PATIENCE)
