"""What operators and browsers ask of an instance."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import pytest
from calling import Caller
from flask import Flask

from tocsin.api.app import create_app
from tocsin.api.services import Services
from tocsin.commands.engine import Engine
from tocsin.commands.secrets import SecretChecks
from tocsin.eventlog.record import Record
from tocsin.projections.waiting import Waiter


def test_a_process_that_answers_is_alive(app: Flask) -> None:
    answer = app.test_client().get("/healthz")
    assert (answer.status_code, answer.json) == (200, {"alive": True})


def test_readiness_names_the_part_that_is_wrong(app: Flask, make_services: Callable[..., Services]) -> None:
    assert app.test_client().get("/readyz").json == {"ready": True, "parts": {"database": None}}
    parts = {"database": None, "read model devices_v1": "20000 positions behind"}
    answer = create_app(make_services(readiness=lambda: parts)).test_client().get("/readyz")
    assert (answer.status_code, answer.json) == (503, {"ready": False, "parts": parts})


def test_measurements_count_requests_by_route_and_never_by_id(campus: Caller, record: Record) -> None:
    device = campus.post("/devices", {"platform": "ios"}).json["device_id"]
    campus.get(f"/devices/{device}")
    campus.get("/no/such/route")
    text = campus.app.test_client().get("/metrics").text
    assert device not in text
    route = 'method="GET",route="/v1/apps/<uuid:app_id>/devices/<uuid:device_id>"'
    assert f'tocsin_http_requests_total{{{route},status="200"}} 1.0' in text
    assert f"tocsin_http_request_seconds_count{{{route}}} 1.0" in text
    assert 'route="unmatched",status="404"' in text
    assert f"tocsin_record_position {float(record.head().position)}" in text
    assert 'tocsin_projection_lag{projection="devices_v1"}' in text
    assert "tocsin_sends_open 0.0" in text
    assert "tocsin_sends_unplanned 0.0" in text


def test_methods_that_nobody_knows_are_counted_as_one(app: Flask) -> None:
    client = app.test_client()
    for number in range(3):
        assert client.open("/healthz", method=f"BREW{number}").status_code == 405
    text = client.get("/metrics").text
    assert 'tocsin_http_requests_total{method="other",route="unmatched",status="405"} 3.0' in text
    assert "BREW" not in text


def test_measurements_outlive_a_database_that_is_away(database_url: str, key_file: Path, waiter: Waiter) -> None:
    record = Record.open(database_url, key_file)
    engine = Engine(record)
    services = Services(engine=engine, checks=SecretChecks(engine), waiter=waiter, readiness=dict)
    client = create_app(services).test_client()
    assert "tocsin_database_up 1.0" in client.get("/metrics").text
    record.close()
    answer = client.get("/metrics")
    assert answer.status_code == 200
    assert "tocsin_database_up 0.0" in answer.text
    assert 'tocsin_http_requests_total{method="GET",route="/metrics",status="200"} 1.0' in answer.text
    assert "tocsin_record_position" not in answer.text


def test_open_sends_are_counted(campus: Caller) -> None:
    campus.post("/devices", {"platform": "ios"})
    campus.post("/sends", {"message": {"title": "x"}, "audience": {"everyone": True}})
    assert "tocsin_sends_open 1.0" in campus.app.test_client().get("/metrics").text


def test_the_first_page_leads_to_the_apis_and_needs_nothing_from_elsewhere(app: Flask) -> None:
    for address in ("/", "/docs"):
        page = app.test_client().get(address)
        assert page.content_type == "text/html; charset=utf-8"
        assert "/openapi.json" in page.text
        assert "://" not in page.text.replace("<!doctype html>", "")


def test_a_request_keeps_the_id_its_client_gave_it(app: Flask) -> None:
    given = "0f8fad5b-d9cb-469f-a165-70867728950e"
    assert app.test_client().get("/healthz", headers={"X-Request-ID": given}).headers["X-Request-ID"] == given
    other = app.test_client().get("/healthz", headers={"X-Request-ID": "not an id"}).headers["X-Request-ID"]
    assert UUID(other) != UUID(given)
    problem = app.test_client().get("/v1/apps", headers={"X-Request-ID": given}).json
    assert problem["request"] == given


def test_logs_tell_the_route_and_never_the_path(campus: Caller, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    campus.put("/devices/0f8fad5b-d9cb-469f-a165-70867728950e?user=lovelace", {"platform": "ios"})
    line = next(line for line in caplog.records if line.name == "tocsin.api.app")
    assert line.getMessage() == "PUT /v1/apps/<uuid:app_id>/devices/<uuid:device_id> 201"
    assert "lovelace" not in caplog.text
    assert line.__dict__["correlation_id"]


def test_pages_of_allowed_origins_may_call_and_no_others(make_services: Callable[..., Services], app: Flask) -> None:
    client = create_app(make_services(origins=("https://console.example.org",))).test_client()
    allowed = {"Origin": "https://console.example.org"}
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
    preflight = client.options("/v1/apps", headers={**allowed, **asked})
    assert preflight.headers["Access-Control-Allow-Origin"] == allowed["Origin"]
    assert "POST" in preflight.headers["Access-Control-Allow-Methods"]
    assert preflight.headers["Access-Control-Allow-Headers"] == "authorization"
    refused = client.get("/v1/apps", headers=allowed)
    assert refused.status_code == 401
    assert "Tocsin-Position" in refused.headers["Access-Control-Expose-Headers"]
    assert "Access-Control-Allow-Origin" not in client.get("/", headers={"Origin": "https://evil.example"}).headers
    assert "Access-Control-Allow-Origin" not in app.test_client().get("/", headers=allowed).headers
