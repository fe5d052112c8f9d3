"""Notifications afterwards: listed, found, deleted, reported device by device, and hidden where they are protected."""

from __future__ import annotations

from uuid import UUID, uuid4

from dialects.twinpush.client import DATE, Client, refusal
from dialects.twinpush.conftest import Delivered
from tocsin.api.services import Services
from tocsin.projections import sends


def test_notifications_are_listed_and_shown_as_they_were_created(client: Client) -> None:
    created = [client.create(alert=f"Number {one}", title="T")["id"] for one in range(3)]

    listed = client.get("notifications?per_page=3").json
    shown = client.get(f"notifications/{created[0]}").json

    assert [one["id"] for one in listed["objects"]] == created[::-1]
    assert (shown["alert"], shown["title"], shown["objects"][0]["id"]) == ("Number 0", "T", created[0])
    assert shown["references"] == []


def test_a_notification_is_found_by_the_number_its_payload_carries(
    client: Client, services: Services, app_id: UUID
) -> None:
    created = client.create()["id"]
    with services.readers.connection() as connection:
        found = sends.send_by_handle(connection, app_id, services.handles, created)
    assert found is not None

    assert client.get(f"notifications/{found.row.created_position}").json["id"] == created


def test_a_deleted_notification_is_nowhere_and_what_had_not_gone_out_never_does(
    client: Client, services: Services, app_id: UUID
) -> None:
    created = client.create(send_since="2999-10-10 15:14:33 +0000")["id"]

    assert client.delete(f"notifications/{created}").json == {}

    assert refusal(client.get(f"notifications/{created}")) == (404, "NotificationNotFound")
    assert refusal(client.delete(f"notifications/{created}")) == (404, "NotificationNotFound")
    assert refusal(client.get(f"notifications/{created}/report")) == (404, "NotificationNotFound")
    assert created not in {one["id"] for one in client.get("notifications?per_page=1000").json["objects"]}
    with services.readers.connection() as connection:
        found = sends.send_by_handle(connection, app_id, services.handles, created)
    assert found is not None
    assert found.row.status == "cancelled"


def test_a_report_counts_what_became_of_a_notification(client: Client, delivered: Delivered) -> None:
    alias_device = uuid4().hex
    good, opened, dead = (client.register(alias_device=alias_device)["id"] for _ in range(3))
    client.register(alias_device=alias_device, platform="huawei")
    created = delivered(devices_aliases=[alias_device], failed=(dead,))
    client.post(f"devices/{good}/notifications/{created['id']}/received_notification")
    client.post(f"devices/{opened}/notifications/{created['id']}/open_notification")

    report = client.get(f"notifications/{created['id']}/report").json

    assert (report["status"], report["delivery_count"]) == ("sent", 2)
    # What was opened has been received.
    assert (report["received_count"], report["opening_count"]) == (2, 1)
    assert [(one["platform"], one["level"], one["key"]) for one in report["errors"]] == [
        ("android", "error", "BadDeviceToken"),
        ("all", "warning", "no-provider"),
    ]
    assert all(DATE.fullmatch(one["created_at"]) and one["message"] for one in report["errors"])
    assert report["notification"]["id"] == created["id"]


def test_reports_are_listed_newest_first_since_a_date(client: Client, delivered: Delivered) -> None:
    device = client.register()["id"]
    created = [delivered(devices_ids=[device])["id"] for _ in range(2)]

    listed = client.get("notifications/reports?per_page=2&date=2016-10-29").json

    assert [one["notification"]["id"] for one in listed["objects"]] == created[::-1]
    assert listed["objects"] == [client.get(f"notifications/{one}/report").json for one in created[::-1]]
    assert client.get("notifications/reports?date=2999-10-29").json["total_entries"] == 0
    assert refusal(client.get("notifications/reports?date=never")) == (422, "InvalidParameter")


def test_a_notification_that_reached_none_of_its_devices_is_an_error(client: Client, delivered: Delivered) -> None:
    device = client.register()["id"]

    created = delivered(devices_ids=[device], failed=(device,))

    report = client.get(f"notifications/{created['id']}/report").json
    assert (report["status"], report["delivery_count"]) == ("error", 0)


def test_deliveries_say_what_became_of_each_device(client: Client, delivered: Delivered) -> None:
    alias_device = uuid4().hex
    ids = {client.register(alias_device=alias_device)["id"] for _ in range(3)}
    created = delivered(devices_aliases=[alias_device])
    path = f"notifications/{created['id']}/deliveries"

    got, posted = client.get(f"{path}?per_page=2").json, client.post(path, {"page": "2", "per_page": "2"}).json

    found = got["objects"] + posted["objects"]
    assert {one["device"]["id"] for one in found} == ids
    assert len({one["id"] for one in found}) == 3
    assert all(type(one["id"]) is int and DATE.fullmatch(one["created_at"]) for one in found)
    assert {(one["received_at"], one["open_at"], one["device"]["alias_device"]) for one in found} == {
        (None, None, alias_device)
    }
    assert (got["total_entries"], got["total_pages"], posted["current_page"]) == (3, 2, 2)
    assert refusal(client.get(f"{path}?page=3&per_page=2")) == (404, "NotFound")


def test_protected_content_is_for_its_recipients_eyes(client: Client, delivered: Delivered) -> None:
    device, other = client.register()["id"], client.register()["id"]
    created = delivered(devices_ids=[device], protected_content=True, title="Private", inbox=True)
    assert (created["alert"], created["title"]) == ("Hello", "Private")

    seen = {
        path: (shown["alert"], shown["title"])
        for path in ("", f"devices/{other}/", f"devices/{device}/")
        for shown in [client.get(f"{path}notifications/{created['id']}").json]
    }

    assert seen == {"": (None, None), f"devices/{other}/": (None, None), f"devices/{device}/": ("Hello", "Private")}
    listed = client.get("notifications").json["objects"]
    assert [one["alert"] for one in listed if one["id"] == created["id"]] == [None]
    (item,) = client.get(f"devices/{device}/inbox").json["objects"]
    assert item["notification"]["alert"] == "Hello"
