"""Whatever a client sends, it is answered with one of Moxie's own answers, never with a fault of ours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import schemathesis
from hypothesis import given
from hypothesis import strategies as st
from schemathesis import GenerationMode

from dialects.fuzzing import FAULTLESS, HEADER_VALUES, PATHS, Entitled, operations, tries, values
from dialects.moxie.client import DATE, NONCE, Client, sign
from tocsin.api.dialects.moxie.openapi import document

QUICK = tries(40)
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
VALUES = values(st.just("2014-01-10T11:49:55"))
BODIES = st.binary() | st.dictionaries(st.sampled_from(MEMBERS), VALUES) | VALUES

OPERATIONS = operations(document())


@pytest.fixture(scope="module")
def described(client: Client) -> Any:
    def signed(environ: Mapping[str, Any]) -> dict[str, str]:
        url = f"http://{environ['HTTP_HOST']}{environ['REQUEST_URI']}"
        digest = sign(client.secret, environ["REQUEST_METHOD"], url)
        key = {"HTTP_X_MOXIE_KEY": client.key, "HTTP_X_HMAC_NONCE": NONCE, "HTTP_DATE": DATE}
        return {**key, "HTTP_AUTHORIZATION": digest}

    return schemathesis.openapi.from_wsgi("/notifications/openapi.json", Entitled(client.app, signed))


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
    case.call_and_validate(checks=FAULTLESS)


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
       value=HEADER_VALUES)  # fmt: skip
def test_no_header_is_a_fault_of_ours(client: Client, header: str, value: str) -> None:
    answer = client.call("POST", "/notifications", {"message": "m"}, **{header: value})

    assert answer.status_code in (201, 400, 401, 406, 409)
    assert isinstance(answer.json, dict)


@QUICK
@given(target=PATHS, query=st.binary())
def test_no_address_is_a_fault_of_ours(client: Client, target: str, query: bytes) -> None:
    for method in ("GET", "POST", "DELETE", "PUT", "OPTIONS"):
        answer = client.app.test_client().open(
            f"/notifications/{target}", method=method, query_string=query.decode("latin-1"), data=b"{}"
        )
        assert answer.status_code in (200, 400, 401, 404, 405), answer.text
        assert answer.status_code == 200 or isinstance(answer.json, dict)
