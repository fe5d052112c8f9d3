"""Device registrations: who they are, how they are listed, and what is refused."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import pytest
from flask import Flask

from dialects.mobilefirst.client import AGENT, Client
from dialects.mobilefirst.conftest import provisioned
from tocsin.api.services import Services

DATE = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"


def test_a_device_without_a_user_is_anonymous(client: Client) -> None:
    for body in ({}, {"userId": None}, {"userId": ""}, {"userId": "anonymous"}):
        assert client.register("nobody", **body)["userId"] == "anonymous"
    assert client.get("/devices/nobody").json["userId"] == "anonymous"
    assert "nobody" in ids(client.get("/devices?userId=anonymous&size=500").json)


@pytest.mark.parametrize("name", ["a/b", "a b%2F?c=d#e", "ü😀 مرحبا"])
def test_a_device_is_found_by_whatever_it_calls_itself(client: Client, name: str) -> None:
    own = urlsplit(client.register(name)["href"]).path.partition("/devices")
    address = "".join(own[1:])

    for slash in ("", "/"):
        assert client.get(address + slash).json["deviceId"] == name
        assert client.put(address + slash, {"userId": "ada"}).json["userId"] == "ada"
    assert [client.delete(address + "/").status_code, client.get(address).status_code] == [204, 404]


def test_a_phone_number_may_be_a_number(client: Client) -> None:
    assert client.register("number", phoneNumber=123456789)["phoneNumber"] == "123456789"


def test_what_a_device_registers_with_besides_is_taken(client: Client) -> None:
    client.register("extras", variables={"name": "Ada"}, vapidRegistration="x", whatever=[1])


def test_a_device_that_registers_again_is_the_same_with_what_it_says_now(client: Client) -> None:
    first = client.register("again", userId="ada", phoneNumber="1")
    second = client.register("again", token="another")

    assert second["createdTime"] == first["createdTime"]
    assert (second["userId"], second["token"]) == ("anonymous", "another")
    assert "phoneNumber" not in second


def test_a_token_that_comes_under_a_new_id_leaves_the_old_device(client: Client) -> None:
    client.register("before", token="moved")
    client.register("after", token="moved")

    assert client.get("/devices/before").status_code == 404
    assert client.get("/devices/after").status_code == 200


def test_a_device_is_changed_in_what_is_said(client: Client) -> None:
    client.register("changing", userId="ada", phoneNumber="1")

    answer = client.put("/devices/changing", {"userId": "bob", "platform": "A"})
    assert (answer.status_code, answer.json["userId"], answer.json["platform"]) == (200, "bob", "G")
    assert client.put("/devices/changing", {"token": "new"}).json["token"] == "new"
    assert client.put("/devices/changing", {"userId": "anonymous"}).json["userId"] == "anonymous"
    shown = client.get("/devices/changing").json
    assert (shown["token"], shown["phoneNumber"]) == ("new", "1")


@pytest.mark.parametrize(
    ("body", "name"),
    [
        ({"userId": "u" * 255}, "userId"),
        ({"userId": 7}, "userId"),
        ({"token": ""}, "token"),
        ({"token": ["x"]}, "token"),
        ({"deviceId": "another"}, "deviceId"),
        ({"phoneNumber": "9" * 65}, "phoneNumber"),
        ({"phoneNumber": True}, "phoneNumber"),
    ],
)
def test_a_change_that_cannot_be_is_refused_by_name(client: Client, body: Any, name: str) -> None:
    client.register("refusing")
    answer = client.put("/devices/refusing", body)

    assert answer.status_code == 400
    assert answer.json == {
        "code": "FPWSE0005E",
        "message": f"Invalid value was provided. Check the '{name}' parameter value.",
    }


@pytest.mark.parametrize("missing", ["deviceId", "token", "platform"])
@pytest.mark.parametrize("value", [None, "", "  ", 7, [], "a\0b"])
def test_a_registration_needs_id_token_and_platform(client: Client, missing: str, value: Any) -> None:
    body = {"deviceId": "d", "platform": "G", "token": "t", missing: value}
    answer = client.post("/devices", body)

    assert (answer.status_code, answer.json["code"]) == (400, "FPWSE0005E")
    assert f"'{missing}'" in answer.json["message"]


def test_a_user_of_254_characters_is_taken(client: Client) -> None:
    client.register("long", userId="u" * 254)


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("A", "A"),
        ("G", "G"),
        ("W", "W"),
        ("M", "W"),
        ("WEB_CHROME", "WEB_CHROME"),
        ("WEB_FIREFOX", "WEB_FIREFOX"),
        ("WEB_SAFARI", "WEB_SAFARI"),
        ("APPEXT_CHROME", "APPEXT_CHROME"),
    ],
)
def test_every_platform_registers(client: Client, said: str, shown: str) -> None:
    assert client.register(f"of-{said}", platform=said, token=f"https://t/{said}")["platform"] == shown
    found = client.get(f"/devices?filter=platform=={said}&size=500").json["devices"]
    assert f"of-{said}" in [one["deviceId"] for one in found]
    assert {one["platform"] for one in found} == {shown}


def test_a_device_that_unregisters_is_gone_with_its_subscriptions(client: Client, services: Services) -> None:
    client.register("leaving")
    answer = client.delete("/devices/leaving")

    assert (answer.status_code, answer.data) == (204, b"")
    for gone in (
        client.get("/devices/leaving"),
        client.put("/devices/leaving", {"userId": "u"}),
        client.delete("/devices/leaving"),
    ):
        assert (gone.status_code, gone.json["code"]) == (404, "FPWSE0001E")
    assert client.register("leaving")["deviceId"] == "leaving"


def test_a_page_links_to_those_beside_it_and_keeps_what_was_asked(app: Flask, services: Services) -> None:
    other = provisioned(app, services, "Pages")
    for number in range(5):
        other.register(f"page-{number}", userId="reader")
    other.register("windows", platform="W", token="https://w")

    path = "/devices?expand=true&filter=platform==G&filter=platform==G,platform==A&userId=reader&offset=2&size=2"
    shown = other.get(path).json
    assert ids(shown) == ["page-2", "page-3"]
    assert {name: shown["pageInfo"][name] for name in ("count", "totalCount")} == {"count": "2", "totalCount": "5"}
    for link, expected in (("next", ["page-4"]), ("previous", ["page-0", "page-1"])):
        url = urlsplit(shown["pageInfo"][link])
        assert (url.scheme, url.netloc) == ("https", "example.com:443")
        assert url.query.count("filter=") == 2
        beside = other.get(f"{url.path}?{url.query}").json
        assert ids(beside) == expected
        assert "createdTime" in beside["devices"][0]
    whole = other.get("/devices").json["pageInfo"]
    assert whole == {"count": "6", "next": "", "previous": "", "totalCount": "6"}


def test_a_list_is_expanded_where_it_is_asked_in_either_spelling(client: Client) -> None:
    client.register("expanded")
    more = {"createdMode", "createdTime", "lastUpdatedTime", "userAgent"}

    assert not more & set(client.get("/devices?size=1").json["devices"][0])
    assert not more & set(client.get("/devices?size=1&expand=False").json["devices"][0])
    for spelling in ("expand", "expend"):
        shown = client.get(f"/devices?size=1&{spelling}=true").json["devices"][0]
        assert more <= set(shown)
        assert shown["userAgent"] == AGENT


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("offset=-1", "FPWSE1079E"),
        ("size=0", "FPWSE1080E"),
        ("size=-5", "FPWSE1080E"),
        ("size=x", "FPWSE0005E"),
        ("offset=1.5", "FPWSE0005E"),
        ("filter=colour==red", "FPWSE0007E"),
        ("filter=platform=@A", "FPWSE0007E"),
        ("filter=platform", "FPWSE0007E"),
        ("filter=platform==A,x", "FPWSE0007E"),
    ],
)
def test_a_list_that_cannot_be_is_refused(client: Client, query: str, code: str) -> None:
    answer = client.get(f"/devices?{query}")

    assert (answer.status_code, answer.json["code"]) == (400, code)


def test_a_body_of_another_kind_is_not_allowed(client: Client) -> None:
    for method, path in (("POST", "/devices"), ("PUT", "/devices/x")):
        for kind in ("text/plain", "application/x-www-form-urlencoded", None):
            answer = client.call(method, path, b"{}", Content_Type=kind)
            assert (answer.status_code, answer.json["code"]) == (405, "FPWSE0005E")
    charset = client.post("/devices", b"{}", Content_Type="application/json; charset=utf-8")
    assert charset.status_code == 400


@pytest.mark.parametrize(("body", "code"), [(b"{", "FPWSE0004E"), (b"", "FPWSE0004E"), (b"[]", "FPWSE0013E")])
def test_a_body_that_is_no_json_object_is_refused(client: Client, body: bytes, code: str) -> None:
    answer = client.post("/devices", body)

    assert (answer.status_code, answer.json["code"]) == (400, code)


def ids(shown: Any) -> list[str]:
    return [one["deviceId"] for one in shown["devices"]]
