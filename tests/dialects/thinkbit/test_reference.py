"""The example requests of the product's document, with credentials of ours in place of theirs."""

from __future__ import annotations

import re
from uuid import UUID

import pytest
from flask import Flask

from dialects.thinkbit.client import Client
from tocsin.api.services import Services
from tocsin.projections.devices import device_by_number

TOKEN = (
    "fIAe0YS9S1-FyQDlQ24Edu:APA91bF2NDdGgK8UR26uSFvXw2RSXGJ2A1o57f2yh_iDSQ8gYbszgPEcWnanlQCeYO7okp6XNqEVwtjMSVz8R"
    "QPNpMtzb4vseRKGov5Wm6PkpK5gDy30SkzrtnjIvCO4nHqTpfmjL2wo"
)
DATE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d")
CRON = {"X-Appengine-Cron": "true", "X-Forwarded-For": "10.0.0.1"}
INVALID = "The given data was invalid."


def test_a_device_is_added_and_removed(client: Client, services: Services, app_id: UUID) -> None:
    added = client.add(TOKEN, Accept="application/json")

    assert added.status_code == 201
    assert added.content_type == "application/json"
    assert list(added.json) == ["id", "user_id", "registration_id", "created_at", "updated_at"]
    assert added.json["user_id"] == client.user_id
    assert added.json["registration_id"] == TOKEN
    assert DATE.fullmatch(added.json["created_at"])
    assert DATE.fullmatch(added.json["updated_at"])
    with services.readers.connection() as connection:
        device = device_by_number(connection, app_id, added.json["id"])
    assert device is not None
    caller = services.record.load(device.device_id)[0].actor
    assert (caller.dialect, caller.address) == ("thinkbit", "127.0.0.1")
    assert caller.credential is not None

    removed = client.remove(TOKEN, Accept="application/json")

    assert removed.status_code == 204
    assert removed.data == b""
    assert "Content-Type" not in removed.headers


@pytest.mark.parametrize("method", ["POST", "DELETE"])
def test_a_registration_id_is_required(client: Client, method: str) -> None:
    answer = client.call(method, {})

    assert answer.status_code == 422
    assert answer.json == {
        "message": INVALID,
        "errors": {"registration_id": ["The registration id field is required."]},
    }


@pytest.mark.parametrize("more", [{}, {"Accept": "application/json", "Content-Type": "application/json"}])
def test_cron_is_answered_with_nothing(app: Flask, client: Client, more: dict[str, str]) -> None:
    answer = app.test_client().get("/api/cron", headers={**CRON, **more})

    assert answer.status_code == 204
    assert answer.data == b""


def test_cron_needs_its_header_before_its_address(app: Flask) -> None:
    for headers in ({}, {"X-Appengine-Cron": "True"}, {"X-Forwarded-For": "10.0.0.1"}):
        answer = app.test_client().get("/api/cron", headers=headers)
        assert answer.status_code == 401
        assert answer.json == {"message": "Request did not contain a valid HTTP header."}


@pytest.mark.parametrize("address", [None, "", "110.0.0.12", "10.0.0.11", "x10.0.0.1", "10.0.0.2, 110.0.0.1"])
def test_cron_needs_the_whole_address(app: Flask, address: str | None) -> None:
    headers = {"X-Appengine-Cron": "true"} | ({} if address is None else {"X-Forwarded-For": address})

    answer = app.test_client().get("/api/cron", headers=headers)

    assert answer.status_code == 403
    assert answer.json == {"message": "Cron request did not come from a valid IP address."}


def test_cron_finds_its_address_among_the_proxies(app: Flask) -> None:
    answer = app.test_client().get("/api/cron/", headers={**CRON, "X-Forwarded-For": "192.0.2.1, 10.0.0.1"})

    assert answer.status_code == 204
