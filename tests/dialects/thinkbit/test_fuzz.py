"""Whatever a client sends, it is answered with one of the documented answers, never with a fault of ours."""

from __future__ import annotations

from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from dialects.thinkbit.client import Client
from tocsin.api.dialects.thinkbit.openapi import document

QUICK = settings(
    max_examples=40, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)
# A fault of ours (500) is no documented status; 501, for other schemes than Basic, is one.
CHECKS = [status_code_conformance, content_type_conformance, response_schema_conformance]
OPERATIONS = [
    (path, method)
    for path, operations in document()["paths"].items()
    for method in operations
    if method in ("get", "post", "delete")
]
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
BODIES = st.binary() | st.dictionaries(st.just("registration_id"), VALUES) | VALUES
KINDS = st.sampled_from(["application/json", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x",
                         "text/plain", "", "nonsense", "multipart/form-data"])  # fmt: skip


@pytest.fixture(scope="module")
def described(client: Client) -> Any:
    return schemathesis.openapi.from_wsgi("/api/openapi.json", client.app)


@pytest.mark.parametrize("mode", list(GenerationMode))
@pytest.mark.parametrize(("path", "method"), OPERATIONS)
@QUICK
@given(data=st.data())
def test_everything_is_answered_as_the_document_says(
    described: Any, client: Client, path: str, method: str, mode: GenerationMode, data: st.DataObject
) -> None:
    case = data.draw(described[path][method].as_strategy(generation_mode=mode))
    headers = {}
    if case.path_parameters and data.draw(st.booleans()):
        case.path_parameters = {"user": client.user_id}
        headers = {"Authorization": client.authorization}
    case.call_and_validate(checks=CHECKS, headers=headers)


@pytest.mark.parametrize("method", ["POST", "DELETE"])
@QUICK
@given(body=BODIES, kind=KINDS)
def test_no_body_is_a_fault_of_ours(client: Client, method: str, body: Any, kind: str) -> None:
    answer = client.call(method, body, Content_Type=kind)

    assert answer.status_code in (201, 204, 400, 422)
    assert answer.status_code == 204 or isinstance(answer.json, dict)


@QUICK
@given(header=st.sampled_from(["Authorization", "Accept", "Host", "Origin", "Idempotency-Key", "Prefer",
                               "X-Forwarded-For", "X-Request-ID", "Content-Type", "X-Appengine-Cron"]),
       value=st.text(st.characters(max_codepoint=255, exclude_characters="\r\n")))  # fmt: skip
def test_no_header_is_a_fault_of_ours(client: Client, header: str, value: str) -> None:
    answer = client.call("DELETE", {"registration_id": "nobody's"}, **{header: value})

    assert answer.status_code in (400, 401, 422, 501)
    assert isinstance(answer.json, dict)


@QUICK
@given(target=st.text(st.characters(max_codepoint=255, exclude_characters="\r\n?#")), query=st.binary())
def test_no_address_is_a_fault_of_ours(client: Client, target: str, query: bytes) -> None:
    for path in (f"/api/users/{target}/fcm_registration_tokens", f"/api/thinkbit{target}"):
        answer = client.app.test_client().post(path, query_string=query.decode("latin-1"), data=b"{}")
        assert answer.status_code in (401, 404, 422), answer.text
        assert isinstance(answer.json, dict)
