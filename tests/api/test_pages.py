"""Lists come page by page, all of them in the same way."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from calling import Caller, token
from flask import Flask

WNS = {"configuration": {"client_id": "ms-app://s-1-15-2-1"}, "secret": "a secret"}


@pytest.fixture
def known(campus: Caller) -> Mapping[str, str]:
    """An app with two of everything that is listed; by what each of them is called in an address."""
    campus.post("/tags", {"tag": "one"})
    devices = [
        campus.post("/devices", {"platform": "windows", "user": f"user {number}", "tags": ["one", "two"]})
        for number in range(2)
    ]
    notices = [campus.post("/notifications", {"body": f"Notice {number}"}).json for number in range(2)]
    for number in range(2):
        campus.post(f"/notifications/{notices[0]['notification_id']}/followups", {"body": f"Follow-up {number}"})
        campus.post("/credentials", {"name": f"Credential {number}", "roles": ["sender"]})
        campus.post("/users", {"name": f"user {number}"})
        campus.put(f"/providers/wns?profile=profile-{number}", WNS)
    devices.append(campus.post("/devices", {"platform": "ios", "token": token(1)}))
    audience = {"devices": [devices[2].json["device_id"]]}
    sends = [campus.post("/sends", {"message": {"title": "x"}, "audience": audience}).json for _ in range(2)]
    hook = {"url": "https://hook.example.org/", "events": ["send.completed"]}
    webhooks = [campus.post("/webhooks", {"name": f"Webhook {number}", **hook}).json for number in range(2)]
    return {
        "app_id": campus.prefix.rpartition("/")[2],
        "credential_id": campus.get("/credentials").json["items"][0]["credential_id"],
        "provider": "wns",
        "device_id": devices[0].json["device_id"],
        "tag": "one",
        "user_id": campus.get("/users").json["items"][0]["user_id"],
        "notification_id": notices[0]["notification_id"],
        "followup_id": "1",
        "send_id": sends[0]["send_id"],
        "webhook_id": webhooks[0]["webhook_id"],
    }


def _lists(app: Flask, known: Mapping[str, str]) -> Iterator[str]:
    """The address of every list in the document."""
    for path, operations in app.test_client().get("/openapi.json").json["paths"].items():
        asked = {parameter["name"] for parameter in operations.get("get", {}).get("parameters", ())}
        if "limit" in asked:
            yield path.format_map(known) + ("?profile=profile-0" if "profile" in asked else "")


def _with(address: str, parameter: str) -> str:
    return f"{address}{'&' if '?' in address else '?'}{parameter}"


def _one_by_one(caller: Caller, address: str) -> list[Any]:
    """A list in pages of one, each found by the ``Link`` of the one before."""
    found: list[Any] = []
    link: str | None = _with(address, "limit=1")
    while link is not None:
        answer = caller.get(link)
        assert answer.status_code == 200, (link, answer.text)
        assert len(answer.json["items"]) <= 1, f"{address} does not keep to its limit"
        found += answer.json["items"]
        more = answer.json["next"] is not None and not answer.json.get("ended")
        link = answer.headers["Link"].partition(">")[0].lstrip("<") if more else None
    return found


def test_every_list_of_the_document_is_the_same_page_by_page(app: Flask, campus: Caller, known: Any) -> None:
    several = 0
    for address in _lists(app, known):
        whole = campus.get(_with(address, "limit=1000"))
        assert whole.status_code == 200, (address, whole.text)
        assert _one_by_one(campus, address) == whole.json["items"], address
        several += len(whole.json["items"]) > 1
    assert several >= 12


def test_every_list_of_the_document_refuses_pages_that_are_none(app: Flask, campus: Caller, known: Any) -> None:
    for address in _lists(app, known):
        for name, values in {"limit": ("0", "1001", "many"), "cursor": ("", "?", "bnVsbA")}.items():
            for value in values:
                answer = campus.get(_with(address, f"{name}={value}"))
                assert (answer.status_code, answer.json["field"]) == (422, name), (address, value)


def test_a_feed_that_was_begun_after_a_position_goes_on_by_its_link(campus: Caller) -> None:
    position = int(campus.post("/tags", {"tag": "before"}).headers["Tocsin-Position"])
    for tag in ("one", "two", "three"):
        campus.post("/tags", {"tag": tag})
    told = _one_by_one(campus, f"{campus.prefix}/events?after={position}")
    assert [event["data"]["tag"] for event in told] == ["one", "two", "three"]
