"""Who may call, in the order it is checked; each error of the table; nothing a client sends is a fault of ours."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dialects.baasbox.client import Client

QUICK = settings(
    max_examples=30, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)


@pytest.mark.parametrize(
    ("headers", "status", "bb_code"),
    [
        ({"X-BAASBOX-APPCODE": None, "Authorization": None}, 400, None),
        ({"Authorization": None}, 401, None),
        ({"X-BAASBOX-APPCODE": None}, 400, None),
        ({"X-BAASBOX-APPCODE": "wrong"}, 400, None),
        ({"X-BB-SESSION": "unknown"}, 401, "40101"),
        ({"Authorization": "Basic ###"}, 401, "40101"),
        ({"Authorization": "Basic YWRtaW46d3Jvbmc="}, 401, None),
        ({}, 200, None),
    ],
)
def test_who_calls_is_checked_in_this_order(
    admin: Client, headers: dict[str, str | None], status: int, bb_code: str | None
) -> None:
    answer = admin.get("/me", **headers)

    assert (answer.status_code, answer.json["http_code"], answer.json.get("bb_code")) == (status, status, bb_code)


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


def test_no_credential_and_no_token_is_repeated(admin: Client) -> None:
    answer = admin.call("DELETE", "/push/enable/ios/my-token", X_BB_SESSION="my-session")

    assert answer.status_code == 404
    for secret in ("my-token", "my-session", str(admin.appcode)):
        assert secret not in answer.text


def test_profiles_are_switched_on_only_where_there_is_a_provider(admin: Client, ann: Client) -> None:
    path = "/admin/configuration/Push/profile{}.push.{}.enable"
    assert ann.get(path.format(1, "profile")).status_code == 403
    assert admin.put(path.format(2, "profile"), {"value": "true"}).json["bb_code"] == "50301"
    assert admin.put(path.format(1, "sandbox"), {"value": "true"}).json["bb_code"] == "50306"
    assert admin.put(path.format(1, "profile"), {"value": "true"}).status_code == 200
    assert admin.get(path.format(1, "profile")).json["data"] == {"profile1.push.profile.enable": "true"}


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
MEMBERS = ("message", "users", "profiles", "sound", "badge", "custom", "time_to_live", "localizedArguments",
           "username", "password", "appcode", "login_data", "value", "visibleByFriends", "collapse_key")  # fmt: skip
BODIES = st.binary() | VALUES | st.dictionaries(st.sampled_from(MEMBERS), VALUES)
VALID = st.fixed_dictionaries({"message": st.text(), "users": st.just(["ann"])}, optional={
    "custom": VALUES, "sound": st.text(), "badge": st.integers() | st.floats(), "collapse_key": st.text(),
    "localizedKey": st.text(), "time_to_live": st.integers() | st.floats(), "category": st.text()})  # fmt: skip


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/push/message"),
        ("POST", "/push/message/ann"),
        ("POST", "/user"),
        ("POST", "/login"),
        ("PUT", "/admin/configuration/Push/profile1.push.apple.timeout"),
        ("PUT", "/admin/configuration/Push/profile3.production.android.api.key"),
    ],
)
@QUICK
@given(body=BODIES | VALID)
def test_no_body_is_a_fault_of_ours(admin: Client, ann: Client, method: str, path: str, body: Any) -> None:
    answer = admin.call(method, path, body)

    assert answer.status_code != 500, answer.text
    assert answer.json["http_code"] == answer.status_code


@QUICK
@given(system=st.text(min_size=1), token=st.text(min_size=1))
def test_no_device_is_a_fault_of_ours(ann: Client, system: str, token: str) -> None:
    for path in (f"/push/enable/{system}/{token}", f"/push/disable/{token}", f"/push/message/{token}"):
        assert ann.put(path).status_code in (200, 400, 404)
