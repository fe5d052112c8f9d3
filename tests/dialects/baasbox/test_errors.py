"""Who may call, in the order it is checked; and each error of the table, in its words."""

from __future__ import annotations

from typing import Any

import pytest

from dialects.baasbox.client import Client

MESSAGES = {
    "40011": "The body payload cannot be empty.",
    "40020": "The body payload doesn't contain the 'message' key or message is NOT a String",
    "40021": "Push profile invalid. It must be an Array of integer and accepted values are 1,2 or 3",
    "40022": "Users MUST be an array of String",
    "40023": "The body payload doesn't contain key users",
    "40024": "Sound value MUST be a String",
    "40025": "Badge value MUST be a number",
    "40026": "ActionLocalizedKey MUST be a String",
    "40027": "LocalizedKey MUST be a String",
    "40028": "LocalizedArguments MUST be an Array of String",
    "40029": "Collapse_key MUST be a String",
    "40030": "Time_to_live MUST be a positive number or equal zero",
    "40031": "Content-available MUST be an Integer (1 for silent notification)",
    "40032": "Category MUST be a String",
    "40101": "Authentication info not valid or not provided. HINT: is your session expired?",
    "50301": "Push settings are not properly configured. HINT: go to administration console and check the settings",
    "50305": "Push app disabled, one or more app are disabled",
}
"""Clients and their tests look for these very words."""


@pytest.mark.parametrize(
    ("headers", "status", "said"),
    [
        ({"X-BAASBOX-APPCODE": None, "Authorization": None}, 400,
         "Missing Session Token, Authorization info and even the AppCode"),
        ({"Authorization": None}, 401, "Missing both Session Token and Authorization info"),
        ({"X-BAASBOX-APPCODE": None}, 400, "Invalid App Code. AppCode is empty or not set"),
        ({"X-BAASBOX-APPCODE": "wrong"}, 400, "Authentication info not valid or not provided: Invalid App Code"),
        ({"Authorization": "Basic YWRtaW46d3Jvbmc="}, 401, "User admin is not authorized to access"),
    ],
)  # fmt: skip
def test_who_calls_is_checked_in_this_order(
    admin: Client, headers: dict[str, str | None], status: int, said: str
) -> None:
    answer = admin.get("/me", **headers)

    assert (answer.status_code, answer.json["http_code"], answer.json["message"]) == (status, status, said)
    assert "bb_code" not in answer.json


@pytest.mark.parametrize(
    "headers",
    [
        {"X-BB-SESSION": "unknown"},
        {"X-BB-SESSION": "unknown", "X-BAASBOX-APPCODE": None},
        {"X-BB-SESSION": "\xfc"},
        {"Authorization": "Basic ###"},
        {"Authorization": "Bearer abc"},
    ],
)
def test_a_session_that_is_none_and_what_cannot_be_read_tell_a_client_to_sign_in_again(
    admin: Client, headers: dict[str, str | None]
) -> None:
    answer = admin.get("/me", **headers)

    assert (answer.status_code, answer.json["bb_code"], answer.json["message"]) == (401, "40101", MESSAGES["40101"])


def test_the_session_and_the_code_may_stand_in_the_address(admin: Client, ann: Client) -> None:
    bare = Client(ann.app, None)

    assert bare.get(f"/me?X-BB-SESSION={ann.session}").json["data"]["user"]["name"] == "ann"
    assert Client(admin.app, None, admin.user).get(f"/me?X-BAASBOX-APPCODE={admin.appcode}").status_code == 200
    # The session wins.
    assert admin.get("/me", **{"X-BB-SESSION": ann.session}).json["data"]["user"]["name"] == "ann"


