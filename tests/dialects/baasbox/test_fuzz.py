"""Whatever a client sends, it is answered in BaasBox's envelope as the document says, never with a fault of ours."""

from __future__ import annotations

from typing import Any

import pytest
import schemathesis
from hypothesis import given
from hypothesis import strategies as st
from schemathesis import GenerationMode

from dialects.baasbox.client import Client
from dialects.fuzzing import CONFORMING, CONTENT_TYPES, HEADER_VALUES, PATHS, operations, tries, values
from tocsin.api.dialects.baasbox.openapi import document

QUICK = tries(25)
OPERATIONS = operations(document())
KNOWN = {"username": "ann", "key": "profile1.push.apple.timeout"}
VALUES = values()
MEMBERS = ("message", "users", "profiles", "sound", "badge", "custom", "time_to_live", "localizedArguments",
           "username", "password", "appcode", "login_data", "value", "visibleByFriends", "collapse_key")  # fmt: skip
BODIES = st.binary() | VALUES | st.dictionaries(st.sampled_from(MEMBERS), VALUES)
VALID = st.fixed_dictionaries({"message": st.text(), "users": st.just(["ann"])}, optional={
    "custom": VALUES, "sound": st.text(), "badge": st.integers() | st.floats(), "collapse_key": st.text(),
    "localizedKey": st.text(), "time_to_live": st.integers() | st.floats(), "category": st.text()})  # fmt: skip


@pytest.fixture(scope="module")
def credentials(anonymous: Client, admin: Client) -> dict[str, str]:
    """The administrator's, by a session that nothing here ends."""
    assert admin.user is not None
    username, password = admin.user
    form = {"username": username, "password": password, "appcode": admin.appcode}
    session = anonymous.post("/login", form).json["data"]["X-BB-SESSION"]
    return {"X-BB-SESSION": session, "X-BAASBOX-APPCODE": str(admin.appcode)}


@pytest.fixture(scope="module")
def described(admin: Client) -> Any:
    return schemathesis.openapi.from_wsgi("/push/openapi.json", admin.app)


@pytest.mark.parametrize("mode", list(GenerationMode))
@pytest.mark.parametrize(("path", "method"), OPERATIONS)
@QUICK
@given(data=st.data())
def test_everything_is_answered_as_the_document_says(
    described: Any,
    credentials: dict[str, str],
    ann: Client,
    path: str,
    method: str,
    mode: GenerationMode,
    data: st.DataObject,
) -> None:
    case = data.draw(described[path][method].as_strategy(generation_mode=mode))
    # Half of what is asked is about something that is there, and most of it by somebody who may.
    if data.draw(st.booleans()):
        case.path_parameters = {name: KNOWN.get(name, value) for name, value in (case.path_parameters or {}).items()}
        if path == "/login" and isinstance(case.body, dict):
            case.body |= {"username": "ann", "password": "secret ann", "appcode": credentials["X-BAASBOX-APPCODE"]}
    headers = credentials if data.draw(st.integers(0, 3)) else {}
    if path.startswith("/logout"):
        # Or all that follows would be refused.
        headers = {**headers, "X-BB-SESSION": "ended"}
    # 503 is an answer of this API's own, for what is not configured.
    case.call_and_validate(checks=CONFORMING, headers=headers)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/push/message"),
        ("POST", "/push/message/ann"),
        ("POST", "/user"),
        ("POST", "/login"),
        ("PUT", "/admin/configuration/Push/profile1.push.apple.timeout"),
        ("PUT", "/admin/configuration/Push/profile3.production.android.api.key"),
        ("PUT", "/admin/configuration/Push/profile3.production.ios.certificate"),
        ("PUT", "/admin/configuration/Push/profile3.production.ios.certificate.password"),
    ],
)
@QUICK
@given(body=BODIES | VALID, kind=CONTENT_TYPES)
def test_no_body_is_a_fault_of_ours(admin: Client, ann: Client, method: str, path: str, body: Any, kind: str) -> None:
    for sent in ("application/json", kind):
        answer = admin.call(method, path, body, Content_Type=sent)
        assert answer.status_code != 500, answer.text
        assert answer.json["http_code"] == answer.status_code


@QUICK
@given(system=st.text(min_size=1), token=st.text(min_size=1))
def test_no_device_is_a_fault_of_ours(ann: Client, system: str, token: str) -> None:
    for path in (f"/push/enable/{system}/{token}", f"/push/disable/{token}", f"/push/message/{token}"):
        assert ann.put(path).status_code in (200, 400, 404)


@QUICK
@given(header=st.sampled_from(["X-BB-SESSION", "X-BAASBOX-APPCODE", "Authorization", "Accept", "Host", "Origin",
                               "Idempotency-Key", "Prefer", "X-Forwarded-For", "X-Request-ID", "Content-Type"]),
       value=HEADER_VALUES)  # fmt: skip
def test_no_header_is_a_fault_of_ours(admin: Client, header: str, value: str) -> None:
    answer = admin.call("POST", "/push/message", {"message": "m", "users": []}, **{header: value})

    assert answer.status_code in (200, 400, 401)
    assert answer.json["http_code"] == answer.status_code


@QUICK
@given(target=PATHS, query=st.binary())
def test_no_address_is_a_fault_of_ours(admin: Client, target: str, query: bytes) -> None:
    for method, root in (("GET", "/baas/"), ("POST", "/push/message/"), ("PUT", "/admin/configuration/Push/")):
        answer = admin.app.test_client().open(
            root + target, method=method, query_string=query.decode("latin-1"), data=b"{}"
        )
        assert answer.status_code in (400, 401, 404), answer.text
        assert answer.json["http_code"] == answer.status_code
