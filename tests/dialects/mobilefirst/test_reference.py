"""Every example of the reference, sent as it is printed there, with a real token of the scopes that are printed."""

from __future__ import annotations

import re
from typing import Any

import pytest

from dialects.mobilefirst.client import Client

SCOPE = "devices.write push.application.myapp"
DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
PAGE_INFO = {"count", "next", "previous", "totalCount"}

REGISTRATION = b"""
{
    "deviceId" : "12345-6789",
    "phoneNumber" : "123456789",
    "platform" : "A",
    "token" : "xyz"
}
"""
CHANGE = b"""
{
    "deviceId" : "12345-6789",
    "phoneNumber" : "123456789",
    "token" : "xyz",
    "userId" : "admin"
}
"""
EXAMPLES = [
    ("DELETE", "devices/12345-6789"),
    ("GET", "devices/12345-6789"),
    ("POST", "devices"),
    ("PUT", "devices/12345-6789"),
    ("GET", "devices?expand=true&filter=platform==A&offset=0&size=10&userId=admin"),
    ("DELETE", "subscriptions/mysubscription"),
    ("GET", "subscriptions/mysubscription"),
    ("GET", "tags?expand=true&filter=platform==A&offset=0&size=10&subscriptionCount=10"),
]


@pytest.fixture(scope="module")
def myapp(of_instance: Client) -> Client:
    """The application of the examples."""
    answer = of_instance.post("/imfpush/v1/apps", {"applicationId": "myapp"})
    assert answer.status_code == 201
    return Client(of_instance.app, "myapp", of_instance.client_id, of_instance.client_secret)


def call(client: Client, method: str, path: str, body: bytes | None = None, **headers: Any) -> Any:
    """An example, sent to the address that is printed."""
    headers = {"Accept_Language": "en-US", **headers}
    return client.call(method, f"/imfpush/v1/apps/myapp/{path}", body, **{"scope": SCOPE, **headers})


@pytest.fixture
def registered(myapp: Client) -> Client:
    """The application, with the device of the examples, and it has a user."""
    assert call(myapp, "POST", "devices", REGISTRATION).status_code == 201
    assert call(myapp, "PUT", "devices/12345-6789", CHANGE).status_code == 200
    return myapp


def test_a_device_is_registered(myapp: Client) -> None:
    answer = call(myapp, "POST", "devices", REGISTRATION, User_Agent="TestUserAgent")

    assert (answer.status_code, answer.content_type) == (201, "application/json")
    shown = answer.json
    assert DATE.fullmatch(shown["createdTime"])
    assert DATE.fullmatch(shown["lastUpdatedTime"])
    assert {name: shown[name] for name in shown if not name.endswith("Time")} == {
        "createdMode": "API",
        "deviceId": "12345-6789",
        "href": "https://example.com:443/imfpush/v1/apps/myapp/devices/12345-6789",
        "phoneNumber": "123456789",
        "platform": "A",
        "token": "xyz",
        "userAgent": "TestUserAgent",
        "userId": "anonymous",
    }


def test_a_device_is_changed(registered: Client) -> None:
    answer = call(registered, "PUT", "devices/12345-6789", CHANGE)

    assert (answer.status_code, answer.json) == (200, call(registered, "GET", "devices/12345-6789").json)


def test_a_device_is_read(registered: Client) -> None:
    answer = call(registered, "GET", "devices/12345-6789")

    assert (answer.status_code, answer.content_type) == (200, "application/json")
    expected = {
        "createdMode": "API",
        "deviceId": "12345-6789",
        "phoneNumber": "123456789",
        "platform": "A",
        "token": "xyz",
        "userId": "admin",
    }
    assert answer.json.items() >= expected.items()
    assert set(answer.json) == {*expected, "createdTime", "lastUpdatedTime", "href"}


def test_devices_are_listed(registered: Client) -> None:
    answer = call(registered, "GET", "devices?expand=true&filter=platform==A&offset=0&size=10&userId=admin")

    assert answer.status_code == 200
    assert answer.json["pageInfo"] == {"count": "1", "next": "", "previous": "", "totalCount": "1"}
    (device,) = answer.json["devices"]
    assert {"deviceId", "phoneNumber", "platform", "token", "userId"} <= set(device)
    (plain,) = call(registered, "GET", "devices?filter=platform==A&userId=admin").json["devices"]
    assert set(plain) == {"deviceId", "href", "phoneNumber", "platform", "token", "userId"}


