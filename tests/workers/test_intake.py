"""A topic's events as tasks, and the cursor that follows them."""

from __future__ import annotations

import queue
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID, uuid4

from patience import PATIENCE
from scene import Scene, eventually

from tocsin.domain.events.device import Subscribed
from tocsin.eventlog.stream.port import EVENTS, Stream
from tocsin.workers.intake import Intake, Task


@contextmanager
def reading(scene: Scene, stream: Stream, window: int = 100) -> Iterator[queue.Queue[Task]]:
    """An intake of subscriptions, and the tasks it hands out."""
    tasks: queue.Queue[Task] = queue.Queue()
    intake = Intake(
        stream,
        scene.record.sessions,
        EVENTS,
        "test",
        tasks.put,
        window=window,
        wanted=lambda event: event.topic == "device.subscribed",
    )
    intake.start()
    try:
        yield tasks
    finally:
        intake.close()
    assert intake.fault is None


def test_what_was_not_finished_is_handed_out_again_and_what_was_is_not(scene: Scene, stream: Stream) -> None:
    devices = _subscriptions(scene, 20)
    with reading(scene, stream) as tasks:
        first = [tasks.get(timeout=PATIENCE) for _ in range(20)]
        assert {task.event.originator_id for task in first} == devices
        unfinished = first[7]
        for task in first:
            if task is not unfinished:
                task.finish()
        eventually(lambda: _stored(scene), "cursors are stored")
    with reading(scene, stream) as tasks:
        again = tasks.get(timeout=PATIENCE)
        found = {again.event.originator_id}
        while not tasks.empty():
            found.add(tasks.get().event.originator_id)
    assert unfinished.event.originator_id in found
    partition = unfinished.event.originator_id.int % 4
    assert {device.int % 4 for device in found} == {partition}


def test_a_reader_takes_no_more_than_its_window_until_something_is_finished(scene: Scene, stream: Stream) -> None:
    _subscriptions(scene, 50)
    with reading(scene, stream, window=5) as tasks:
        taken = [tasks.get(timeout=PATIENCE) for _ in range(5)]
        while not tasks.empty():
            taken.append(tasks.get())
        assert len(taken) < 50
        handed_out = len(taken)
        while handed_out < 50:
            for task in taken:
                task.finish()
            taken = [tasks.get(timeout=PATIENCE)]
            handed_out += 1


def _subscriptions(scene: Scene, count: int) -> set[UUID]:
    devices = {uuid4() for _ in range(count)}
    for device in devices:
        scene.write(device, Subscribed(tag="staff"))
    return devices


def _stored(scene: Scene) -> bool:
    with scene.record.sessions.connection() as connection:
        row = connection.execute("select count(*) from record.consumer_cursors where group_name = 'test'").fetchone()
    return row is not None and row[0] >= 3