@pytest.mark.parametrize(
    ("body", "status", "bb_code"),
    [
        (b"", 400, "40011"),
        (b"null", 400, "40011"),
        (b"{", 400, None),
        ({"users": ["ann"]}, 400, "40020"),
        ({"message": 1}, 400, "40020"),
        ({"message": "m"}, 400, "40023"),
        ({"message": "m", "users": "ann"}, 400, "40022"),
        ({"message": "m", "users": ["ann"], "profiles": ["1"]}, 400, "40021"),
        ({"message": "m", "users": ["ann"], "profiles": [4]}, 400, "40021"),
        ({"message": "m", "users": ["nobody"], "profiles": [2]}, 503, "50305"),
        ({"message": "m", "users": ["ann", "nobody"]}, 404, None),
        ({"message": "m", "users": ["ann", 5]}, 400, "40022"),
        ({"message": "m", "users": ["ann"], "profiles": 1}, 400, "40021"),
        ({"message": "m", "users": ["ann"], "profiles": [1, 2, 3, 4]}, 400, "40021"),
        ({"message": "m", "users": ["ann"], "profiles": [True]}, 400, "40021"),
        ({"message": "m", "users": ["ann"], "sound": 1}, 400, "40024"),
        ({"message": "m", "users": ["ann"], "badge": "1"}, 400, "40025"),
        ({"message": "m", "users": ["ann"], "actionLocalizedKey": 1}, 400, "40026"),
        ({"message": "m", "users": ["ann"], "localizedKey": 1}, 400, "40027"),
        ({"message": "m", "users": ["ann"], "localizedArguments": [1]}, 400, "40028"),
        ({"message": "m", "users": ["ann"], "collapse_key": 1}, 400, "40029"),
        ({"message": "m", "users": ["ann"], "time_to_live": -1}, 400, "40030"),
        ({"message": "m", "users": ["ann"], "content-available": "1"}, 400, "40031"),
        ({"message": "m", "users": ["ann"], "category": 1}, 400, "40032"),
    ],
)
def test_each_error_of_a_push(
    admin: Client, ann: Client, appends_nothing: Any, body: Any, status: int, bb_code: str | None
) -> None:
    with appends_nothing():
        answer = admin.post("/push/message", body)

    assert (answer.status_code, answer.json["result"], answer.json.get("bb_code")) == (status, "error", bb_code)
    assert answer.json["http_code"] == status
    assert bb_code is None or answer.json["message"] == MESSAGES[bb_code]


def test_a_message_is_read_at_the_top_of_the_body_alone(admin: Client, appends_nothing: Any) -> None:
    with appends_nothing():
        answer = admin.post("/push/message", {"custom": {"message": "m"}, "users": []})

    assert answer.json["bb_code"] == "40020"


def test_the_first_user_that_is_not_there_is_told_in_these_words(admin: Client, ann: Client) -> None:
    for answer in (
        admin.post("/push/message", {"message": "m", "users": ["ann", "nobody"]}),
        admin.post("/push/message/nobody", {"message": "m"}),
    ):
        assert (answer.status_code, answer.json["message"]) == (404, "Username not found")


def test_the_older_route_reads_profiles_as_numbers(admin: Client, ann: Client) -> None:
    assert admin.post("/push/message/ann", {"message": "m", "profiles": ["1"]}).status_code == 200


def test_another_content_type_is_refused(admin: Client, ann: Client) -> None:
    assert admin.post("/push/message/ann", {"message": "m"}, Content_Type="text/plain").status_code == 400


def test_what_nothing_answers_is_answered_in_this_shape(admin: Client) -> None:
    answer = admin.get("/no/such/thing?call_id=7")

    assert (answer.status_code, answer.json["message"], answer.json["call_id"]) == (404, "API not found", "7")


@pytest.mark.parametrize(("method", "path"), [("GET", "/push"), ("GET", "/login"), ("DELETE", "/push/device/x/y")])
def test_a_method_that_an_address_does_not_have_is_an_unknown_api(admin: Client, method: str, path: str) -> None:
    answer = admin.call(method, path)

    assert (answer.status_code, answer.json["message"]) == (404, "API not found")
