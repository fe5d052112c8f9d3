"""The two calls of the original document, and those its other pages describe, answered as they say."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

import msgspec
import pytest

from dialects.baasbox.client import Client
from tocsin.api.services import Services
from tocsin.commands.sends import load_send
from tocsin.projections import devices, sends
from tocsin.projections.devices_queries import DeviceFilter

OK = '{"result":"ok","data":"","http_code":200}'


def test_a_device_is_registered(ann: Client, services: Services, app_id: UUID) -> None:
    assert ann.put("/push/device/android/token-a").text == OK
    assert ann.put("/push/enable/ANDROID/token-a").text == OK

    with services.readers.connection() as connection:
        (found,) = devices.list_devices(connection, app_id, DeviceFilter(registered=True)).items
    assert (found.platform, found.token, found.user_name, found.through) == ("android", "token-a", "ann", "baasbox")


def test_a_message_is_sent_to_a_user(admin: Client, ann: Client, services: Services, app_id: UUID) -> None:
    ann.put("/push/device/android/token-a")

    answer = admin.post("/push/message/ann", {"message": "hi guy", "custom": {"a": None}, "time_to_live": 60})

    assert (answer.status_code, answer.text) == (200, OK)
    with services.readers.connection() as connection:
        (sent,) = sends.list_sends(connection, app_id).items
    message = msgspec.to_builtins(load_send(services.engine, app_id, sent.row.send_id).state.request.message)
    assert message["data"] == {"custom": {"a": None}}
    assert message["apns"] == {"aps": {"alert": "hi guy", "badge": 0}}
    assert message["fcm"]["data"] == {"message": "hi guy", "custom": '{"a":null}'}
    assert message["fcm"]["android"]["ttl"] == "60s"


def test_any_user_may_push_to_many(ann: Client, bob: Client) -> None:
    bob.put("/push/enable/android/token-b")

    answer = ann.post("/push/message", {"message": "hi", "users": ["ann", "bob", "bob"], "profiles": [1]})

    assert answer.json == {"result": "ok", "data": "Push Notification(s) has been sent", "http_code": 200}
    assert answer.headers["BB-USERNAME"] == "ann"
    assert answer.headers["Access-Control-Allow-Origin"] == "*"


def test_nobody_may_be_pushed_to(ann: Client) -> None:
    assert ann.post("/push/message", {"message": "hi", "users": []}).status_code == 200


def test_devices_of_a_provider_that_is_not_configured_may_miss_it(anonymous: Client) -> None:
    eve = anonymous.signed_up("eve")
    eve.put("/push/enable/android/token-e")
    eve.put("/push/enable/ios/" + "5e" * 32)

    answer = eve.post("/push/message/eve", {"message": "hi"})

    assert (answer.status_code, answer.json["result"], answer.json["bb_code"]) == (200, "ok", "20001")


def test_no_provider_for_any_device_is_503(anonymous: Client) -> None:
    tim = anonymous.signed_up("tim")
    tim.put("/push/enable/ios/" + "6e" * 32)

    answer = tim.post("/push/message/tim", {"message": "hi"})

    assert (answer.status_code, answer.json["bb_code"]) == (503, "50301")
    assert answer.json["message"] == (
        "Push settings are not properly configured. HINT: go to administration console and check the settings"
    )


def test_a_token_has_one_user(anonymous: Client, services: Services, app_id: UUID) -> None:
    first, second = anonymous.signed_up("first"), anonymous.signed_up("second")
    first.put("/push/enable/symbian/token-s")
    second.put("/push/enable/symbian/token-s")

    assert _user_of(services, app_id, "token-s") == "second"
    assert first.put("/push/disable/token-s").text == OK
    assert _user_of(services, app_id, "token-s") == "second"
    assert second.put("/push/disable/token-s").text == OK
    assert _user_of(services, app_id, "token-s") is None
    assert second.put("/push/disable/never-seen").text == OK


def test_a_token_is_decoded_and_has_no_slash(anonymous: Client, services: Services, app_id: UUID) -> None:
    kim = anonymous.signed_up("kim")

    assert kim.put("/push/enable/android/a%3Ab%20c%25").text == OK
    assert _user_of(services, app_id, "a:b c%") == "kim"
    assert kim.put("/push/disable/a%3Ab%20c%25").text == OK
    assert _user_of(services, app_id, "a:b c%") is None
    assert kim.put("/push/enable/android/a/b").json["message"] == "API not found"


def test_an_account_is_made_and_used(anonymous: Client) -> None:
    made = anonymous.post("/user", {"username": "zoe", "password": "p", "visibleByFriends": {"x": 1}})
    data = made.json["data"]

    assert made.status_code == made.json["http_code"] == 201
    assert data["user"] == {"name": "zoe", "status": "ACTIVE", "roles": [{"name": "registered"}]}
    assert data["visibleByRegisteredUsers"] == {"_social": {}}
    form = {"username": "zoe", "password": "p", "appcode": str(anonymous.appcode)}
    login = anonymous.app.test_client().post(
        "/login", data={**form, "login_data": '{"os":"android","deviceId":"token-z"}'}
    )
    assert login.status_code == 200
    session = login.headers["X-BB-SESSION"]
    assert login.json["data"]["X-BB-SESSION"] == session
    zoe = Client(anonymous.app, None, None, session)
    me = zoe.get("/me").json["data"]
    assert (me["user"]["name"], me["visibleByFriends"]) == ("zoe", {"x": 1})
    assert (me["id"], me["signUpDate"]) == (data["id"], data["signUpDate"])
    assert zoe.post("/logout/token-z").json["data"] == "pushToken: token-z logged out"
    assert zoe.get("/me").json["bb_code"] == "40101"
    again = anonymous.post("/user", {"username": "zoe", "password": "q"})
    assert (again.status_code, again.json["message"]) == (400, "Error signing up")


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ({"password": "p"}, 400, "The 'username' field is missing"),
        ({"username": "u"}, 400, "The 'password' field is missing"),
        ({"username": "u", "password": ""}, 422, "The password field cannot be empty"),
    ],
)
def test_a_sign_up_lacks_something(anonymous: Client, body: Any, status: int, said: str) -> None:
    answer = anonymous.post("/user", body)

    assert (answer.status_code, answer.json["message"]) == (status, said)


@pytest.mark.parametrize(
    ("change", "status", "said"),
    [
        ({"password": "x"}, 401, "user ann unauthorized"),
        ({"username": "x"}, 401, "user x unauthorized"),
        ({"appcode": "x"}, 400, "user ann unauthorized"),
        ({"appcode": ""}, 400, "user ann unauthorized"),
        *(({"login_data": data}, 400, "login_data field is not a valid JSON string")
          for data in ("{", "[]", "{}", '{"os":"ios"}', '{"pushToken":"t"}', '{"os":1,"pushToken":"t"}', {"os": "i"})),
    ],
)  # fmt: skip
def test_a_login_is_wrong(
    anonymous: Client, ann: Client, appends_nothing: Any, change: dict[str, Any], status: int, said: str
) -> None:
    body = {"username": "ann", "password": "secret ann", "appcode": anonymous.appcode, **change}

    with appends_nothing():
        answer = anonymous.post("/login", body)
    assert (answer.status_code, answer.json["message"]) == (status, said)


@pytest.mark.parametrize("key", ["deviceId", "pushToken"])
def test_a_login_brings_a_device(anonymous: Client, services: Services, app_id: UUID, key: str) -> None:
    name, token = f"bringing-{key}", f"brought-by-{key}"
    anonymous.signed_up(name)
    data = json.dumps({"os": "android", key: token})
    body = {"username": name, "password": "secret " + name, "appcode": anonymous.appcode, "login_data": data}

    assert anonymous.post("/login", body).status_code == 200
    assert _user_of(services, app_id, token) == name


def _user_of(services: Services, app_id: UUID, token: str) -> str | None:
    with services.readers.connection() as connection:
        found = devices.list_devices(connection, app_id, DeviceFilter(registered=True)).items
    return next((one.user_name for one in found if one.token == token), None)
