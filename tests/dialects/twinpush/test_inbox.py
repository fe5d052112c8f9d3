"""What a device was sent: its inbox, its search, and what it reports."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest

from dialects.twinpush.client import API, CREATOR, DATE, Client, await_position, refusal
from tocsin.api.services import Services
from tocsin.commands.context import Context
from tocsin.commands.devices import Registration, register_device
from tocsin.domain.entry import Actor
from tocsin.projections import devices, sends

Delivered = Callable[..., dict[str, Any]]


@pytest.fixture
def phone(client: Client) -> dict[str, Any]:
    """A device of a person of its own."""
    return client.register(alias_device=uuid4().hex)


@pytest.fixture
def tablet(client: Client, phone: dict[str, Any]) -> dict[str, Any]:
    """Another device of the same person."""
    return client.register(alias_device=phone["alias_device"])


def inbox(client: Client, device: dict[str, Any], query: str = "") -> list[str]:
    return [item["notification"]["id"] for item in client.get(f"devices/{device['id']}/inbox?{query}").json["objects"]]


def test_an_inbox_is_its_persons_and_holds_what_was_meant_for_it(
    client: Client, delivered: Delivered, phone: dict[str, Any], tablet: dict[str, Any]
) -> None:
    stranger = client.register(alias_device=uuid4().hex)
    assert client.get(f"devices/{phone['id']}/inbox").json["objects"] == []

    kept = delivered(devices_aliases=[phone["alias_device"]], inbox=True, title="T", url="http://a.example")
    delivered(devices_aliases=[phone["alias_device"]])
    own = delivered(devices_ids=[phone["id"]], inbox=True)

    assert inbox(client, phone) == inbox(client, tablet) == [own["id"], kept["id"]]
    assert inbox(client, stranger) == []
    item = client.get(f"devices/{tablet['id']}/inbox").json["objects"][1]
    assert item.keys() == {"id", "type", "created_at", "received_at", "open_at", "notification"}
    assert (item["received_at"], item["open_at"]) == (None, None)
    assert DATE.fullmatch(item["created_at"])
    same = ("id", "alert", "title", "tp_rich_url", "badge", "custom_properties", "tags", "send_since")
    assert {name: item["notification"][name] for name in same if name != "send_since"} == {
        name: kept[name] for name in same if name != "send_since"
    }


def test_a_summary_counts_it(client: Client, delivered: Delivered, phone: dict[str, Any], tablet: Any) -> None:
    first, second = (delivered(devices_aliases=[phone["alias_device"]], inbox=True)["id"] for _ in range(2))

    client.post(f"devices/{phone['id']}/notifications/{first}/open_notification")

    summaries = [client.get(f"devices/{device['id']}/inbox_summary").json for device in (phone, tablet)]
    assert summaries == [{"total_count": 2, "unopened_count": 1}] * 2
    client.delete(f"devices/{tablet['id']}/notifications/{second}")
    assert client.get(f"devices/{phone['id']}/inbox_summary").json == {"total_count": 1, "unopened_count": 0}


def test_tags_choose(client: Client, delivered: Delivered, phone: dict[str, Any]) -> None:
    target = {"devices_ids": [phone["id"]], "inbox": True}
    both = delivered(**target, tags=["a", "b"])["id"]
    one = delivered(**target, tags=["a"])["id"]
    rich = delivered(**target, url="http://a.example")["id"]

    def searched(body: dict[str, Any] | None) -> list[str]:
        found = client.post(f"devices/{phone['id']}/search_notifications", body).json["objects"]
        return [one["id"] for one in found]

    assert searched(None) == searched({"tags": [], "no_tags": None}) == inbox(client, phone) == [rich, one, both]
    assert searched({"tags": ["a"]}) == inbox(client, phone, "tags[]=a") == [one, both]
    assert searched({"tags": ["a", "b"]}) == inbox(client, phone, "tags[]=a&tags[]=b") == [both]
    assert searched({"tags": ["a"], "no_tags": ["b"]}) == inbox(client, phone, "tags[]=a&no_tags[]=b") == [one]
    assert searched({"no_tags": ["a"]}) == searched({"tags": ["tp_rich"]}) == [rich]
    assert searched({"page": "2", "per_page": "2"}) == inbox(client, phone, "page=2&per_page=2") == [both]
    wrong = client.post(f"devices/{phone['id']}/search_notifications", {"tags": "a"})
    assert refusal(wrong) == (422, "InvalidParameter")
    beyond = client.post(f"devices/{phone['id']}/search_notifications", {"page": 9})
    assert refusal(beyond) == (404, "NotFound")


def test_a_search_is_of_one_device_and_also_of_what_is_in_no_inbox(
    client: Client, delivered: Delivered, phone: dict[str, Any], tablet: dict[str, Any]
) -> None:
    sent = delivered(devices_ids=[phone["id"]])["id"]

    found = {
        device["id"]: [
            one["id"] for one in client.post(f"devices/{device['id']}/search_notifications", {}).json["objects"]
        ]
        for device in (phone, tablet)
    }
    assert found == {phone["id"]: [sent], tablet["id"]: []}


def test_everybody_reads_what_they_were_told(
    client: Client, delivered: Delivered, phone: dict[str, Any], tablet: dict[str, Any]
) -> None:
    other = client.register(alias_device=uuid4().hex)
    own = {"alert": "Only you", "custom_properties": {"seat": 7}}
    told = delivered(multiple_alias={phone["alias_device"]: own, other["alias_device"]: {}}, inbox=True)["id"]

    def read(device: dict[str, Any]) -> list[tuple[str, Any]]:
        (item,) = client.get(f"devices/{device['id']}/inbox").json["objects"]
        (found,) = client.post(f"devices/{device['id']}/search_notifications").json["objects"]
        shown = client.get(f"devices/{device['id']}/notifications/{told}").json
        return [(one["alert"], one["custom_properties"]) for one in (item["notification"], found, shown)]

    assert read(phone) == read(tablet) == [("Only you", {"seat": "7"})] * 3
    assert read(other) == [("Hello", {})] * 3
    assert client.get(f"notifications/{told}").json["alert"] == "Hello"


def test_receipts_count_once_and_not_by_the_time_they_give(
    client: Client, delivered: Delivered, phone: dict[str, Any]
) -> None:
    sent = delivered(devices_ids=[phone["id"]], inbox=True)["id"]
    path = f"devices/{phone['id']}/notifications/{sent}"

    def times() -> tuple[str | None, str | None]:
        (item,) = client.get(f"devices/{phone['id']}/inbox").json["objects"]
        return item["received_at"], item["open_at"]

    without = {API: None, CREATOR: None}
    assert client.post(f"{path}/received_notification", b"", **without).json == {}
    received, opened = times()
    assert (received is not None and DATE.fullmatch(received), opened) != (None, None)
    assert client.post(f"{path}/open_notification", {"open_at": "2013-10-10 15:14:33 +0000"}, **without).json == {}
    first = times()
    assert client.post(f"{path}/open_notification", {}).status_code == 200
    assert client.post(f"{path}/received_notification", {}).status_code == 200

    assert times() == first
    assert first[0] == received
    assert first[1] is not None
    assert not first[1].startswith("2013")


def test_a_receipt_of_another_device_of_the_person_counts(
    client: Client, delivered: Delivered, phone: dict[str, Any], tablet: dict[str, Any]
) -> None:
    sent = delivered(devices_ids=[phone["id"]], inbox=True)["id"]

    answer = client.post(f"devices/{tablet['id']}/notifications/{sent}/open_notification")

    assert answer.status_code == 200
    (delivery,) = client.get(f"notifications/{sent}/deliveries").json["objects"]
    assert (delivery["device"]["id"], delivery["open_at"] is None) == (phone["id"], False)


def test_what_was_not_delivered_cannot_be_received(client: Client, delivered: Delivered, phone: dict[str, Any]) -> None:
    other = client.register()
    sent = delivered(devices_ids=[other["id"]], inbox=True)["id"]

    for method, path in (("POST", "/received_notification"), ("POST", "/open_notification"), ("DELETE", "")):
        answer = client.call(method, f"devices/{phone['id']}/notifications/{sent}{path}")
        assert refusal(answer) == (404, "DeliveryNotFound")


def test_what_is_removed_is_gone_for_all_devices_of_the_person(
    client: Client, delivered: Delivered, phone: dict[str, Any], tablet: dict[str, Any]
) -> None:
    sent = delivered(devices_aliases=[phone["alias_device"]], inbox=True)["id"]
    path = f"devices/{phone['id']}/notifications/{sent}"

    assert client.delete(path, **{API: None, CREATOR: None}).json == {}

    assert inbox(client, phone) == inbox(client, tablet) == []
    assert refusal(client.delete(path)) == (404, "DeliveryNotFound")
    assert client.get(path).status_code == 200


def test_a_deleted_notification_leaves_every_inbox(client: Client, delivered: Delivered, phone: dict[str, Any]) -> None:
    sent = delivered(devices_ids=[phone["id"]], inbox=True)["id"]

    client.delete(f"notifications/{sent}")

    assert inbox(client, phone) == []
    shown = client.get(f"devices/{phone['id']}/notifications/{sent}")
    assert refusal(shown) == (404, "NotificationNotFound")


def test_the_receipt_extension_knows_nothing_but_numbers(
    client: Client, services: Services, app_id: UUID, delivered: Delivered, phone: dict[str, Any]
) -> None:
    sent = delivered(devices_ids=[phone["id"]], inbox=True)
    with services.readers.connection() as connection:
        device = devices.device_by_handle(connection, app_id, services.handles, phone["id"])
        send = sends.send_by_handle(connection, app_id, services.handles, sent["id"])
    assert device is not None
    assert send is not None
    numbers = f"/devices/{device.created_position}/notifications/{send.row.created_position}"

    answer = client.post(f"{numbers}/received_notification", **{API: None, CREATOR: None})

    assert (answer.status_code, answer.json) == (200, {})
    (item,) = client.get(f"devices/{device.created_position}/inbox").json["objects"]
    assert (item["received_at"] is None, item["open_at"]) == (False, None)
    for path in (numbers, f"/devices/{phone['id']}/notifications/{sent['id']}"):
        shown = client.get(path, **{API: None, CREATOR: None}).json
        assert (shown["id"], shown["objects"][0]["id"]) == (sent["id"], sent["id"])
    assert client.post(f"{numbers}/open_notification").json == {}
    unknown = client.post(f"/devices/{device.created_position}/notifications/1/received_notification")
    assert refusal(unknown) == (404, "NotificationNotFound")
    nobody = client.post(f"/devices/{2**40}/notifications/1/received_notification")
    assert refusal(nobody) == (404, "DeviceNotFound")


def test_who_shows_a_mere_number_learns_nothing_that_is_not_for_everybody(
    client: Client, services: Services, app_id: UUID, delivered: Delivered, phone: dict[str, Any]
) -> None:
    private = delivered(devices_ids=[phone["id"]], inbox=True, protected_content=True)["id"]
    personal = delivered(multiple_devices={phone["id"]: {"alert": "Only you"}})["id"]
    with services.readers.connection() as connection:
        device = devices.device_by_handle(connection, app_id, services.handles, phone["id"])
    assert device is not None
    number, without = device.created_position, {API: None, CREATOR: None}

    for path in (f"/devices/{number}/notifications", f"devices/{number}/notifications"):
        shown = [client.get(f"{path}/{one}", **without).json["alert"] for one in (private, personal)]
        assert shown == [None, "Hello"]
    by_id = [client.get(f"devices/{phone['id']}/notifications/{one}", **without).json for one in (private, personal)]
    assert [one["alert"] for one in by_id] == ["Hello", "Only you"]
    for method, path in (
        ("GET", "inbox"),
        ("GET", "inbox_summary"),
        ("POST", "search_notifications"),
        ("GET", "badge"),
        ("POST", "open_app"),
        ("DELETE", "clear_custom_properties"),
        ("DELETE", f"notifications/{private}"),
    ):
        assert refusal(client.call(method, f"devices/{number}/{path}", **without)) == (404, "DeviceNotFound")
    assert client.get(f"devices/{number}/inbox_summary").json["total_count"] == 1


def test_what_was_opened_was_received(client: Client, delivered: Delivered, phone: dict[str, Any]) -> None:
    sent = delivered(devices_ids=[phone["id"]], inbox=True)["id"]

    client.post(f"devices/{phone['id']}/notifications/{sent}/open_notification")

    (item,) = client.get(f"devices/{phone['id']}/inbox").json["objects"]
    (delivery,) = client.get(f"notifications/{sent}/deliveries").json["objects"]
    assert item["received_at"] == item["open_at"] == delivery["received_at"] == delivery["open_at"] is not None


def test_a_device_that_cannot_be_pushed_to_has_an_inbox(client: Client, delivered: Delivered) -> None:
    bare = client.register(alias_device=uuid4().hex, push_token="")
    huawei = client.register(alias_device=uuid4().hex, platform="huawei")
    sent = delivered(devices_ids=[bare["id"], huawei["id"]], inbox=True)["id"]

    assert inbox(client, bare) == inbox(client, huawei) == [sent]
    assert client.post(f"devices/{bare['id']}/notifications/{sent}/open_notification").status_code == 200
    assert client.get(f"devices/{bare['id']}/inbox_summary").json == {"total_count": 1, "unopened_count": 0}
    report = client.get(f"notifications/{sent}/report").json
    assert [one["key"] for one in report["errors"]] == ["no-provider", "no-token"]


def test_a_device_that_came_through_another_api_is_a_device_here_too(
    client: Client, services: Services, app_id: UUID, delivered: Delivered
) -> None:
    name = uuid4().hex
    elsewhere = Context(Actor(principal="credential:1", dialect="other"))
    registration = Registration(platform="android", token=uuid4().hex, alias=name, attributes={"model": "Pixel"})
    done = register_device(services.engine, elsewhere, app_id, registration)
    await_position(services, done.position)

    sent = delivered(devices_aliases=[name], inbox=True)["id"]

    (device,) = client.get(f"devices?alias={name}").json["objects"]
    assert inbox(client, device) == [sent]
