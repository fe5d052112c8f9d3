"""Whatever a client sends, it is answered with one of the documented answers, never with a fault of ours."""

from __future__ import annotations

from typing import Any

import pytest
import schemathesis
from hypothesis import given
from hypothesis import strategies as st
from schemathesis import GenerationMode

from dialects.fuzzing import CONFORMING, CONTENT_TYPES, HEADER_VALUES, PATHS, operations, tries, values
from dialects.thinkbit.client import Client
from tocsin.api.dialects.thinkbit.openapi import document

QUICK = tries(40)
OPERATIONS = operations(document())
VALUES = values()
BODIES = st.binary() | st.dictionaries(st.just("registration_id"), VALUES) | VALUES


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
    # A fault of ours (500) is no documented status; 501, for other schemes than Basic, is one.
    case.call_and_validate(checks=CONFORMING, headers=headers)


@pytest.mark.parametrize("method", ["POST", "DELETE"])
@QUICK
@given(body=BODIES, kind=CONTENT_TYPES)
def test_no_body_is_a_fault_of_ours(client: Client, method: str, body: Any, kind: str) -> None:
    answer = client.call(method, body, Content_Type=kind)

    assert answer.status_code in (201, 204, 400, 422)
    assert answer.status_code == 204 or isinstance(answer.json, dict)


@QUICK
@given(header=st.sampled_from(["Authorization", "Accept", "Host", "Origin", "Idempotency-Key", "Prefer",
                               "X-Forwarded-For", "X-Request-ID", "Content-Type", "X-Appengine-Cron"]),
       value=HEADER_VALUES)  # fmt: skip
def test_no_header_is_a_fault_of_ours(client: Client, header: str, value: str) -> None:
    answer = client.call("DELETE", {"registration_id": "nobody's"}, **{header: value})

    assert answer.status_code in (400, 401, 422, 501)
    assert isinstance(answer.json, dict)


@QUICK
@given(target=PATHS, query=st.binary())
def test_no_address_is_a_fault_of_ours(client: Client, target: str, query: bytes) -> None:
    for path in (f"/api/users/{target}/fcm_registration_tokens", f"/api/thinkbit{target}"):
        answer = client.app.test_client().post(path, query_string=query.decode("latin-1"), data=b"{}")
        assert answer.status_code in (401, 404, 422), answer.text
        assert isinstance(answer.json, dict)
