"""A push to a user whose devices registered through ThinkBIT's API, on everything that runs; and what is recorded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from patience import eventually
from system.instance import Instance

LIMIT = 18
TOKENS = [f"thinkbit-registration-{number}" for number in range(LIMIT + 2)]
EVICTED, REMOVED, KEPT = TOKENS[0], TOKENS[5], [*TOKENS[1:5], *TOKENS[6:]]
NEIGHBOUR = "thinkbit-neighbour"


@dataclass(frozen=True)
class Pushed:
    """All that was recorded from the first registration to the end of the push."""

    events: list[dict[str, Any]]
    send_id: str


def call(instance: Instance, method: str, token: str, user: str = "THINKBIT") -> None:
    known = instance.environment()
    url = f"{known['TOCSIN_URL']}/api/users/{known[f'{user}_USER_ID']}/fcm_registration_tokens"
    auth = known[f"{user}_EMAIL"], known[f"{user}_PASSWORD"]
    answer = instance.request(method, url, json={"registration_id": token}, auth=auth)
    assert answer.status_code == {"POST": 201, "DELETE": 204}[method], answer.text


@pytest.fixture(scope="module")
def pushed(instance: Instance) -> Pushed:
    """A group that was full loses its oldest device, and one that is removed; then its user is pushed to."""
    known = instance.environment()
    before = instance.call("GET", "/events?limit=1000")["next"]
    call(instance, "POST", NEIGHBOUR, "THINKBIT_OTHER")
    for token in TOKENS[: LIMIT + 1]:
        call(instance, "POST", token)
    call(instance, "DELETE", REMOVED)
    call(instance, "POST", TOKENS[-1])
    body = {
        "message": {"title": "Exam", "body": "Moved to room 7", "data": {"room": "7"}},
        "audience": {"users": [known["THINKBIT_EMAIL"]]},
    }
    send_id = instance.call("POST", f"/apps/{known['THINKBIT_APP_UUID']}/sends", json=body)["send_id"]

    def told() -> list[dict[str, Any]]:
        events: list[dict[str, Any]] = instance.call("GET", f"/events?limit=1000&cursor={before}")["items"]
        return events if any(event["type"] == "send.completed" for event in events) else []

    return Pushed(eventually(told, "the send ends", every=0.1), send_id)


@pytest.mark.usefixtures("pushed")
def test_each_device_of_the_group_gets_the_push_as_its_own(instance: Instance) -> None:
    for token in KEPT:
        (push,) = instance.sandbox.received(token=token)
        message = push["payload"]["message"]
        assert push["provider"] == "fcm"
        assert message["token"] == token
        assert message["notification"] == {"title": "Exam", "body": "Moved to room 7"}
        assert message["data"]["room"] == "7"


@pytest.mark.parametrize("token", [EVICTED, REMOVED, NEIGHBOUR])
@pytest.mark.usefixtures("pushed")
def test_who_has_left_the_group_and_who_was_never_in_it_gets_nothing(instance: Instance, token: str) -> None:
    assert not instance.sandbox.received(token=token)


def test_everything_that_was_sent_is_in_the_record(instance: Instance, pushed: Pushed) -> None:
    ours = [event for event in pushed.events if event["actor"]["dialect"] == "thinkbit"]

    joined = ["device.registered", "group.joined"]
    # The oldest leaves with the registration that takes its place; of one that is removed the group is told with the
    # next.
    assert [event["type"] for event in ours] == [
        *joined * (1 + LIMIT),
        *["device.registered", "device.retired", "group.left", "group.joined"],
        "device.retired",
        *["device.registered", "group.left", "group.joined"],
    ]
    assert {event["actor"]["address"] for event in ours} == {"127.0.0.1"}
    assert len({event["actor"]["principal"] for event in ours}) == 2
    assert all(event["actor"]["credential"] for event in ours)


def test_a_token_that_google_calls_dead_leaves_the_group(instance: Instance, pushed: Pushed) -> None:
    known = instance.environment()
    path = f"/apps/{known['THINKBIT_APP_UUID']}"
    instance.sandbox.fault(provider="fcm", token=KEPT[0], exact=True, status=404, reason="UNREGISTERED", times=1)
    body = {"message": {"body": "Again"}, "audience": {"users": [known["THINKBIT_EMAIL"]]}}
    send_id = instance.call("POST", f"{path}/sends", json=body)["send_id"]

    eventually(
        lambda: instance.call("GET", f"{path}/sends/{send_id}")["status"] == "completed", "the send ends", every=0.1
    )
    url = f"{known['TOCSIN_URL']}/api/users/{known['THINKBIT_USER_ID']}/fcm_registration_tokens"
    auth = known["THINKBIT_EMAIL"], known["THINKBIT_PASSWORD"]
    answer = instance.request("DELETE", url, json={"registration_id": KEPT[0]}, auth=auth)
    assert answer.status_code == 422
    assert answer.json()["errors"] == {"registration_id": ["The selected registration id is invalid."]}
