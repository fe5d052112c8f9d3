"""A send that cannot be planned holds up no other, is seen, and is tried again."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from itertools import count
from typing import Any

import pytest
from company import Staff, project, running
from scene import Scene, eventually

from tocsin.domain.events.send import AudienceFrozen
from tocsin.eventlog.stream.port import EVENTS, Cursor, Stream
from tocsin.projections import agenda
from tocsin.readiness import readiness
from tocsin.settings import Settings
from tocsin.workers import attempts, planner_process
from tocsin.workers.cursors import Cursors
from tocsin.workers.groups import PLANNER
from tocsin.workers.planner_process import run_planner

PARTITIONS = range(4)


def test_however_many_sends_cannot_be_planned_the_next_is(scene: Scene, staff: Staff) -> None:
    scene.phones(1)
    for _ in range(50):
        scene.make_unreadable(scene.request())
    send_id = scene.request()
    staff.start("project")
    planner = staff.start("plan")
    eventually(lambda: scene.facts(send_id, AudienceFrozen), "the send that can be planned is")
    staff.kill(planner)
    staff.start("plan")
    later = scene.request()
    eventually(lambda: scene.facts(later, AudienceFrozen), "a later one is planned, after a restart too")


def test_a_send_that_could_not_be_planned_is_tried_again(
    scene: Scene, stream: Stream, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    scene.phones(1)
    resolve, calls = planner_process.resolve, count()

    def fail_twice(*arguments: Any) -> Iterator[Any]:
        if next(calls) < 2:
            raise ValueError("not today")
        yield from resolve(*arguments)

    monkeypatch.setattr(planner_process, "resolve", fail_twice)
    send_id = scene.request()
    with running(project, scene.record, stream), running(run_planner, scene.record, stream):
        eventually(lambda: scene.facts(send_id, AudienceFrozen), "it is planned in the end")
    assert caplog.text.count(f"send {send_id} cannot be planned") == 2


def test_a_started_send_whose_event_was_lost_is_planned_all_the_same(
    scene: Scene, stream: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agenda, "OVERDUE_AFTER", timedelta(seconds=1))
    monkeypatch.setattr(attempts, "LOOK_FOR_OVERDUE_EVERY", 0.5)
    scene.phones(1)
    send_id = scene.request()
    head = scene.record.head()
    cursors = Cursors(scene.record.sessions, PLANNER, EVENTS)
    cursors.load(PARTITIONS)
    cursors.move({partition: Cursor(head.position, 0, head.epoch) for partition in PARTITIONS})
    with running(project, scene.record, stream), running(run_planner, scene.record, stream):
        eventually(lambda: scene.facts(send_id, AudienceFrozen), "it is planned")


def test_a_send_that_nobody_plans_is_seen_where_one_looks_for_what_is_wrong(
    scene: Scene, stream: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wrong() -> str | None:
        return readiness(Settings(database_url=scene.database_url), scene.record).get("sends")

    send_id = scene.request()
    with running(project, scene.record, stream):
        assert wrong() is None
        monkeypatch.setattr(agenda, "OVERDUE_AFTER", timedelta(seconds=1))
        eventually(lambda: str(send_id) in (wrong() or ""), "it is named")
