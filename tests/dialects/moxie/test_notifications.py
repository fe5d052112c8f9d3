"""Notifications and follow-ups: what the manual does not show, and what is refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from dialects.moxie.client import HOST, Client, sign

DATE = "%Y-%m-%dT%H:%M:%S"
MESSAGE_MISSING = "You must pass a JSON document with property 'message'"


def test_it_is_in_force_for_an_hour_from_now_whenever_it_began(client: Client) -> None:
    before = datetime.now(UTC)
    shown = client.get(f"/notifications/{client.create(timestamp='2014-01-10T11:49:55')}").json

    assert shown["timestamp"] == "2014-01-10T11:49:55"
    expires = datetime.strptime(shown["expires"], DATE).replace(tzinfo=UTC)
    assert timedelta(minutes=59) < expires - before < timedelta(minutes=61)


def test_url_and_label_are_shown_where_they_are_set(client: Client) -> None:
    plain = client.get(f"/notifications/{client.create(url=None, label='')}").json
    full = client.get(f"/notifications/{client.create(url='http://ox.ac.uk/x', label='flood')}").json

    assert "url" not in plain
    assert "label" not in plain
    assert (full["url"], full["label"]) == ("http://ox.ac.uk/x", "flood")


def test_it_has_both_forms_that_clients_read(client: Client) -> None:
    ident = client.create()
    alone = client.get(f"/notifications/{ident}").json
    assert alone["ident"] == alone["uuid"] == ident
    assert alone["_links"] == {"self": {"href": f"/notifications/{ident}"}}
    assert alone["followups"] == []
    assert "_embedded" not in alone

    client.post(f"/notifications/{ident}/followup", {"message": "more", "timestamp": "2014-01-10T12:00:00"})

    followup = {"id": 1, "message": "more", "timestamp": "2014-01-10T12:00:00"}
    shown = client.get(f"/notifications/{ident}").json
    assert shown["followups"] == [followup]
    assert shown["_embedded"] == {
        "followups": [{**followup, "_links": {"self": {"href": f"/notifications/{ident}/followup/1"}}}]
    }


def test_the_list_has_both_forms_that_clients_read(client: Client) -> None:
    ident = client.create()

    listed = client.get("/notifications/").json

    assert listed["_links"] == {"self": {"href": "/notifications/"}}
    assert listed["notifications"] == listed["_embedded"]["notifications"] == listed["_embedded"]["alerts"]
    assert ident in [one["ident"] for one in listed["notifications"]]


@pytest.mark.parametrize("wish", ["true", "True", "1", "t"])
def test_history_shows_what_is_not_in_force(client: Client, wish: str) -> None:
    past = client.create(timestamp="2014-01-10T11:49:55", expires="2014-01-10T12:49:55")
    future = client.create(timestamp="2999-01-10T11:49:55", expires="2999-01-10T12:49:55")
    deleted = client.create()
    client.delete(f"/notifications/{deleted}")

    assert {past, future, deleted}.isdisjoint(idents(client, "/notifications"))
    shown = idents(client, f"/notifications?history={wish}")
    assert {past, future} <= shown
    assert deleted not in shown


@pytest.mark.parametrize("wish", ["false", "TRUE", "yes", "", "0"])
def test_any_other_wish_for_history_is_none(client: Client, wish: str) -> None:
    past = client.create(timestamp="2014-01-10T11:49:55", expires="2014-01-10T12:49:55")

    assert past not in idents(client, f"/notifications?history={wish}")


def test_the_list_is_whole_however_long(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tocsin.api.dialects.moxie.translation._PAGE", 2)
    made = {client.create() for _ in range(5)}

    assert made <= idents(client, "/notifications")


def test_an_end_before_the_start_is_taken(client: Client) -> None:
    client.create(timestamp="2014-01-10T11:49:55", expires="2013-01-10T11:49:55")


def test_an_update_changes_what_it_names(client: Client) -> None:
    ident = client.create(label="flood", url="http://ox.ac.uk/x")
    before = client.get(f"/notifications/{ident}").json

    answer = client.post(f"/notifications/{ident}", {"expires": "2999-01-01T00:00:00", "label": None})

    assert answer.status_code == 200
    expected = {**before, "expires": "2999-01-01T00:00:00"}
    del expected["label"]
    assert answer.json == expected


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b"null", b"{", b'"text"', b"\xff", b'{"unknown": 1}'])
def test_an_update_of_nothing_is_refused(client: Client, body: bytes) -> None:
    answer = client.post(f"/notifications/{client.create()}", body)

    assert answer.status_code == 400
    assert answer.json == {
        "description": "You must pass a JSON document with properties to be updated on the notification."
    }


@pytest.mark.parametrize(
    "body",
    [b"", b"{}", b"[]", b"null", b"7", b"{", b"\xff", b'{"message": "\\ud800"}', b"[" * 100_000]
    + [b'{"message": %s}' % value for value in (b"null", b'""', b'"  "', b"7", b"{}", b"[]", b"true", b"1e999")],
)
def test_a_notification_without_a_message_is_refused(client: Client, body: bytes) -> None:
    answer = client.post("/notifications", body)

    assert (answer.status_code, answer.json) == (400, {"description": MESSAGE_MISSING})


@pytest.mark.parametrize("member", ["url", "label"])
@pytest.mark.parametrize("value", [7, {}, [], True, "x\0", "x" * 3000])
def test_what_cannot_be_kept_is_refused(client: Client, member: str, value: Any) -> None:
    assert client.post("/notifications", {"message": "m", member: value}).status_code == 400
    assert client.post(f"/notifications/{client.create()}", {member: value}).status_code == 400


@pytest.mark.parametrize(
    "value",
    [
        *(None, 7, "", [], {}, "x" * 999, "2014-01-10", "2014-01-10T11:49", "2014-01-10 11:49:55"),
        *("2014-01-10T11:49:55Z", "2014-01-10T11:49:55.1", "2014-02-30T00:00:00"),
        *("0000-01-01T00:00:00", "10000-01-01T00:00:00"),
    ],
)
@pytest.mark.parametrize("member", ["timestamp", "expires"])
def test_a_date_in_another_form_is_refused(client: Client, member: str, value: Any) -> None:
    answer = client.post("/notifications", {"message": "m", member: value})

    assert answer.status_code == 400
    assert answer.json["description"].startswith("Incorrect date value: ")


@pytest.mark.parametrize("value", ["0001-01-01T00:00:00", "9999-12-31T23:59:59"])
def test_any_date_in_moxies_form_is_kept(client: Client, value: str) -> None:
    ident = client.create(timestamp=value, expires=value)

    shown = client.get(f"/notifications/{ident}").json
    assert (shown["timestamp"], shown["expires"]) == (value, value)
    assert ident in idents(client, "/notifications?history=1")


def test_the_body_is_json_whatever_it_says_it_is(client: Client) -> None:
    for content_type in ("text/plain", "application/x-www-form-urlencoded", "nonsense"):
        answer = client.post("/notifications", {"message": "m"}, Content_Type=content_type)
        assert answer.status_code == 201, content_type


@pytest.mark.parametrize("ident", ["X", "push", str(UUID(int=1)), "%00", "%FF", "x" * 2000])
def test_what_is_not_there_is_not_found(client: Client, ident: str) -> None:
    answer = client.get(f"/notifications/{ident}")

    assert answer.status_code in (400, 404)
    assert list(answer.json) == ["description"]


def test_a_notification_that_is_not_there_is_not_found_even_unsigned(client: Client) -> None:
    for method in ("POST", "DELETE"):
        answer = client.call(method, f"/notifications/{uuid4()}", {"message": "m"}, signed=False)
        assert (answer.status_code, answer.json) == (404, {"description": "Notification not found"})
        there = client.call(method, f"/notifications/{client.create()}", {"message": "m"}, signed=False)
        assert there.status_code == 401


def test_follow_ups_and_pushes_ask_who_it_is_before_what_it_is_about(client: Client) -> None:
    for path in (f"/notifications/{uuid4()}/followup", "/notifications/push", f"/notifications/{uuid4()}/followup/1"):
        assert client.call("POST", path, {"message": "m"}, signed=False).status_code == 401
    answer = client.post(f"/notifications/{uuid4()}/followup", {"message": "m"})
    assert (answer.status_code, answer.json) == (404, {"description": "Notification not found"})


def test_what_was_deleted_takes_nothing_more(client: Client) -> None:
    ident = client.create()
    client.delete(f"/notifications/{ident}")

    for answer in (
        client.post(f"/notifications/{ident}", {"message": "m"}),
        client.delete(f"/notifications/{ident}"),
        client.post(f"/notifications/{ident}/followup", {"message": "m"}),
    ):
        assert (answer.status_code, answer.json) == (404, {"description": "Notification not found"})


def test_follow_ups_are_numbered_in_their_notification_and_no_number_twice(client: Client) -> None:
    ident, other = client.create(), client.create()
    for number in (1, 2):
        assert client.post(f"/notifications/{ident}/followup", {"message": "m"}).json["id"] == number
    client.delete(f"/notifications/{ident}/followup/2")

    assert client.post(f"/notifications/{ident}/followup", {"message": "m"}).json["id"] == 3
    assert client.post(f"/notifications/{other}/followup", {"message": "m"}).json["id"] == 1
    assert client.get(f"/notifications/{other}/followup/3").json == {"description": "FollowUp not found"}


@pytest.mark.parametrize("number", ["0", "2", "-1", "x", "1.0", "٣", "9" * 30])
def test_a_follow_up_that_is_not_there_is_not_found(client: Client, number: str) -> None:
    path = f"/notifications/{client.create()}/followup/{number}"
    signed = {"Authorization": sign(client.secret, "POST", f"http://{HOST}{path}")}

    for answer in (client.get(path), client.post(path, {"message": "m"}, **signed), client.delete(path)):
        assert (answer.status_code, answer.json) == (404, {"description": "FollowUp not found"})


def test_a_follow_up_is_changed_in_message_or_date_or_both(client: Client) -> None:
    path = f"/notifications/{client.create()}/followup"
    client.post(path, {"message": "first", "timestamp": "2014-01-10T12:00:00"})

    assert client.post(f"{path}/1", {"timestamp": "2014-01-10T13:00:00"}).json["message"] == "first"
    assert client.post(f"{path}/1", {"message": "second"}).json["timestamp"] == "2014-01-10T13:00:00"
    assert client.post(f"{path}/1", {}).json == {"description": MESSAGE_MISSING}
    assert client.post(f"{path}/1", {"message": 7}).json == {"description": MESSAGE_MISSING}
    assert client.post(f"{path}/1", {"timestamp": None}).json == {"description": "Incorrect date value: null"}


def idents(client: Client, path: str) -> set[str]:
    return {one["ident"] for one in client.get(path).json["notifications"]}
