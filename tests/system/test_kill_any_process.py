"""Any single process is killed in the middle of a send: every device has one outcome, and doubt is on the record."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest
from living import await_end
from webhook_receiver import Receiver, receiving

from system.campaign import ENDS_WITHIN, PLATFORMS, Campaign, Push
from system.instance import Instance, eventually

UNDER_WAY = 900
"""Calls of a send, of 3,000 and more, after which a process is killed: many are answered, many under way."""

SUPERVISED = ("postgres", "sandbox", "project", "plan", "schedule", "webhooks", "api")
DELIVERY = tuple(f"deliver-{provider}" for provider in PLATFORMS)


@pytest.fixture(scope="module", autouse=True)
def receiver(campaign: Campaign) -> Iterator[Receiver]:
    """A webhook that is told of every device's outcome, whatever is killed."""
    with receiving() as receiver:
        webhook = {"name": "outcomes", "url": receiver.url, "events": ["delivery.delivered"]}
        made = campaign.instance.call("POST", f"/apps/{campaign.app}/webhooks", json=webhook)
        yield receiver
        campaign.instance.call("DELETE", f"/apps/{campaign.app}/webhooks/{made['webhook_id']}")


@pytest.fixture(scope="module", autouse=True)
def pushes_whose_worker_was_killed(campaign: Campaign, receiver: Receiver) -> dict[str, Push]:
    """A send for each delivery worker, which was killed in the middle of it.

    All three first, so that their leases run out while the other tests go on.
    """
    pushes = {}
    for provider in PLATFORMS:
        push = campaign.request(f"killed: deliver-{provider}", provider)
        campaign.wait_until_under_way(push, UNDER_WAY // len(PLATFORMS))
        campaign.instance.kill(f"deliver-{provider}")
        pushes[f"deliver-{provider}"] = push
    return pushes


def _push_and_kill(campaign: Campaign, name: str, calls: int = UNDER_WAY) -> Push:
    push = campaign.request(f"killed: {name}")
    campaign.wait_until_under_way(push, calls)
    campaign.instance.kill(name)
    return push


def test_no_process_is_left_out_here(instance: Instance) -> None:
    assert instance.processes().keys() == {*SUPERVISED, *DELIVERY}


@pytest.mark.parametrize("name", [*SUPERVISED, "api-worker", "postmaster", "guard"])
def test_a_killed_process_leaves_one_outcome_for_every_device(campaign: Campaign, name: str) -> None:
    push = _push_and_kill(campaign, name)
    campaign.wait_until_ended(push)
    assert campaign.broken_promises(push) == {}
    campaign.instance.await_whole()


def test_so_does_a_planner_killed_before_anything_was_sent(campaign: Campaign) -> None:
    push = _push_and_kill(campaign, "plan", calls=0)
    campaign.wait_until_ended(push)
    assert campaign.broken_promises(push) == {}


def test_so_does_a_killed_supervisor_once_everything_is_started_again(campaign: Campaign) -> None:
    push = _push_and_kill(campaign, "supervisor")
    campaign.instance.start()
    campaign.wait_until_ended(push)
    assert campaign.broken_promises(push) == {}


def test_what_a_killed_supervisor_leaves_behind_ends_in_order_and_loses_no_answer(campaign: Campaign) -> None:
    everybody = campaign.instance.everybody()
    push = _push_and_kill(campaign, "supervisor")
    await_end(everybody, "all processes")
    campaign.instance.start()
    campaign.wait_until_ended(push)
    assert campaign.broken_promises(push) == {}
    assert campaign.account(push).in_doubt == set()


@pytest.mark.parametrize("name", DELIVERY)
def test_a_killed_delivery_worker_leaves_doubt_on_the_record(
    campaign: Campaign, pushes_whose_worker_was_killed: dict[str, Push], name: str
) -> None:
    push = pushes_whose_worker_was_killed[name]
    campaign.wait_until_ended(push)
    assert campaign.broken_promises(push) == {}
    assert campaign.account(push).in_doubt


def test_webhooks_were_told_of_every_outcome_through_all_of_it(
    campaign: Campaign, receiver: Receiver, pushes_whose_worker_was_killed: dict[str, Push]
) -> None:
    push = _push_and_kill(campaign, "webhooks")
    pushes = [push, *pushes_whose_worker_was_killed.values()]
    campaign.wait_until_ended(push)
    delivered = Counter((one.send_id, str(device)) for one in pushes for device in campaign.account(one).delivered)
    sends = {one.send_id for one in pushes}
    eventually(lambda: _told(receiver, sends) == delivered, "every outcome is told", ENDS_WITHIN, every=0.5)


def _told(receiver: Receiver, sends: set[str]) -> Counter[tuple[str, str]]:
    """Of which device's outcome the receiver was told how often, a call that was made twice counting once."""
    calls = {received.headers["webhook-id"]: received.told["data"]["deliveries"] for received in [*receiver.received]}
    facts = [fact for deliveries in calls.values() for fact in deliveries]
    return Counter((fact["send_id"], fact["device_id"]) for fact in facts if fact["send_id"] in sends)
