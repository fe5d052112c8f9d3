"""Whatever a client sends, it is answered with one of TwinPush's own answers, never with a fault of ours."""

from __future__ import annotations

from typing import Any

import pytest
import schemathesis
from hypothesis import given
from hypothesis import strategies as st
from schemathesis import GenerationMode

from dialects.fuzzing import FAULTLESS, HEADER_VALUES, PATHS, Entitled, operations, tries, values
from dialects.twinpush.client import TARGETS, Client
from tocsin.api.dialects.twinpush.openapi import description
from tocsin.api.dialects.twinpush.translation import ATTRIBUTES, TOKENS

QUICK = tries(15)
LONGER = tries(60)
OPERATIONS = operations(description())
ROUTES = [
    ("POST", "devices/register"),
    ("PUT", "devices/{device}"),
    ("POST", "devices/{device}/update_badge"),
    ("POST", "devices/{device}/open_app"),
    ("POST", "devices/{device}/close_app"),
    ("POST", "devices/{device}/report_statistics"),
    ("POST", "devices/{device}/set_custom_property"),
    ("POST", "devices/{device}/search_notifications"),
    ("POST", "devices/{device}/notifications/{notification}/open_notification"),
    ("POST", "notifications"),
    ("POST", "notifications/{notification}/deliveries"),
]
MEMBERS = (
    *ATTRIBUTES,
    *TOKENS,
    *sorted(TARGETS),
    "udid",
    "platform",
    "device_id",
    "alias_device",
    "badge",
    "open_at",
    "closed_at",
    "device",
    "latitude",
    "longitude",
    "type",
    "value",
    "page",
    "per_page",
    "no_tags",
    "alert",
    "title",
    "url",
    "custom_properties",
    "tags",
    "send_since",
    "delivery_speed",
    "name",
    "group_name",
    "inbox",
    "notification",
    "values",
)
LIKELY = ("+1", "ios", "instant", "2030-01-31 12:00:00 +0000", "enum", "9" * 30, "true")
NAMES = st.text() | st.sampled_from(MEMBERS)
VALUES = values(st.sampled_from(LIKELY), NAMES)
BODIES = st.binary() | st.dictionaries(st.sampled_from(MEMBERS), VALUES) | VALUES


@pytest.fixture(scope="module")
def described(client: Client) -> Any:
    tokens = {
        "HTTP_X_TWINPUSH_REST_API_TOKEN": client.api_token,
        "HTTP_X_TWINPUSH_REST_API_KEY_CREATOR": client.creator_token,
    }
    return schemathesis.openapi.from_wsgi("/api/v2/openapi.json", Entitled(client.app, lambda _: tokens))


@pytest.fixture(scope="module")
def known(client: Client) -> dict[str, str]:
    """A device and a notification it was sent."""
    device = client.register()["id"]
    return {"app": client.app_id, "device": device, "notification": client.create(devices_ids=[device])["id"]}


@pytest.mark.parametrize("mode", list(GenerationMode))
@pytest.mark.parametrize(("path", "method"), OPERATIONS)
@QUICK
@given(data=st.data())
def test_everything_is_answered_as_the_document_says(
    described: Any, known: dict[str, str], path: str, method: str, mode: GenerationMode, data: st.DataObject
) -> None:
    case = data.draw(described[path][method].as_strategy(generation_mode=mode))
    # Most of what is asked is of this app, and half of it about something that is there.
    whole = method != "delete" and data.draw(st.booleans())
    chosen = set(known) if whole else {"app"}
    case.path_parameters = {
        name: known[name] if name in chosen else value for name, value in case.path_parameters.items()
    }
    case.call_and_validate(checks=FAULTLESS)


@pytest.mark.parametrize(("method", "route"), ROUTES)
@LONGER
@given(body=BODIES)
def test_no_body_is_a_fault_of_ours(client: Client, known: dict[str, str], method: str, route: str, body: Any) -> None:
    answer = client.call(method, route.format(**known), body)

    assert answer.status_code in (200, 404, 406, 422), answer.text
    assert isinstance(answer.json, dict)


@LONGER
@given(header=st.sampled_from(["X-TwinPush-REST-API-Token", "X-TwinPush-REST-API-Key-Creator", "Accept", "Host",
                               "Idempotency-Key", "Prefer", "X-Forwarded-For", "X-Request-ID", "Content-Type"]),
       value=HEADER_VALUES)  # fmt: skip
def test_no_header_is_a_fault_of_ours(client: Client, header: str, value: str) -> None:
    answer = client.post("notifications", {"alert": "Hello", "devices_aliases": ["nobody"]}, **{header: value})

    assert answer.status_code in (200, 403, 406, 422), answer.text
    assert isinstance(answer.json, dict)


@QUICK
@given(target=PATHS, query=st.binary())
def test_no_address_is_a_fault_of_ours(client: Client, target: str, query: bytes) -> None:
    for root in ("/api/v2/", f"/api/v2/apps/{client.app_id}/", f"/api/v2/apps/{client.app_id}/devices/"):
        for method in ("GET", "POST", "DELETE", "PUT", "OPTIONS"):
            answer = client.app.test_client().open(
                root + target, method=method, query_string=query.decode("latin-1"), data=b"{}"
            )
            assert answer.status_code in (200, 204, 403, 404, 405, 422), answer.text
