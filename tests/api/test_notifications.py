"""Notifications and follow-ups over HTTP."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from calling import AppendsNothing, Caller

from tocsin.eventlog.record import Record

THREAT = {"title": "Threat", "body": "Stay away from the library", "label": "security", "data": {"building": 7}}


def test_a_notification_is_published_amended_and_withdrawn(campus: Caller, record: Record) -> None:
    created = campus.post("/notifications", THREAT)
    assert created.status_code == 201
    address = created.headers["Location"]
    found = campus.get(address).json
    assert {name: found[name] for name in created.json} == created.json
    assert found["current"] is True
    position = record.head().position
    assert campus.patch(address, {"body": "The library is safe", "title": None}).json["title"] is None
    assert campus.get(f"{address}?as_of={position}").json["body"] == THREAT["body"]
    assert campus.delete(f"{address}?reason=over").status_code == 204
    gone = campus.get(address).json
    assert (gone["withdrawn"], gone["reason"], gone["current"]) == (True, "over", False)
    assert campus.patch(address, {"body": "again"}).status_code == 409
    types = [event["type"] for event in campus.get(f"{address}/history").json["items"]]
    assert types == ["notification.created", "notification.amended", "notification.withdrawn"]


def test_followups_are_added_amended_and_withdrawn_under_numbers_of_their_own(campus: Caller, record: Record) -> None:
    notification = campus.post("/notifications", THREAT).headers["Location"]
    first = campus.post(f"{notification}/followups", {"body": "Security services have arrived on scene"})
    assert (first.status_code, first.json["followup_id"]) == (201, 1)
    assert campus.get(first.headers["Location"]).json["body"] == "Security services have arrived on scene"
    second = campus.post(f"{notification}/followups", {"body": "Fire department working", "at": "2026-03-01T10:00:00Z"})
    assert (second.json["followup_id"], second.json["at"]) == (2, "2026-03-01T10:00:00Z")
    position = record.head().position
    changed = campus.patch(f"{notification}/followups/2", {"body": "Fire department has left"})
    assert changed.json["body"] == "Fire department has left"
    assert campus.get(f"{notification}/followups/2?as_of={position}").json["body"] == "Fire department working"
    assert campus.delete(f"{notification}/followups/1").status_code == 204
    assert [one["followup_id"] for one in campus.get(notification).json["followups"]] == [2]
    assert [one["withdrawn"] for one in campus.get(f"{notification}/followups").json["items"]] == [True, False]
    assert campus.patch(f"{notification}/followups/1", {"body": "x"}).status_code == 404
    assert campus.get(f"{notification}/followups/3").status_code == 404
    types = [event["type"] for event in campus.get(f"{notification}/followups/1/history").json["items"]]
    assert types == ["notification.followup_added", "notification.followup_withdrawn"]


def test_notifications_are_listed_the_newest_first_and_by_when_they_are_in_force(campus: Caller) -> None:
    now = datetime.now(UTC)
    hour = timedelta(hours=1)
    current = campus.post("/notifications", THREAT).json["notification_id"]
    upcoming = campus.post("/notifications", {**THREAT, "starts_at": (now + hour).isoformat()}).json["notification_id"]
    past = campus.post("/notifications", THREAT).json["notification_id"]
    campus.delete(f"/notifications/{past}")

    def listed(query: str) -> list[str]:
        return [one["notification_id"] for one in campus.get(f"/notifications?{query}").json["items"]]

    assert listed("") == [past, upcoming, current]
    assert (listed("when=current"), listed("when=upcoming"), listed("when=past")) == ([current], [upcoming], [past])
    page = campus.get("/notifications?limit=2").json
    assert listed(f"limit=2&cursor={page['next']}") == [current]


def test_a_validity_that_has_expired_is_refused(campus: Caller, appends_nothing: AppendsNothing) -> None:
    past = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
    before = (datetime.now(UTC) - timedelta(hours=2)).isoformat()
    with appends_nothing():
        for validity in ({"expires_at": past}, {"starts_at": before, "expires_at": past}):
            refused = campus.post("/notifications", {**THREAT, **validity})
            assert (refused.status_code, refused.json["field"]) == (422, "expires_at")


def test_an_expired_notification_is_not_pushed(campus: Caller, appends_nothing: AppendsNothing) -> None:
    soon = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    notification = campus.post("/notifications", {**THREAT, "expires_at": soon}).json["notification_id"]
    past = datetime.now(UTC) - timedelta(hours=1)
    times = {"starts_at": (past - timedelta(hours=1)).isoformat(), "expires_at": past.isoformat()}
    assert campus.patch(f"/notifications/{notification}", times).status_code == 200
    with appends_nothing():
        subject = {"notification_id": notification}
        refused = campus.post("/sends", {"subject": subject, "audience": {"everyone": True}})
        assert (refused.status_code, refused.json["code"]) == (422, "invalid")
