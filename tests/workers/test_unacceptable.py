"""What the database cannot take is refused, which is no outage: it is seen, and holds up nobody else."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from company import deciding, delivering, project, running
from scene import CONTEXT, Scene, eventually

from tocsin.domain.events.chunk import OutcomeKind
from tocsin.domain.events.device import DeviceRetired
from tocsin.domain.events.send import SendCompleted, SendStarted
from tocsin.domain.identity import chunk_stream_id
from tocsin.eventlog.stream.port import Stream
from tocsin.workers.delivery.findings import Finding, Findings
from tocsin.workers.planner_process import run_planner
from tocsin.workers.providers.port import Answer, Verdict
from tocsin.workers.scheduler import run_scheduler


def test_a_chunk_of_which_nothing_can_be_recorded_holds_up_no_other(
    scene: Scene, stream: Stream, caplog: pytest.LogCaptureFixture
) -> None:
    bad, good = scene.request(scene.phones(1)), scene.request(scene.phones(3))
    faulty = chunk_stream_id(bad, 0)
    with running(project, scene.record, stream), running(run_planner, scene.record, stream):
        eventually(lambda: scene.chunks(bad) and scene.chunks(good), "both are planned")
    with deciding(scene, stream), scene.refused(faulty), delivering(scene, stream):
        eventually(lambda: scene.facts(good, SendCompleted), "the other is delivered")
        eventually(lambda: f"chunk {faulty} cannot be delivered" in caplog.text, "it is said which chunk it is")
    assert set(scene.outcomes(good).values()) == {OutcomeKind.DELIVERED}
    assert not scene.chunks(bad)[0].attempts
    assert len(scene.sandbox.received()) == 3


def test_a_dead_token_that_cannot_be_recorded_holds_up_no_outcome(
    scene: Scene, stream: Stream, caplog: pytest.LogCaptureFixture
) -> None:
    (dead,) = scene.phones(1, start="0410")
    other = scene.phones(1, start="0410")[0]
    with deciding(scene, stream), scene.refused(dead), delivering(scene, stream):
        send_id = scene.request([dead, other])
        eventually(lambda: scene.facts(send_id, SendCompleted), "the send is completed")
        eventually(lambda: f"device {dead} keeps its token" in caplog.text, "it is said which device it is")
        eventually(lambda: isinstance(scene.record.load(other)[-1].fact, DeviceRetired), "the other is retired")


def test_a_send_that_cannot_be_started_holds_up_no_other_and_is_tried_again(
    scene: Scene, stream: Stream, caplog: pytest.LogCaptureFixture
) -> None:
    soon = datetime.now(UTC) + timedelta(seconds=1)
    bad, good = (scene.request(scene.phones(1), not_before=soon) for _ in range(2))
    with running(project, scene.record, stream), running(run_scheduler, scene.record, scene.database_url):
        with scene.refused(bad):
            eventually(lambda: scene.facts(good, SendStarted), "the other is started")
            eventually(lambda: f"nothing can be said of stream {bad}" in caplog.text, "it is said which send it is")
        eventually(lambda: scene.facts(bad, SendStarted), "it is started once it can be")


def test_a_send_whose_audience_cannot_be_recorded_is_put_off(
    scene: Scene, stream: Stream, caplog: pytest.LogCaptureFixture
) -> None:
    bad = scene.request(scene.phones(1))
    with running(project, scene.record, stream), scene.refused(bad), running(run_planner, scene.record, stream):
        eventually(lambda: f"send {bad} cannot be planned" in caplog.text, "it is said which send it is")


def test_a_token_that_cannot_take_anothers_place_is_given_up(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    (device_id,) = scene.phones(1, provider="fcm")
    (entry,) = scene.record.load(device_id)
    token = entry.fact.token.value
    answer = Answer(index=0, push_id=uuid4(), verdict=Verdict.DELIVERED, replacement_token=scene.token("fcm"))
    findings = Findings(scene.record)
    findings.add(Finding(scene.app_id, device_id, uuid4(), "fcm", token, answer, CONTEXT))
    with scene.refused(device_id):
        findings.carry_out_replacements()
    assert len(findings) == 0
    assert f"device {device_id} keeps its token" in caplog.text
