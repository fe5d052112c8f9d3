"""Devices, tags and users over HTTP."""

from __future__ import annotations

from urllib.parse import quote
from uuid import UUID, uuid4

from calling import AppendsNothing, Caller, token

from tocsin.domain.identity import chunk_stream_id
from tocsin.eventlog.record import Record

WHOLE = {
    "platform": "ios",
    "token": token(1),
    "user": "ada",
    "alias": "ada's phone",
    "phone": "+34600000000",
    "properties": {"year": 3},
    "external_id": "phone-1",
    "environment": "development",
    "attributes": {"model": "iPhone17,1"},
    "tags": ["staff", "floor:3"],
}


def test_a_registered_device_is_read_as_it_was_sent(campus: Caller) -> None:
    created = campus.post("/devices", WHOLE)
    assert created.status_code == 201
    found = campus.get(created.headers["Location"]).json
    assert {name: found[name] for name in WHOLE} == {**WHOLE, "tags": ["floor:3", "staff"]}
    assert (found["provider"], found["state"], found["retired"]) == ("apns", "active", None)
    assert {name: found[name] for name in created.json} == created.json


def test_the_same_registration_again_is_no_event(campus: Caller, appends_nothing: AppendsNothing) -> None:
    first = campus.post("/devices", WHOLE)
    with appends_nothing():
        again = campus.post("/devices", WHOLE)
    assert (again.status_code, again.json) == (200, first.json)


def test_a_device_is_put_under_an_id_of_the_clients_choice(campus: Caller) -> None:
    device_id = uuid4()
    assert campus.put(f"/devices/{device_id}", {"platform": "android", "token": "a"}).status_code == 201
    assert campus.put(f"/devices/{device_id}", {"platform": "android", "token": "b"}).status_code == 200
    assert campus.get(f"/devices/{device_id}").json["token"] == "b"
    changed = campus.put(f"/devices/{device_id}", {"platform": "ios", "token": token(2)})
    assert (changed.status_code, changed.json["field"]) == (409, "platform")


def test_a_token_moves_to_the_device_that_says_it_last(campus: Caller) -> None:
    loser = campus.post("/devices", {"platform": "android", "token": "t", "external_id": "one"}).json["device_id"]
    winner = campus.post("/devices", {"platform": "android", "token": "t", "external_id": "two"}).json["device_id"]
    assert campus.get(f"/devices/{loser}").json["retired"] == "token-moved"
    assert campus.get(f"/devices/{winner}").json["state"] == "active"
    moved = campus.get(f"/devices/{loser}/history").json["items"][-1]
    assert (moved["type"], moved["data"]["moved_to"]) == ("device.retired", winner)


def test_a_patch_changes_what_it_names_and_null_removes(campus: Caller) -> None:
    device = campus.post("/devices", WHOLE).json["device_id"]
    changed = campus.patch(
        f"/devices/{device}", {"user": "bob", "alias": None, "attributes": {"model": None, "os": "19"}}
    )
    assert changed.status_code == 200
    found = campus.get(f"/devices/{device}").json
    assert (found["user"], found["alias"], found["attributes"]) == ("bob", None, {"os": "19"})
    assert found["phone"] == WHOLE["phone"]
    assert campus.patch(f"/devices/{device}", {"token": None}).json["token"] is None


def test_a_device_opts_out_and_in_and_is_retired(campus: Caller) -> None:
    device = campus.post("/devices", WHOLE).json["device_id"]
    assert campus.post(f"/devices/{device}/opt-out", {"reason": "night shift"}).json["state"] == "opted_out"
    assert campus.get("/devices?state=opted_out").json["items"][0]["device_id"] == device
    assert campus.post(f"/devices/{device}/opt-in").json["state"] == "active"
    assert campus.delete(f"/devices/{device}").status_code == 204
    found = campus.get(f"/devices/{device}").json
    assert (found["state"], found["retired"], found["tags"]) == ("retired", "requested", [])
    assert campus.patch(f"/devices/{device}", {"user": "bob"}).status_code == 409
    assert campus.post("/devices", WHOLE).status_code == 200, "registered again, it is restored"


def test_subscriptions_are_put_listed_and_deleted(campus: Caller) -> None:
    device = campus.post("/devices", {"platform": "ios", "token": token(3)}).json["device_id"]
    for tag in ("staff", "building/north", "año 3"):
        put = campus.put(f"/devices/{device}/subscriptions/{quote(tag, safe='')}")
        assert (put.status_code, tag in put.json["tags"]) == (200, True)
    listed = campus.get(f"/devices/{device}/subscriptions").json["items"]
    assert {one["tag"] for one in listed} == {"staff", "building/north", "año 3"}
    assert campus.get("/devices?tag=building/north").json["items"][0]["device_id"] == device
    assert campus.delete(f"/devices/{device}/subscriptions/building%2Fnorth").status_code == 204
    assert campus.delete(f"/devices/{device}/subscriptions/building%2Fnorth").status_code == 204
    assert campus.get("/devices?tag=building/north").json["items"] == []


