"""A role that is up before what it reads is there."""

from __future__ import annotations

import logging

import pytest
from company import running
from patience import eventually
from scene import Scene

from tocsin.workers.scheduler import run_scheduler


def test_a_scheduler_waits_for_the_read_models_to_be_made_and_alarms_nobody(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    with running(run_scheduler, scene.record, scene.database_url):
        eventually(lambda: "begins again: the read models are not made yet" in caplog.text, "it says what it lacks")
    # Of ours: what other tests' clients of a broker say late is nobody's alarm here.
    ours = [record for record in caplog.records if record.name.startswith("tocsin")]
    assert [record.message for record in ours if record.levelno > logging.INFO] == []
