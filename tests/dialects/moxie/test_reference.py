"""Every example of Moxie's reference, sent as it is printed there, with a real key and a real notification."""

from __future__ import annotations

import re
from uuid import UUID

from dialects.moxie.client import Client


def test_a_notification_is_created(client: Client) -> None:
    answer = client.post("/notifications", b'{\n    "message": "Bomb threat at X"\n}')

    assert answer.status_code == 201
    assert answer.json == {"ident": answer.json["ident"], "status": "created"}
    assert answer.headers["Location"] == f"/notifications/{UUID(answer.json['ident'])}"
    assert answer.content_type == "application/json"


def test_a_sample_with_its_printed_trailing_comma_is_refused(client: Client) -> None:
    answer = client.post("/notifications", b'{\n    "message": "Bomb threat at X",\n}')

    assert answer.status_code == 400
    assert answer.json == {"description": "You must pass a JSON document with property 'message'"}


def test_a_push_is_accepted_at_the_root_of_the_host(client: Client) -> None:
    ident = client.create()

    answer = client.post("/push", {"notification": ident, "message": "Bomb threat at X, avoid the area"})

    assert (answer.status_code, answer.json) == (202, {"status": "success"})


def test_a_push_is_accepted_in_the_module(client: Client) -> None:
    ident = client.create()

    answer = client.post("/notifications/push", {"notification": ident, "message": "Bomb threat at X, avoid the area"})

    assert (answer.status_code, answer.json) == (202, {"status": "success"})


def test_a_notification_is_updated(client: Client) -> None:
    ident = client.create()

    answer = client.post(f"/notifications/{ident}", {"message": "Bomb threat at X, avoid the area!"})

    assert answer.status_code == 200
    assert answer.headers["Location"] == f"/notifications/{ident}"
    assert answer.json["message"] == "Bomb threat at X, avoid the area!"
    assert client.get(f"/notifications/{ident}").json == answer.json


def test_a_follow_up_is_added(client: Client) -> None:
    ident = client.create()

    answer = client.post(f"/notifications/{ident}/followup", {"message": "security services have arrived on scene"})

    assert (answer.status_code, answer.json) == (201, {"id": 1, "status": "created"})
    assert answer.headers["Location"] == f"/notifications/{ident}/followup/1"


def test_a_follow_up_is_updated(client: Client) -> None:
    ident = client.create()
    client.post(f"/notifications/{ident}/followup", {"message": "security services have arrived on scene"})

    answer = client.post(f"/notifications/{ident}/followup/1", {"message": "Fire department working"})

    assert answer.status_code == 200
    assert answer.headers["Location"] == f"/notifications/{ident}/followup/1"
    assert answer.json["message"] == "Fire department working"
    assert client.get(f"/notifications/{ident}/followup/1").json == answer.json


def test_a_notification_is_deleted(client: Client) -> None:
    ident = client.create()

    answer = client.delete(f"/notifications/{ident}")

    assert (answer.status_code, answer.json) == (200, {"status": "deleted"})
    assert client.get(f"/notifications/{ident}").status_code == 404


def test_a_follow_up_is_deleted(client: Client) -> None:
    ident = client.create()
    client.post(f"/notifications/{ident}/followup", {"message": "security services have arrived on scene"})

    answer = client.delete(f"/notifications/{ident}/followup/1")

    assert (answer.status_code, answer.json) == (200, {"status": "deleted"})
    assert client.get(f"/notifications/{ident}/followup/1").status_code == 404
    assert client.get(f"/notifications/{ident}").json["followups"] == []


def test_the_list_holds_what_is_in_force(client: Client) -> None:
    ident = client.create()
    client.post(f"/notifications/{ident}/followup", {"message": "bla bla", "timestamp": "2013-02-08T13:30:00"})

    answer = client.get("/notifications", Accept="application/json")

    assert (answer.status_code, answer.content_type) == (200, "application/json")
    (found,) = [one for one in answer.json["notifications"] if one["uuid"] == ident]
    assert found["message"] == "Bomb threat at X"
    assert found["followups"] == [{"timestamp": "2013-02-08T13:30:00", "id": 1, "message": "bla bla"}]
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", found[name]) for name in ("timestamp", "expires"))


def test_one_notification_is_read(client: Client) -> None:
    ident = client.create()
    client.post(f"/notifications/{ident}/followup", {"message": "bla bla"})

    answer = client.get(f"/notifications/{ident}", Accept="application/json")

    assert answer.status_code == 200
    assert answer.json["uuid"] == ident
    assert [(one["id"], one["message"]) for one in answer.json["followups"]] == [(1, "bla bla")]
