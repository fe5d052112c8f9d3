"""Who may call, in which order a call is refused, and what clients of all kinds send."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any
from uuid import UUID

import pytest
from flask import Flask

from dialects.twinpush.client import API, CREATOR, Client, await_position, new_app, refusal
from tocsin.api.services import Services
from tocsin.commands.apps import change_app
from tocsin.commands.context import Context
from tocsin.commands.credentials import issue_credential, revoke_credential
from tocsin.domain.app import DisableApp
from tocsin.domain.entry import system

WITH_API_TOKEN = [
    ("GET", "devices"),
    ("POST", "devices"),
    ("POST", "devices/register"),
    ("GET", "devices/{device}"),
    ("PUT", "devices/{device}"),
    ("DELETE", "devices/{device}"),
    ("GET", "notifications"),
    ("GET", "notifications/reports"),
    ("GET", "notifications/{notification}/report"),
    ("GET", "notifications/{notification}/deliveries"),
    ("POST", "notifications/{notification}/deliveries"),
]
WITH_CREATOR_TOKEN = [("POST", "notifications"), ("DELETE", "notifications/{notification}")]
WITHOUT_TOKEN = [
    ("GET", "devices/{device}/badge"),
    ("POST", "devices/{device}/update_badge"),
    ("POST", "devices/{device}/open_app"),
    ("POST", "devices/{device}/close_app"),
    ("POST", "devices/{device}/report_statistics"),
    ("POST", "devices/{device}/set_custom_property"),
    ("DELETE", "devices/{device}/clear_custom_properties"),
    ("POST", "devices/{device}/search_notifications"),
    ("GET", "devices/{device}/inbox"),
    ("GET", "devices/{device}/inbox_summary"),
    ("GET", "devices/{device}/notifications/{notification}"),
    ("POST", "devices/{device}/notifications/{notification}/received_notification"),
    ("POST", "devices/{device}/notifications/{notification}/open_notification"),
    ("DELETE", "devices/{device}/notifications/{notification}"),
    ("GET", "notifications/{notification}"),
]
EVERYTHING = [*WITH_API_TOKEN, *WITH_CREATOR_TOKEN, *WITHOUT_TOKEN]
AppendsNothing = Callable[[], AbstractContextManager[None]]


@pytest.fixture(scope="module")
def known(client: Client) -> dict[str, str]:
    return {"device": client.register()["id"], "notification": client.create()["id"]}


@pytest.mark.parametrize(("method", "path"), EVERYTHING)
def test_the_app_is_looked_for_before_anything_else(client: Client, method: str, path: str) -> None:
    for app in ("a" * 16, "nonsense", "1"):
        answer = client.call(method, f"/apps/{app}/{path}", b"{", **{API: "wrong", CREATOR: None})
        assert refusal(answer) == (404, "AppNotFound")


@pytest.mark.parametrize(("method", "path"), WITH_API_TOKEN)
def test_then_comes_the_api_token(
    client: Client, stranger: Client, appends_nothing: AppendsNothing, method: str, path: str
) -> None:
    with appends_nothing():
        for token in (None, "", "wrong", client.creator_token, stranger.api_token, "\u00e9"):
            answer = client.call(method, path, b"{", **{API: token})
            assert refusal(answer) == (403, "InvalidToken"), token


@pytest.mark.parametrize(("method", "path"), WITH_CREATOR_TOKEN)
def test_or_the_creator_token(
    client: Client, stranger: Client, appends_nothing: AppendsNothing, method: str, path: str
) -> None:
    with appends_nothing():
        for token in (None, "", "wrong", client.api_token, stranger.creator_token):
            answer = client.call(method, path, b"{", **{CREATOR: token})
            assert refusal(answer) == (403, "InvalidCreatorToken"), token


def test_the_creator_token_has_another_name_too(client: Client) -> None:
    body = {"alert": "Hello", "broadcast": True}

    answer = client.post(
        "notifications", body, **{CREATOR: None, "X-TwinPush-REST-API-Token-Creator": client.creator_token}
    )

    assert answer.status_code == 200


@pytest.mark.parametrize(("method", "path"), WITHOUT_TOKEN)
def test_a_device_needs_nothing_but_its_id_and_a_token_it_sends_does_no_harm(
    client: Client, known: dict[str, str], method: str, path: str
) -> None:
    statuses = {
        client.call(method, path.format(**known), {}, **{API: token, CREATOR: token}).status_code
        for token in (None, "wrong")
    }

    assert len(statuses) == 1
    assert statuses <= {200, 404, 422}


@pytest.mark.parametrize(("method", "path"), [one for one in EVERYTHING if one[0] in ("POST", "PUT")])
def test_then_the_body_and_what_it_is_about_comes_last(client: Client, method: str, path: str) -> None:
    unknown = {"device": "a" * 16, "notification": "a" * 16}

    for body in (b"{", b'{"a": 1,}', b"[1]", b'"text"', b"a=b", b"\xff", b"[" * 100_000, b'{"a": NaN}'):
        assert refusal(client.call(method, path.format(**unknown), body)) == (406, "NotAcceptable"), body


def test_a_wrong_parameter_comes_before_a_device_nobody_knows(client: Client) -> None:
    wrong: list[tuple[str, str, dict[str, Any], str]] = [
        ("PUT", "", {"language": []}, "DeviceNotUpdated"),
        ("POST", "/update_badge", {"badge": "many"}, "DeviceNotUpdated"),
        ("POST", "/open_app", {"open_at": "now"}, "DeviceNotUpdated"),
        ("POST", "/report_statistics", {"device": {"latitude": 91, "longitude": 0}}, "DeviceNotUpdated"),
        ("POST", "/set_custom_property", {"name": "x", "type": "integer", "value": "x"}, "InvalidProperty"),
        ("POST", "/search_notifications", {"tags": 7}, "InvalidParameter"),
    ]

    for method, path, body, kind in wrong:
        assert refusal(client.call(method, f"devices/{'a' * 16}{path}", body)) == (422, kind), path
    body = {"alert": "Hello", "devices_ids": ["a" * 16], "delivery_speed": "warp"}
    assert refusal(client.post("notifications", body)) == (422, "NotificationNotCreated")


@pytest.mark.parametrize(("method", "path"), [one for one in EVERYTHING if "{device}" in one[1]])
def test_a_device_of_another_app_is_not_found(client: Client, stranger: Client, method: str, path: str) -> None:
    theirs = stranger.register()["id"]
    body = {"badge": 1, "name": "x", "type": "string", "device": {"latitude": 1, "longitude": 1}}

    for device in (theirs, "a" * 16, "nonsense", "1", "0", "9" * 15, "9" * 40, "-1", "\u0661"):
        answer = client.call(method, path.format(device=device, notification="a" * 16), body)
        assert refusal(answer) == (404, "DeviceNotFound"), device


@pytest.mark.parametrize(("method", "path"), [one for one in EVERYTHING if "{notification}" in one[1]])
def test_a_notification_of_another_app_is_not_found(
    client: Client, stranger: Client, known: dict[str, str], method: str, path: str
) -> None:
    for notification in (stranger.create()["id"], "a" * 16, "nonsense", "1"):
        answer = client.call(method, path.format(**{**known, "notification": notification}))
        assert refusal(answer) == (404, "NotificationNotFound"), notification


@pytest.mark.parametrize(
    "kind",
    [None, "", "application/json; charset: utf-8", "text/plain", "application/x-www-form-urlencoded", "nonsense"],
)
def test_a_body_is_json_whatever_it_is_called(client: Client, kind: str | None) -> None:
    answer = client.post("notifications", {"alert": "Hello", "broadcast": True}, Content_Type=kind)

    assert answer.status_code == 200


@pytest.mark.parametrize("body", [None, b"", b"  \n", b"{}"])
def test_an_empty_body_is_an_empty_object(client: Client, known: dict[str, str], body: bytes | None) -> None:
    assert client.post(f"devices/{known['device']}/open_app", body).json == {}
    assert client.post(f"devices/{known['device']}/search_notifications", body).status_code == 200


@pytest.mark.parametrize(
    "accept",
    [
        None,
        "",
        "*/*",
        "application/*",
        "application/json",
        "application/json; charset=utf-8",
        "text/html, */*;q=0.1",
    ],
)
def test_json_is_answered_to_whoever_takes_it(client: Client, accept: str | None) -> None:
    answer = client.get("devices", Accept=accept)

    assert (answer.status_code, answer.content_type) == (200, "application/json")


@pytest.mark.parametrize("accept", ["text/html", "application/xml", "application/json;q=0"])
def test_who_takes_no_json_is_refused_before_anything_is_done(
    client: Client, appends_nothing: AppendsNothing, accept: str
) -> None:
    with appends_nothing():
        answer = client.post("notifications", {"alert": "Hello", "broadcast": True}, Accept=accept)

    assert refusal(answer) == (406, "NotAcceptable")
    assert answer.content_type == "application/json"


@pytest.mark.parametrize(
    ("page", "per_page", "shown"),
    [
        (None, None, (1, 30)),
        ("0", "0", (1, 30)),
        ("-3", "-1", (1, 30)),
        ("1", "2", (1, 2)),
        ("abc", "x", (1, 30)),
        ("1.5", "9" * 5000, (1, 30)),
        ("1", "99999", (1, 1000)),
    ],
)
def test_pages_begin_at_one_and_have_thirty_objects_unless_told_otherwise(
    client: Client, known: dict[str, str], page: str | None, per_page: str | None, shown: tuple[int, int]
) -> None:
    asked = {name: value for name, value in (("page", page), ("per_page", per_page)) if value is not None}

    query = "&".join(f"{name}={value}" for name, value in asked.items())
    answers = [
        client.get(f"devices?{query}"),
        client.post(f"devices/{known['device']}/search_notifications", {**asked, "tags": []}),
    ]

    for answer in answers:
        assert (answer.json["current_page"], answer.json["per_page"]) == shown


def test_pages_are_counted(client: Client, app: Flask, services: Services) -> None:
    fresh = Client.provisioned(app, services, new_app(services, "Pages"))
    empty = fresh.get("devices").json
    ids = [fresh.register()["id"] for _ in range(5)]

    pages = [fresh.get(f"devices?page={page}&per_page=2").json for page in (1, 2, 3)]

    assert empty == {
        "offset": 0,
        "total_pages": 1,
        "total_entries": 0,
        "per_page": 30,
        "current_page": 1,
        "objects": [],
        "references": [],
    }
    assert [one["id"] for page in pages for one in page["objects"]] == ids
    assert [(page["offset"], page["total_pages"], page["total_entries"]) for page in pages] == [
        (0, 3, 5),
        (2, 3, 5),
        (4, 3, 5),
    ]
    for page in ("4", "999999999999", "9" * 40):
        assert refusal(fresh.get(f"devices?page={page}&per_page=2")) == (404, "NotFound")


@pytest.mark.parametrize(
    "path",
    [
        "certificate_pins",
        "certificate_pins/verification_key",
        "",
        "nothing",
        "/",
        "/nothing",
        "/apps",
        "/devices",
        "/devices/1",
    ],
)
def test_what_is_not_there_is_told_in_this_apis_shape(client: Client, path: str) -> None:
    assert refusal(client.get(path)) == (404, "NotFound")


def test_the_area_is_its_own_and_ends_where_others_begin(client: Client) -> None:
    browser = client.app.test_client()

    assert refusal(browser.get("/api/v2")) == (404, "NotFound")
    assert browser.get("/api/v20").json == {"message": "Not Found"}
    assert browser.get("/api/users/1").json.keys() == {"message"}


def test_a_wrong_method_is_told_the_right_ones(client: Client) -> None:
    answer = client.call("PUT", "devices")

    assert refusal(answer) == (405, "MethodNotAllowed")
    assert {"GET", "POST"} <= set(answer.headers["Allow"].split(", "))


def test_a_body_that_is_too_large_is_refused(client: Client) -> None:
    assert refusal(client.post("notifications", b"x" * 1024 * 1025)) == (413, "ContentTooLarge")


def test_an_address_that_cannot_be_stored_is_refused(client: Client) -> None:
    assert refusal(client.get("devices?alias=%00")) == (422, "InvalidParameter")
    assert refusal(client.get("devices/%00/badge"))[0] == 422
    device = client.register()["id"]
    assert refusal(client.get(f"devices/{device}/inbox?tags[]=a&tags[]=%00")) == (422, "InvalidParameter")
    assert refusal(client.post(f"devices/{device}/search_notifications", {"tags": ["\0"]}))[0] == 422


def test_a_slash_at_the_end_means_the_same(client: Client, known: dict[str, str]) -> None:
    for path in ("devices", f"devices/{known['device']}", f"notifications/{known['notification']}/report"):
        assert client.get(f"{path}/").json == client.get(path).json


def test_a_page_of_any_origin_may_call(client: Client) -> None:
    asked = client.call(
        "OPTIONS", "notifications", Origin="https://console.example", **{"Access-Control-Request-Method": "POST"}
    )
    refused = client.get("devices", **{API: None, "Origin": "https://console.example"})

    assert {API, CREATOR, "Content-Type"} <= set(asked.headers["Access-Control-Allow-Headers"].split(", "))
    assert "POST" in asked.headers["Access-Control-Allow-Methods"]
    assert {asked.headers["Access-Control-Allow-Origin"], refused.headers["Access-Control-Allow-Origin"]} == {"*"}


def test_the_same_request_under_the_same_key_is_done_once(client: Client) -> None:
    body = {"alert": "Hello", "broadcast": True}

    first, again = (client.post("notifications", body, Idempotency_Key="once-1") for _ in range(2))
    other = client.post("notifications", {**body, "alert": "Bye"}, Idempotency_Key="once-1")

    assert first.json == again.json
    assert again.headers["Idempotency-Replayed"] == "true"
    assert refusal(other) == (422, "NotificationNotCreated")


def test_a_revoked_token_and_one_an_owner_chose(client: Client, services: Services, app_id: UUID) -> None:
    issued = issue_credential(
        services.engine,
        Context(system("test")),
        app_id,
        kind="api-token",
        dialect="twinpush",
        name="another",
        roles=("registrar",),
        secret="0123456789abcdef0123456789abcdef",
    )
    await_position(services, issued.position)
    token = {API: "0123456789abcdef0123456789abcdef"}
    assert client.get("devices", **token).status_code == 200

    credential = issued.result.credential.credential_id
    done = revoke_credential(services.engine, Context(system("test")), app_id, credential)
    await_position(services, done.position)

    assert refusal(client.get("devices", **token)) == (403, "InvalidToken")


def test_a_disabled_app_is_not_there(app: Flask, services: Services) -> None:
    app_id = new_app(services, "Closed")
    client = Client.provisioned(app, services, app_id)
    device, notification = client.register()["id"], client.create()["id"]
    done = change_app(services.engine, Context(system("test")), app_id, DisableApp())
    await_position(services, done.position)

    assert refusal(client.get("devices")) == (404, "AppNotFound")
    assert refusal(client.get(f"/devices/{device}/notifications/{notification}")) == (404, "AppNotFound")
    assert client.app_id == services.handles.of(app_id)


def test_no_token_and_no_body_is_in_an_errors_text(client: Client) -> None:
    answers: list[Any] = [
        client.get("devices", **{API: "secret-token-1"}),
        client.post("notifications", {"alert": "secret-token-1"}, **{CREATOR: "secret-token-1"}),
        client.post("notifications", b'{"alert": "secret-token-1",}'),
        client.post("devices/register", {"udid": "u", "platform": "ios", "push_token": "secret-token-1" * 400}),
    ]

    assert not [answer.text for answer in answers if "secret-token-1" in answer.text]
