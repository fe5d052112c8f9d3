"""Every thread that a role cannot do without is watched over: stuck, it ends the process, which is started again."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from company import running
from patience import eventually
from scene import Scene

from tocsin.domain.lanes import LANES
from tocsin.eventlog import watchdog
from tocsin.eventlog.stream.kafka_settings import KafkaSettings
from tocsin.eventlog.stream.port import Stream
from tocsin.projections import runner
from tocsin.projections.registry import NAMES, chosen
from tocsin.workers import relay
from tocsin.workers.delivery.process import run_delivery
from tocsin.workers.planner_process import run_planner
from tocsin.workers.scheduler import run_scheduler
from tocsin.workers.webhooks import run_webhooks


def project(scene: Scene, stream: Stream, stop: threading.Event) -> None:
    runner.run(stream, scene.record, NAMES, stop)


def relays(scene: Scene, _: Stream, stop: threading.Event) -> None:
    relay.run(scene.database_url, KafkaSettings("127.0.0.1:1"), stop)


def schedule(scene: Scene, _: Stream, stop: threading.Event) -> None:
    run_scheduler(scene.record, scene.database_url, stop)


def plan(scene: Scene, stream: Stream, stop: threading.Event) -> None:
    run_planner(scene.record, stream, stop)


def deliver(scene: Scene, stream: Stream, stop: threading.Event) -> None:
    run_delivery(scene.record, stream, stop, providers=["fcm"])


def webhooks(scene: Scene, stream: Stream, stop: threading.Event) -> None:
    run_webhooks(scene.record, stream, stop)


@pytest.mark.parametrize(
    ("role", "names"),
    [
        (project, [f"project {group}" for group in sorted({one.group for one in chosen(NAMES)})]),
        (relays, ["relay"]),
        (schedule, ["scheduler"]),
        (plan, ["intake events", "planner"]),
        (deliver, ["delivery", *(f"intake work.fcm.{lane}" for lane in sorted(LANES))]),
        (webhooks, ["calls to webhooks", "events for webhooks"]),
    ],
)
def test_the_threads_of_a_role_are_watched_over_while_it_runs(
    scene: Scene, stream: Stream, role: Callable[[Scene, Stream, threading.Event], None], names: list[str]
) -> None:
    with running(role, scene, stream):
        eventually(lambda: watchdog.watched_now() == names, f"{names} are watched over")
    assert watchdog.watched_now() == []
