"""Whatever a client sends, it is answered with one of this API's own answers, never with a fault of ours."""

from __future__ import annotations

from typing import Any

import pytest
import schemathesis
from hypothesis import given
from hypothesis import strategies as st
from schemathesis import GenerationMode

from dialects.fuzzing import FAULTLESS, HEADER_VALUES, PATHS, Entitled, operations, tries, values
from dialects.mobilefirst.client import Client
from tocsin.api.dialects.mobilefirst.openapi import document

QUICK = tries(12)
QUICKER = tries(5)
"""For the many operations of the document."""

STATUSES = (200, 201, 202, 204, 207, 400, 401, 404, 405, 409, 413)
ROUTES = [
    ("POST", "/devices"),
    ("PUT", "/devices/fuzzed"),
    ("POST", "/tags"),
    ("PUT", "/tags/fuzzed"),
    ("POST", "/subscriptions"),
    ("POST", "/subscriptions?action=delete"),
    ("POST", "/messages"),
    ("POST", "/messages/bulk"),
    ("PUT", "/messages/fuzzed"),
    ("PUT", "/settings/gcmConf"),
    ("PUT", "/settings/wnsConf"),
    ("PUT", "/settings/smsConf"),
    ("POST", "/webhooks"),
    ("PUT", "/webhooks/fuzzed"),
    ("PUT", "/status"),
]
MEMBERS = (
    "deviceId", "token", "platform", "userId", "phoneNumber", "name", "description", "tagName", "tagNames", "message",
    "alert", "url", "target", "settings", "apns", "gcm", "wns", "toast", "tile", "badge", "raw", "payload", "visual",
    "binding", "template", "text", "image", "lights", "style", "deviceIds", "platforms", "status", "notificationType",
    "eventTypes", "events", "senderId", "apiKey", "serviceAccount", "packageSID", "clientSecret", "host", "port",
    "parameters",
)  # fmt: skip
NAMES = st.sampled_from(MEMBERS) | st.text(max_size=5)
WORDS = st.sampled_from(["fuzzed", "A", "G", "\0", "OPEN"])
VALUES = values(WORDS, NAMES, members=4, leaves=8)
BODIES = st.binary() | st.dictionaries(st.sampled_from(MEMBERS), VALUES) | VALUES
OPERATIONS = operations(document())
CASES = [
    (path, method, mode)
    for path, method in OPERATIONS
    for mode in GenerationMode
    # Where nothing is to be said, nothing can be said wrongly.
    if not (path.endswith("/health/status") and mode is GenerationMode.NEGATIVE)
]


@pytest.fixture(scope="module")
def known(of_instance: Client) -> dict[str, str]:
    """A device, a tag and a message that are there, in an application that stays."""
    of_instance.register("fuzzed")
    of_instance.post("/tags", {"name": "fuzzed"})
    hook = {"name": "fuzzed", "url": "https://example.org/hook", "eventTypes": "*"}
    assert of_instance.post("/webhooks", hook).status_code == 201
    sent = of_instance.post("/messages", {"message": {"alert": "fuzzed"}}).json
    (subscription, *_) = of_instance.get("/subscriptions?deviceId=fuzzed").json["subscriptions"]
    return {
        "applicationId": of_instance.application,
        "deviceId": "fuzzed",
        "name": "fuzzed",
        "messageId": sent["messageId"],
        "subscriptionId": subscription["subscriptionId"],
    }


@pytest.fixture(scope="module")
def described(of_instance: Client) -> Any:
    app = Entitled(of_instance.app, lambda _: {"HTTP_AUTHORIZATION": f"Bearer {of_instance.token()}"})
    return schemathesis.openapi.from_wsgi("/imfpush/v1/swagger.json", app)


@pytest.mark.parametrize(("path", "method", "mode"), CASES)
@QUICKER
@given(data=st.data())
def test_everything_is_answered_as_the_document_says(
    described: Any, known: dict[str, str], path: str, method: str, mode: GenerationMode, data: st.DataObject
) -> None:
    case = data.draw(described[path][method].as_strategy(generation_mode=mode))
    # Most of what is asked is about something that is there, and nothing that stays is taken away.
    if case.path_parameters and not (method == "delete" and path.endswith("/{applicationId}")):
        there = {name: known[name] for name in case.path_parameters}
        kept = {"applicationId": known["applicationId"]} if method == "delete" else there
        if data.draw(st.integers(0, 3)):
            case.path_parameters = {**case.path_parameters, **kept}
    case.call_and_validate(checks=FAULTLESS)


@pytest.mark.parametrize(("method", "route"), ROUTES)
@QUICK
@given(body=BODIES)
def test_no_body_is_a_fault_of_ours(client: Client, method: str, route: str, body: Any) -> None:
    answer = client.call(method, route, body)

    assert answer.status_code in STATUSES, answer.text
    assert isinstance(answer.json, dict | list)


@QUICK
@given(header=st.sampled_from(["Authorization", "appSecret", "clientSecret", "Accept", "Host", "Origin", "User-Agent",
                               "Idempotency-Key", "Prefer", "X-Forwarded-For", "X-Request-ID", "Content-Type"]),
       value=HEADER_VALUES)  # fmt: skip
def test_no_header_is_a_fault_of_ours(client: Client, header: str, value: str) -> None:
    body = {"deviceId": "headers", "platform": "G", "token": "headers"}
    answer = client.call("POST", "/devices", body, **{header: value})

    assert answer.status_code in (201, 400, 401, 405, 406)
    assert isinstance(answer.json, dict)


@QUICK
@given(target=PATHS, query=st.binary())
def test_no_address_is_a_fault_of_ours(client: Client, target: str, query: bytes) -> None:
    for method in ("GET", "POST", "DELETE", "PUT", "OPTIONS"):
        for root in (f"/imfpush/v1/apps/{client.application}/tags/", "/imfpush/v1/", "/mfp/"):
            answer = client.app.test_client().open(
                root + target,
                method=method,
                query_string=query.decode("latin-1"),
                data=b"{}",
                headers={"Authorization": f"Bearer {client.token()}"},
            )
            assert answer.status_code in (200, 204, 400, 401, 404, 405, 406), answer.text


@QUICK
@given(scheme=st.sampled_from(["Basic", "Bearer", "basic", ""]), value=st.text(max_size=20), body=st.binary())
def test_no_question_for_a_token_is_a_fault_of_ours(client: Client, scheme: str, value: str, body: bytes) -> None:
    for path in ("/mfp/api/az/v1/token", "/identity/token"):
        for data in (body, {"grant_type": value, "scope": value, "apikey": value}):
            answer = client.app.test_client().post(
                path, data=data, headers={"Authorization": f"{scheme} {value!a}", "Accept": "*/*"}
            )
            assert answer.status_code in (200, 400, 401), answer.text
            assert "error" in answer.json or "access_token" in answer.json
