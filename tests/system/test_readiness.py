"""``/readyz`` says which part does nothing, though its process is there."""

from __future__ import annotations

import os
import signal

import pytest
import requests
from patience import PATIENCE

from system.instance import Instance, eventually


def wrong_with(instance: Instance) -> dict[str, str]:
    """What ``/readyz`` says is wrong, by part."""
    answer = requests.get(f"{instance.environment()['TOCSIN_URL']}/readyz", timeout=PATIENCE)
    wrong = {part: what for part, what in answer.json()["parts"].items() if what is not None}
    assert answer.status_code == (503 if wrong else 200)
    return wrong


@pytest.mark.parametrize(
    ("process", "part"),
    [
        ("project", "role project"),
        ("plan", "role plan"),
        ("schedule", "role schedule"),
        ("deliver-fcm", "role deliver --provider fcm"),
    ],
)
def test_a_process_that_is_frozen_is_named_and_forgotten_once_it_goes_on(
    instance: Instance, process: str, part: str
) -> None:
    eventually(lambda: not wrong_with(instance), lambda: f"all is well, and not {wrong_with(instance)}")
    pid = instance.pid(process)
    os.kill(pid, signal.SIGSTOP)
    try:
        eventually(
            lambda: set(wrong_with(instance)) == {part},
            lambda: f"{part} is named, and not {wrong_with(instance)}",
            every=0.2,
        )
    finally:
        os.kill(pid, signal.SIGCONT)
    eventually(lambda: not wrong_with(instance), lambda: f"it is at work again: {wrong_with(instance)}", every=0.2)
    assert instance.pid(process) == pid