def test_devices_are_filtered_and_paged_in_the_order_they_came(campus: Caller) -> None:
    ids = []
    for number in range(5):
        body = {"platform": "android", "token": f"t{number}", "user": "ada", "tags": ["odd"] * (number % 2)}
        ids.append(campus.post("/devices", body).json["device_id"])
    campus.post("/devices", {"platform": "windows", "external_id": "pc", "alias": "desk"})

    def listed(query: str) -> list[str]:
        return [one["device_id"] for one in campus.get(f"/devices?{query}").json["items"]]

    assert listed("user=ada") == ids
    assert listed("tag=odd") == [ids[1], ids[3]]
    assert listed("platform=windows") == listed("external_id=pc") == listed("alias=desk")
    assert listed("user=nobody") == []
    first = campus.get("/devices?limit=4").json
    rest = campus.get(f"/devices?limit=4&cursor={first['next']}").json
    assert [one["device_id"] for one in first["items"] + rest["items"]][:5] == ids
    assert rest["next"] is None


def test_a_device_is_read_as_it_was_and_its_history_tells_who_did_what(campus: Caller, record: Record) -> None:
    device = campus.post("/devices", WHOLE).json["device_id"]
    position = record.head().position
    campus.patch(f"/devices/{device}", {"user": "bob"})
    was = campus.get(f"/devices/{device}?as_of={position}").json
    assert (was["user"], was["tags"], was["position"]) == ("ada", ["floor:3", "staff"], position)
    past = campus.get(f"/devices/{device}/history").json["items"]
    assert [event["type"] for event in past] == ["device.registered"] + ["device.subscribed"] * 2 + ["device.updated"]
    assert past[0]["data"]["token"] == WHOLE["token"]
    assert past[-1]["data"] == {"user": "bob"}
    assert past[-1]["actor"]["principal"].startswith("credential:")
    assert [event["position"] for event in past] == sorted(event["position"] for event in past)
    first = campus.get(f"/devices/{device}/history?limit=3").json
    rest = campus.get(f"/devices/{device}/history?limit=3&cursor={first['next']}").json
    assert first["items"] + rest["items"] == past
    assert rest["next"] is None


def test_tags_are_created_described_listed_and_deleted(campus: Caller, record: Record) -> None:
    created = campus.post("/tags", {"tag": "staff", "description": "Who works here"})
    assert (created.status_code, created.headers["Location"]) == (201, f"{campus.prefix}/tags/staff")
    position = record.head().position
    assert campus.post("/tags", {"tag": "staff"}).status_code == 409
    campus.post("/devices", {"platform": "android", "token": "a", "tags": ["staff", "night"]})
    campus.post("/devices", {"platform": "android", "token": "b", "tags": ["staff"]})
    listed = campus.get("/tags").json["items"]
    assert [(one["tag"], one["devices"], one["created"]) for one in listed] == [("night", 1, False), ("staff", 2, True)]
    pages = [campus.get("/tags?limit=1").json]
    pages.append(campus.get(f"/tags?limit=1&cursor={pages[0]['next']}").json)
    assert [page["items"][0]["tag"] for page in pages] == ["night", "staff"]
    assert pages[1]["next"] is None
    assert campus.patch("/tags/staff", {"description": "Colleagues"}).json["description"] == "Colleagues"
    assert campus.get(f"/tags/staff?as_of={position}").json["description"] == "Who works here"
    assert campus.delete("/tags/staff").status_code == 204
    assert campus.get("/tags/staff").json["created"] is False, "devices still have it"
    assert campus.get("/tags/nobody").status_code == 404
    types = [event["type"] for event in campus.get("/tags/staff/history").json["items"]]
    assert types == ["app.tag_created", "app.tag_updated", "app.tag_deleted"]


def test_users_are_created_found_and_disabled(campus: Caller, record: Record) -> None:
    created = campus.post("/users", {"name": "ada", "password": "secret", "profile": {"year": 3}})
    assert (created.status_code, created.json["can_sign_in"]) == (201, True)
    user = f"/users/{created.json['user_id']}"
    assert campus.post("/users", {"name": "ada"}).status_code == 409
    assert campus.get("/users?name=ada").json["items"] == [campus.get(user).json]
    assert campus.get("/users?name=eve").json["items"] == []
    position = record.head().position
    assert campus.post(f"{user}/disable", {"reason": "left"}).json["state"] == "disabled"
    assert campus.get(user).json["can_sign_in"] is False
    assert campus.get(f"{user}?as_of={position}").json["state"] == "active"
    assert campus.post(f"{user}/enable").json["state"] == "active"
    assert campus.put(f"{user}/password", {"password": None}).json["can_sign_in"] is False
    types = [event["type"] for event in campus.get(f"{user}/history").json["items"]]
    assert types[0] == "user.created"
    assert types[-1] == "user.credential_changed"


def test_no_device_takes_the_place_of_a_send_s_chunk(campus: Caller, appends_nothing: AppendsNothing) -> None:
    later = {"message": {"title": "x"}, "audience": {"everyone": True}, "not_before": "2999-01-01T00:00:00Z"}
    send_id = UUID(campus.post("/sends", later).json["send_id"])
    place = str(chunk_stream_id(send_id, 0))
    with appends_nothing():
        for answer in (
            campus.put(f"/devices/{place}", {"platform": "ios"}),
            campus.post("/devices", {"platform": "ios", "device_id": place}),
        ):
            assert (answer.status_code, answer.json["field"]) == (422, "device_id")
        lines = f'{{"platform": "ios", "device_id": "{place}"}}\n'.encode()
        refused = campus.post("/devices/import", lines, headers={"Content-Type": "application/x-ndjson"})
        assert b'"status":"refused"' in refused.data
