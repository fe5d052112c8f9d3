"""Applications: created, listed, disabled, deleted with all that is in them."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from dialects.mobilefirst.client import Client

ROOT = "/imfpush/v1/apps"


def created(of_instance: Client, **members: Any) -> Client:
    """A client of a new application."""
    name = f"app-{uuid4().hex[:8]}"
    answer = of_instance.post(f"{ROOT}/", {"applicationId": name, **members})
    assert answer.status_code == 201, answer.text
    return Client(of_instance.app, name, of_instance.client_id, of_instance.client_secret)


@pytest.mark.parametrize(
    ("said", "shown"), [({}, "true"), ({"enabled": "true"}, "true"), ({"enabled": False}, "false")]
)
def test_an_application_is_created(of_instance: Client, said: Any, shown: str) -> None:
    name = f"app-{uuid4().hex[:8]}"
    answer = of_instance.post(ROOT, {"applicationId": name, **said})

    shown = str(said.get("enabled", True)).lower()
    assert (answer.status_code, answer.json) == (201, {"applicationId": name, "enabled": shown})
    assert of_instance.get(f"{ROOT}/{name}/status").json == answer.json


def test_an_application_exists_once(of_instance: Client) -> None:
    other = created(of_instance)
    answer = of_instance.post(ROOT, {"applicationId": other.application})

    assert (answer.status_code, answer.json["code"]) == (409, "FPWSE0002E")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"applicationId": ""},
        {"applicationId": "a/b"},
        {"applicationId": "a" * 256},
        {"applicationId": "a", "enabled": "maybe"},
    ],
)
def test_an_application_that_cannot_be_is_refused(of_instance: Client, body: Any) -> None:
    assert of_instance.post(ROOT, body).status_code == 400


def test_the_client_of_one_app_creates_no_other(client: Client) -> None:
    answer = client.post(ROOT, {"applicationId": "mine"})

    assert answer.status_code == 403
    assert "apps.write push.application.mine" in answer.headers["WWW-Authenticate"]


def test_applications_are_listed_for_those_who_may_see_them(of_instance: Client, client: Client) -> None:
    names = [created(of_instance).application for _ in range(2)]

    shown = of_instance.get(
        f"{ROOT}/?expand=true&filter=platform==A&offset=0&size=500", scope="apps.read push.application.*"
    )
    listed = [one["applicationId"] for one in shown.json["applications"]]
    assert [name for name in listed if name in names] == names
    assert {"createdMode", "createdTime"} <= set(shown.json["applications"][0])
    assert client.application in listed
    assert shown.json["pageInfo"]["totalCount"] == str(len(listed))
    own = client.get(ROOT, scope="apps.read push.application.*").json
    assert own["applications"] == [{"applicationId": client.application, "enabled": "true"}]
    assert client.get(ROOT, scope=f"apps.read push.application.{client.application}").status_code == 403


def test_a_disabled_application_takes_nothing_until_it_is_enabled(of_instance: Client) -> None:
    other = created(of_instance)
    other.register("d")
    answer = other.put("/status", {"enabled": False})

    assert (answer.status_code, answer.json) == (200, {"applicationId": other.application, "enabled": "false"})
    for refused in (other.get("/devices"), other.post("/devices", {}), other.get("/devices/d")):
        assert (refused.status_code, refused.json["code"]) == (403, "FPWSE1007E")
    assert other.get("").json["enabled"] == "false"
    assert other.put("/status", {"enabled": "true"}).json["enabled"] == "true"
    assert other.get("/devices/d").status_code == 200


@pytest.mark.parametrize("enabled", [True, False])
def test_a_deleted_application_is_gone_and_its_name_is_free(of_instance: Client, enabled: bool) -> None:
    other = created(of_instance)
    other.register("d")
    other.put("/status", {"enabled": enabled})
    answer = other.delete("")

    assert (answer.status_code, answer.data) == (204, b"")
    for gone in (other.get(""), other.get("/status"), other.get("/devices"), other.delete("")):
        assert (gone.status_code, gone.json["code"]) == (404, "FPWSE0001E")
    assert other.application not in of_instance.get(f"{ROOT}?size=500").text
    assert of_instance.post(ROOT, {"applicationId": other.application}).status_code == 201
    assert other.get("/devices").json["devices"] == []


def test_the_service_is_well_and_says_what_it_offers(client: Client) -> None:
    assert client.get("/imfpush/v1/health/status", scope=None).status_code == 200
    document = client.get("/imfpush/v1/swagger.json", scope=None).json
    assert document["openapi"].startswith("3.1")
    assert 'href="/imfpush/v1/swagger.json"' in client.app.test_client().get("/").text
