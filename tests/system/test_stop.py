"""Ctrl-C ends everything, and what was there is there again after the next start."""

from __future__ import annotations

from living import await_end, living

from system.campaign import Campaign
from system.instance import Instance


def _device_ids(campaign: Campaign) -> set[str]:
    found: set[str] = set()
    cursor = ""
    while True:
        page = campaign.instance.call("GET", f"/apps/{campaign.app}/devices?limit=1000{cursor}")
        found |= {device["device_id"] for device in page["items"]}
        if page["next"] is None:
            return found
        cursor = f"&cursor={page['next']}"


def test_ctrl_c_stops_everything_and_the_next_start_finds_everything(instance: Instance, campaign: Campaign) -> None:
    known, everybody, database = instance.environment(), instance.everybody(), instance.database()
    providers = instance.sandbox.providers
    assert len(everybody) > len(instance.processes())
    assert instance.interrupt() == 0, instance.how_it_stands()
    assert living(everybody - database) == set()
    # The collector of the server's log ends by itself once the last who could write to it has.
    await_end(database, "the database's processes")
    instance.start()
    # The API's port is a free one at every start here; the apps know the sandbox by its own, of which it has three.
    assert instance.environment() | {"TOCSIN_URL": ""} == known | {"TOCSIN_URL": ""}
    assert instance.sandbox.providers | {"pid": 0} == providers | {"pid": 0}
    assert _device_ids(campaign) == {str(device) for device in campaign.devices.values()}
