"""What is frozen is killed and started again: every device has one outcome, and nothing stays frozen."""

from __future__ import annotations

import os
import signal

from system.campaign import PLATFORMS, Campaign
from system.instance import alive, eventually

GIVE_SIGNS = ("postgres", "project", "plan", "schedule", "webhooks", "api", *(f"deliver-{name}" for name in PLATFORMS))


def test_processes_that_freeze_in_the_middle_of_a_send_are_replaced_and_every_device_has_one_outcome(
    campaign: Campaign,
) -> None:
    instance = campaign.instance
    push = campaign.request("frozen")
    campaign.wait_until_under_way(push, 900)
    frozen = {name: instance.pid(name) for name in GIVE_SIGNS}
    others = instance.pid("sandbox")
    for pid in frozen.values():
        os.kill(pid, signal.SIGSTOP)
    eventually(lambda: not alive(set(frozen.values())), "what is frozen is killed", every=0.2)
    eventually(instance.is_whole, "every process is ready again", every=0.2)
    campaign.wait_until_ended(push)
    assert campaign.broken_promises(push) == {}
    assert instance.pid("sandbox") == others
    log = instance.log.read_text()
    for name in frozen:
        assert f"{name} has given no sign of life for 60 s" in log
