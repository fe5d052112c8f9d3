"""What is frozen is killed and started again: every device has one outcome, and nothing stays frozen."""

from __future__ import annotations

import os
import signal

from living import await_end

from system.campaign import PLATFORMS, Campaign

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
    await_end(frozen.values(), "the processes that are frozen")
    instance.await_whole()
    campaign.wait_until_ended(push)
    assert campaign.broken_promises(push) == {}
    assert instance.pid("sandbox") == others
    log = instance.log.read_text()
    for name in frozen:
        assert f"{name} has given no sign of life for 60 s" in log
