"""An app never comes by what is another's, wherever an id, a name, a cursor or a key is taken."""

from __future__ import annotations

import json
from uuid import uuid4

import pytest
from calling import AppendsNothing, Caller, token
from things import things

from tocsin.eventlog.record import Record

MESSAGE = {"title": "x"}
EVERYONE = {"everyone": True}
NDJSON = {"Content-Type": "application/x-ndjson"}


@pytest.fixture
def other(admin: Caller) -> Caller:
    """The instance's admin, speaking of another app."""
    return admin.of_app(admin.post("/v1/apps", {"name": "Other"}).json["app_id"])


@pytest.fixture
def theirs(other: Caller, record: Record) -> dict[str, str]:
    return things(other, record)


@pytest.fixture
def ours(campus: Caller, record: Record) -> dict[str, str]:
    return things(campus, record)


def test_a_line_of_an_import_that_names_another_thing_is_refused_and_no_other(
    campus: Caller, ours: dict[str, str], theirs: dict[str, str]
) -> None:
    ids = [ours["send_id"], theirs["device_id"], theirs["send_id"], None]
    lines = [json.dumps({"platform": "ios", **({} if one is None else {"device_id": one})}) for one in ids]
    told = campus.post("/devices/import", "\n".join(lines).encode(), headers=NDJSON).text.splitlines()
    statuses = [json.loads(line) for line in told[:4]]
    assert [one["status"] for one in statuses] == ["refused", "refused", "refused", "created"]
    assert {one["field"] for one in statuses[:3]} == {"device_id"}


def test_an_external_id_is_not_taken_from_the_device_that_has_it(
    campus: Caller, appends_nothing: AppendsNothing
) -> None:
    first = campus.post("/devices", {"platform": "ios", "external_id": "one"}).json["device_id"]
    with appends_nothing():
        for method, address in (("POST", "/devices"), ("PUT", f"/devices/{uuid4()}")):
            body = {"platform": "ios", "external_id": "one"}
            refused = campus.call(method, address, {**body, "device_id": str(uuid4())} if method == "POST" else body)
            assert (refused.status_code, refused.json["field"]) == (409, "external_id"), refused.text
    again = campus.put(f"/devices/{first}", {"platform": "ios", "external_id": "one", "user": "ada"})
    assert again.json["device_id"] == first


def test_an_idempotency_key_never_answers_for_another_app(
    campus: Caller, other: Caller, appends_nothing: AppendsNothing
) -> None:
    headers = {"Idempotency-Key": f"once-{campus.prefix}"}
    body = {"platform": "ios", "token": token(9)}
    assert campus.post("/devices", body, headers=headers).status_code == 201
    lines = json.dumps(body).encode() + b"\n"
    keyed = {**NDJSON, "Idempotency-Key": f"many-{campus.prefix}"}
    assert campus.post("/devices/import", lines, headers=keyed).status_code == 200
    with appends_nothing():
        for answer in (
            other.post("/devices", body, headers=headers),
            other.post("/devices/import", lines, headers=keyed),
        ):
            assert (answer.status_code, answer.json["code"]) == (422, "idempotency-key-reused"), answer.text
    assert other.get("/devices").json["items"] == []


@pytest.mark.parametrize("field", ["token_scope", "token_shape", "tags_when_new", "group", "group_limit", "seen"])
def test_a_line_of_an_import_says_no_more_than_a_registration(
    campus: Caller, appends_nothing: AppendsNothing, field: str
) -> None:
    value = {"token_shape": False, "seen": True, "group_limit": 1, "tags_when_new": ["x"]}.get(field, "x")
    body = {"platform": "ios", "user": "ada", field: value}
    with appends_nothing():
        line = json.loads(campus.post("/devices/import", json.dumps(body).encode(), headers=NDJSON).text.split("\n")[0])
        assert (line["status"], line["field"]) == ("refused", field)
        assert campus.post("/devices", body).json["field"] == field