def test_a_device_is_deleted(registered: Client) -> None:
    answer = call(registered, "DELETE", "devices/12345-6789")

    assert (answer.status_code, answer.data) == (204, b"")
    assert call(registered, "DELETE", "devices/12345-6789").status_code == 404


@pytest.fixture
def subscription(registered: Client) -> str:
    """The id of a subscription of the device to a tag."""
    registered.post("/tags", {"name": "SampleTag", "description": "Description about SampleTag"})
    body = {"deviceId": "12345-6789", "tagName": "SampleTag"}
    answer = registered.post("/subscriptions", body)
    if answer.status_code == 409:
        return str(registered.get("/subscriptions?tagName=SampleTag").json["subscriptions"][0]["subscriptionId"])
    return str(answer.json["subscriptionId"])


def test_a_subscription_is_read(myapp: Client, subscription: str) -> None:
    answer = call(myapp, "GET", f"subscriptions/{subscription}")

    assert answer.status_code == 200
    (device,) = answer.json["devices"]
    expected = {"deviceId": "12345-6789", "platform": "A", "token": "xyz", "userId": "admin"}
    assert device.items() >= expected.items()
    assert set(answer.json["pageInfo"]) == PAGE_INFO
    assert (answer.json["tagName"], answer.json["subscriptionId"]) == ("SampleTag", subscription)


def test_a_subscription_is_deleted(myapp: Client, subscription: str) -> None:
    answer = call(myapp, "DELETE", f"subscriptions/{subscription}")

    assert (answer.status_code, answer.data) == (204, b"")
    assert call(myapp, "GET", "devices/12345-6789").status_code == 200
    assert myapp.get("/tags/SampleTag").status_code == 200


def test_tags_are_listed(myapp: Client, subscription: str) -> None:
    answer = call(myapp, "GET", "tags?expand=true&filter=platform==A&offset=0&size=10&subscriptionCount=10")

    assert (answer.status_code, set(answer.json["pageInfo"])) == (200, PAGE_INFO)
    (tag,) = answer.json["tags"]
    assert DATE.fullmatch(tag["createdTime"])
    assert DATE.fullmatch(tag["lastUpdatedTime"])
    expected = {
        "createdMode": "API",
        "description": "Description about SampleTag",
        "href": "https://example.com:443/imfpush/v1/apps/myapp/tags/SampleTag",
        "name": "SampleTag",
        "subscriptionCount": "1",
    }
    assert tag.items() >= expected.items()


def test_a_body_with_a_printed_trailing_comma_is_refused(myapp: Client) -> None:
    for method, path, body in (("POST", "devices", REGISTRATION), ("PUT", "devices/12345-6789", CHANGE)):
        answer = call(myapp, method, path, body.replace(b'"\n}', b'",\n}'))
        assert (answer.status_code, answer.json["code"]) == (400, "FPWSE0004E")


@pytest.mark.parametrize(("method", "path"), EXAMPLES)
def test_who_is_not_known_is_unauthorized(myapp: Client, method: str, path: str) -> None:
    answer = call(myapp, method, path, b"{}", scope=None)

    assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Bearer")


@pytest.mark.parametrize(("method", "path"), EXAMPLES)
def test_who_does_not_take_json_gets_nothing(myapp: Client, method: str, path: str) -> None:
    answer = call(myapp, method, path, b"{}", Accept="text/xml")

    assert (answer.status_code, answer.json["code"]) == (406, "FPWSE0005E")


@pytest.mark.parametrize(("method", "path"), EXAMPLES)
def test_an_application_that_is_not_there_is_not_found(of_instance: Client, method: str, path: str) -> None:
    answer = of_instance.call(method, f"/imfpush/v1/apps/nowhere/{path}", b"{}")

    assert (answer.status_code, answer.json["code"]) == (404, "FPWSE0001E")


def test_what_is_not_json_is_not_allowed(myapp: Client) -> None:
    for method, path in (("POST", "devices"), ("PUT", "devices/12345-6789")):
        assert call(myapp, method, path, REGISTRATION, Content_Type="text/plain").status_code == 405


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "devices/nobody"), ("PUT", "devices/nobody"), ("DELETE", "devices/nobody")]
)
def test_a_device_that_is_not_there_is_not_found(myapp: Client, method: str, path: str) -> None:
    answer = call(myapp, method, path, CHANGE)

    assert answer.status_code == 404
    assert answer.json == {
        "code": "FPWSE0001E",
        "message": "Not Found - Targeted resource 'devices' does not exist. Check the 'deviceId' parameter.",
    }
