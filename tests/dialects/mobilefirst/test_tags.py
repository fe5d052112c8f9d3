"""Tags and the subscriptions of devices to them."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote
from uuid import UUID

import pytest
from flask import Flask

from dialects.mobilefirst.client import Client
from dialects.mobilefirst.conftest import provisioned
from tocsin.api.services import Services
from tocsin.commands.devices import load_device
from tocsin.commands.people import EXTERNAL_ID

NOT_FOUND = "Not Found - Targeted resource 'tagNames' does not exist. Check the 'tags' parameter."


@pytest.fixture(scope="module")
def tagged(app: Flask, services: Services) -> Client:
    """An app with three tags and two devices."""
    made = provisioned(app, services, "Tagged")
    for name in ("alpha", "beta", "news: local"):
        assert made.post("/tags", {"name": name, "description": f"About {name}"}).status_code == 201
    made.register("one", userId="ada")
    made.register("two", platform="A", token="tt")
    return made


def test_a_tag_is_created_read_described_and_deleted(client: Client) -> None:
    made = client.post("/tags", {"name": "sports", "description": "About sports"})

    assert made.status_code == 201
    address = f"https://example.com:443/imfpush/v1/apps/{client.application}/tags/sports"
    assert (made.json["href"], made.json["uri"], made.json["createdMode"]) == (address, address, "API")
    assert client.get("/tags/sports").json == made.json
    described = client.put("/tags/sports", {"name": "sports", "description": "Results"})
    assert (described.status_code, described.json["description"]) == (200, "Results")
    assert described.json["createdTime"] == made.json["createdTime"]
    gone = client.delete("/tags/sports")
    assert (gone.status_code, gone.data) == (204, b"")
    for answer in (
        client.get("/tags/sports"),
        client.put("/tags/sports", {"description": "x"}),
        client.delete("/tags/sports"),
    ):
        assert (answer.status_code, answer.json["code"]) == (404, "FPWSE0001E")


@pytest.mark.parametrize("name", ["tagged twice", "Push.ALL", "push.all", "Push.NONE"])
def test_a_name_is_one_tag_and_that_of_broadcasts_nobodys(client: Client, name: str) -> None:
    client.post("/tags", {"name": name})
    answer = client.post("/tags", {"name": name})

    assert (answer.status_code, answer.json["code"]) == (409, "FPWSE0002E")


@pytest.mark.parametrize("body", [{}, {"name": ""}, {"name": "a\nb"}, {"name": 7}, {"name": "a", "description": 7}])
def test_a_tag_that_cannot_be_is_refused(client: Client, body: Any) -> None:
    answer = client.post("/tags", body)

    assert (answer.status_code, answer.json["code"]) == (400, "FPWSE0005E")


def test_a_tags_name_never_changes(client: Client) -> None:
    client.post("/tags", {"name": "kept"})

    assert client.put("/tags/kept", {"name": "other", "description": "x"}).status_code == 400


def test_a_name_may_hold_a_slash(client: Client) -> None:
    made = client.post("/tags", {"name": "floor/3"})

    assert made.json["href"].endswith("/tags/floor%2F3")
    for path in ("/tags/floor%2F3", "/tags/floor%2F3/"):
        assert client.get(path).json["name"] == "floor/3"


def test_a_list_of_tags_holds_strings_alone(tagged: Client) -> None:
    subscribe(tagged, "one", "alpha")
    subscribe(tagged, "two", "alpha")
    shown = tagged.get("/tags?expand=true&subscriptionCount=true").json

    assert all(isinstance(value, str) for one in shown["tags"] for value in one.values())
    (alpha, *_) = shown["tags"]
    assert (alpha["subscriptionCount"], alpha["subscriptionCountA"], alpha["subscriptionCountG"]) == ("2", "1", "1")
    assert alpha["subscriptionCountW"] == "0"
    assert "subscriptionCount" not in tagged.get("/tags?subscriptionCount=false").json["tags"][0]
    assert "createdTime" not in tagged.get("/tags").json["tags"][0]


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("filter=name==alpha", ["alpha"]),
        ("filter=name=@a", ["alpha", "beta", "news: local"]),
        ("filter=name==alpha,name==beta", ["alpha", "beta"]),
        ("filter=name=@a&filter=description=@beta", ["beta"]),
        (f"filter={quote('name==news: local')}", ["news: local"]),
        ("filter=name==a%5C%2Cb", []),
        ("filter=platform==A", ["alpha", "beta", "news: local"]),
        ("offset=1&size=1", ["beta"]),
        ("offset=9", []),
    ],
)
def test_tags_are_found_by_name_and_description(tagged: Client, query: str, names: list[str]) -> None:
    assert [one["name"] for one in tagged.get(f"/tags?{query}").json["tags"]] == names


def test_a_comma_or_a_backslash_in_an_expression_is_escaped(client: Client) -> None:
    client.post("/tags", {"name": "escaped", "description": r"one, two \ three"})

    for expression in (r"one\, two", r"two \\ three", r"zero,description=@one\, two \\ three"):
        shown = client.get(f"/tags?filter={quote(f'description=@{expression}')}").json
        assert [one["name"] for one in shown["tags"]] == ["escaped"], expression


def test_every_device_is_subscribed_to_broadcasts(tagged: Client) -> None:
    tagged.register("new")

    assert tags_of(tagged, "new") == ["Push.ALL"]


def test_a_device_subscribes_to_a_tag_once(tagged: Client) -> None:
    made = subscribe(tagged, "one", "beta")

    assert made.status_code == 201
    assert set(made.json) == {"deviceId", "tagName", "subscriptionId", "userId", "href"}
    assert (made.json["deviceId"], made.json["tagName"], made.json["userId"]) == ("one", "beta", "ada")
    assert made.json["href"].endswith("/subscriptions?deviceId=one&tagName=beta")
    again = subscribe(tagged, "one", "beta")
    assert (again.status_code, again.json["code"]) == (409, "FPWSE0011E")
    for answer in (subscribe(tagged, "nobody", "beta"), subscribe(tagged, "one", "nothing")):
        assert (answer.status_code, answer.json["code"]) == (404, "FPWSE0001E")
    assert tagged.post("/subscriptions", {"deviceId": "one"}).status_code == 400


def test_a_subscription_is_read_and_ended_by_its_id(tagged: Client) -> None:
    tagged.register("by-id")
    made = subscribe(tagged, "by-id", "news: local").json
    path = f"/subscriptions/{made['subscriptionId']}"

    shown = tagged.get(path)
    assert shown.status_code == 200
    assert shown.json.items() >= made.items()
    assert [set(one) for one in shown.json["devices"]] == [{"deviceId", "platform", "token", "userId", "href"}]
    assert shown.json["pageInfo"] == {"count": "1", "next": "", "previous": "", "totalCount": "1"}
    ended = tagged.delete(path)
    assert (ended.status_code, ended.data) == (204, b"")
    for answer in (tagged.get(path), tagged.delete(path), tagged.get("/subscriptions/mysubscription")):
        assert (answer.status_code, answer.json["code"]) == (404, "FPWSE0012E")
    assert tagged.get("/devices/by-id").status_code == 200
    assert tagged.get("/tags/news: local").status_code == 200


def test_a_subscription_is_ended_by_its_pair(tagged: Client) -> None:
    tagged.register("by-pair")
    subscribe(tagged, "by-pair", "alpha")
    path = "/subscriptions?deviceId=by-pair&tagName=alpha"

    assert (tagged.delete(path).status_code, tagged.delete(path).json["code"]) == (204, "FPWSE0012E")
    for incomplete in ("", "?deviceId=by-pair", "?tagName=alpha", "?deviceId=&tagName=alpha"):
        answer = tagged.delete(f"/subscriptions{incomplete}")
        assert (answer.status_code, answer.json["code"]) == (400, "FPWSE0008E")
    assert tagged.delete("/subscriptions?deviceId=nobody&tagName=alpha").json["code"] == "FPWSE0001E"


def test_a_device_subscribes_to_a_list_of_tags(tagged: Client) -> None:
    tagged.register("several")
    subscribe(tagged, "several", "alpha")
    answer = tagged.post("/subscriptions", {"deviceId": "several", "tagNames": ["alpha", "beta", "nothing", "beta"]})

    assert answer.status_code == 207
    assert answer.json["tagsNotFound"] == {"tags": ["nothing"], "message": NOT_FOUND, "code": "FPWSE0001E"}
    assert [one["tagName"] for one in answer.json["subscriptionExists"]] == ["alpha"]
    assert [one["tagName"] for one in answer.json["subscribed"]] == ["beta"]
    assert tags_of(tagged, "several") == ["Push.ALL", "alpha", "beta"]


def test_a_device_is_taken_off_a_list_of_tags(tagged: Client) -> None:
    tagged.register("fewer")
    tagged.post("/subscriptions", {"deviceId": "fewer", "tagNames": ["alpha", "beta"]})
    gone = {"deviceId": "fewer", "tagNames": ["beta", "nothing"]}
    answer = tagged.post("/subscriptions?action=delete", gone)

    assert answer.status_code == 207
    assert answer.json["tagsNotFound"]["tags"] == ["nothing"]
    assert [one["tagName"] for one in answer.json["subscriptionExists"]] == ["beta"]
    assert tags_of(tagged, "fewer") == ["Push.ALL", "alpha"]


@pytest.mark.parametrize("names", [[], "", [""], [7], 7, {"a": 1}])
def test_a_list_that_names_no_tag_is_refused(tagged: Client, names: Any) -> None:
    answer = tagged.post("/subscriptions", {"deviceId": "one", "tagNames": names})

    assert (answer.status_code, answer.json["code"]) == (400, "FPWSE0005E")


@pytest.mark.parametrize("spelling", ["Push.ALL", "Push.all"])
def test_a_device_leaves_broadcasts_and_comes_back(tagged: Client, services: Services, spelling: str) -> None:
    tagged.register(spelling)

    assert tagged.delete(f"/subscriptions?deviceId={spelling}&tagName={spelling}").status_code == 204
    assert tags_of(tagged, spelling) == []
    assert tags_in_record(services, tagged, spelling) == {"Push.NONE"}
    assert tagged.delete(f"/subscriptions?deviceId={spelling}&tagName=Push.NONE").status_code == 404
    tagged.register(spelling, token="another")
    assert tags_of(tagged, spelling) == []
    back = subscribe(tagged, spelling, spelling)
    assert (back.status_code, back.json["tagName"]) == (201, "Push.ALL")
    assert tags_in_record(services, tagged, spelling) == {"Push.ALL"}


def test_a_list_of_subscriptions_is_narrowed(tagged: Client) -> None:
    tagged.register("listed", userId="lister")
    tagged.post("/subscriptions", {"deviceId": "listed", "tagNames": ["alpha", "beta"]})

    def pairs(query: str) -> list[tuple[str, str]]:
        shown = tagged.get(f"/subscriptions?size=500&{query}").json
        assert all(isinstance(value, str) for one in shown["subscriptions"] for value in one.values())
        return [(one["deviceId"], one["tagName"]) for one in shown["subscriptions"]]

    every = [("listed", "Push.ALL"), ("listed", "alpha"), ("listed", "beta")]
    assert pairs("deviceId=listed&tagName=") == every
    assert pairs("userId=lister&expand=true") == every
    assert pairs("deviceId=listed&tagName=alpha") == [("listed", "alpha")]
    assert pairs("filter=deviceId==listed&filter=tagName=@a&filter=platform==G") == every[1:]
    assert pairs("deviceId=listed&filter=platform==A") == []
    assert pairs("deviceId=nobody") == []
    assert ("listed", "alpha") not in pairs("userId=anonymous")
    page = tagged.get("/subscriptions?deviceId=listed&offset=1&size=1").json
    assert page["pageInfo"]["totalCount"] == "3"
    assert "deviceId=listed" in page["pageInfo"]["next"]


def test_a_deleted_tag_takes_its_subscriptions_along(client: Client) -> None:
    client.post("/tags", {"name": "short-lived"})
    client.register("subscribed")
    subscribe(client, "subscribed", "short-lived")

    assert client.delete("/tags/short-lived").status_code == 204
    assert tags_of(client, "subscribed") == ["Push.ALL"]


def test_a_phone_sees_its_own_subscriptions_alone(tagged: Client) -> None:
    secret = {"clientSecret": tagged.device_secret}

    assert tagged.get("/subscriptions?deviceId=one", scope=None, **secret).status_code == 200
    assert tagged.get("/subscriptions", scope=None, **secret).status_code == 403
    assert tagged.get("/tags", scope=None, **secret).status_code == 200
    body = {"deviceId": "two", "tagNames": ["beta"]}
    assert tagged.post("/subscriptions", body, scope=None, **secret).status_code == 207
    assert tagged.post("/tags", {"name": "x"}, scope=None, **secret).status_code == 403


def subscribe(client: Client, device: str, tag: str) -> Any:
    return client.post("/subscriptions", {"deviceId": device, "tagName": tag})


def tags_of(client: Client, device: str) -> list[str]:
    shown = client.get(f"/subscriptions?deviceId={device}").json
    return sorted(one["tagName"] for one in shown["subscriptions"])


def tags_in_record(services: Services, client: Client, device: str) -> frozenset[str]:
    own, engine = UUID(client.application), services.engine
    digest = engine.digest(EXTERNAL_ID, device)
    state = load_device(engine, own, engine.record.owners(own, EXTERNAL_ID, [digest])[digest]).state
    assert state is not None
    return state.tags
