"""Whatever a client sends, it is answered with one of Moxie's own answers, never with a fault of ours."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from dialects.moxie.client import DATE, NONCE, Client, sign
from tocsin.api.dialects.moxie.openapi import document

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
QUICK = settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
ROUTES = [
    ("POST", "/notifications"),
    ("POST", "/notifications/{}"),
    ("POST", "/notifications/{}/followup"),
    ("POST", "/notifications/{}/followup/1"),
    ("POST", "/push"),
    ("POST", "/notifications/register/gcm"),
    ("POST", "/notifications/register/apns"),
]
MEMBERS = ("message", "timestamp", "expires", "url", "label", "notification", "registration_id", "device_token")
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just("2014-01-10T11:49:55"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
BODIES = st.binary() | st.dictionaries(st.sampled_from(MEMBERS), VALUES) | VALUES

OPERATIONS = [
    (path, method)
    for path, operations in document()["paths"].items()
    for method in operations
    if method in ("get", "post", "delete")
]


class Signing:
    """The app, with every request signed on its way in."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        url = f"http://{environ['HTTP_HOST']}{environ['REQUEST_URI']}"
        digest = sign(self._client.secret, environ["REQUEST_METHOD"], url)
        signed = {"HTTP_X_MOXIE_KEY": self._client.key, "HTTP_X_HMAC_NONCE": NONCE, "HTTP_DATE": DATE}
        return self._client.app({**environ, **signed, "HTTP_AUTHORIZATION": digest}, start_response)


@pytest.fixture(scope="module")
def described(client: Client) -> Any:
    return schemathesis.openapi.from_wsgi("/notifications/openapi.json", Signing(client))


@pytest.fixture(scope="module")
def ident(client: Client) -> str:
    """A notification with a follow-up, which stays whatever is done to others."""
    made = client.create()
    client.post(f"/notifications/{made}/followup", {"message": "m"})
    return made


@pytest.mark.parametrize("mode", list(GenerationMode))
@pytest.mark.parametrize(("path", "method"), OPERATIONS)
@QUICK
@given(data=st.data())
def test_everything_is_answered_as_the_document_says(
    described: Any, ident: str, path: str, method: str, mode: GenerationMode, data: st.DataObject
) -> None:
    case = data.draw(described[path][method].as_strategy(generation_mode=mode))
    # Half of what is asked is about something that is there.
    if case.path_parameters and method != "delete" and data.draw(st.booleans()):
        case.path_parameters = {name: ident if name == "ident" else "1" for name in case.path_parameters}
    case.call_and_validate(checks=CHECKS)


@pytest.mark.parametrize(("method", "route"), ROUTES)
@QUICK
@given(body=BODIES)
def test_no_body_is_a_fault_of_ours(client: Client, ident: str, method: str, route: str, body: Any) -> None:
    answer = client.call(method, route.format(ident), body)

    assert answer.status_code in (200, 201, 202, 400)
    assert isinstance(answer.json, dict)


@QUICK
@given(header=st.sampled_from(["X-Moxie-Key", "Authorization", "Date", "X-HMAC-Nonce", "Accept", "Host", "Origin",
                               "Idempotency-Key", "Prefer", "X-Forwarded-For", "X-Request-ID", "Content-Type"]),
       value=st.text(st.characters(max_codepoint=255, exclude_characters="\r\n")))  # fmt: skip
def test_no_header_is_a_fault_of_ours(client: Client, header: str, value: str) -> None:
    answer = client.call("POST", "/notifications", {"message": "m"}, **{header: value})

    assert answer.status_code in (201, 400, 401, 406, 409)
    assert isinstance(answer.json, dict)


@QUICK
@given(target=st.text(st.characters(max_codepoint=255, exclude_characters="\r\n?#")), query=st.binary())
def test_no_address_is_a_fault_of_ours(client: Client, target: str, query: bytes) -> None:
    for method in ("GET", "POST", "DELETE", "PUT", "OPTIONS"):
        answer = client.app.test_client().open(
            f"/notifications/{target}", method=method, query_string=query.decode("latin-1"), data=b"{}"
        )
        assert answer.status_code in (200, 400, 401, 404, 405), answer.text
        assert answer.status_code == 200 or isinstance(answer.json, dict)
