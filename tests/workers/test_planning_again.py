"""A plan that was cut off is gone on with, whatever has become of its audience since."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import count
from uuid import UUID

import pytest
from company import Staff, deciding, delivering, project, running
from scene import Scene, eventually

from tocsin.domain.audience import Audience
from tocsin.domain.events.send import AudienceFrozen, DevicesExcluded, SendCancelled
from tocsin.domain.personal import Personal
from tocsin.eventlog.stream.port import Stream
from tocsin.eventlog.unit import VersionConflict
from tocsin.projections import audience
from tocsin.projections.registry import passed
from tocsin.workers import planner_process
from tocsin.workers.clock import DatabaseClock
from tocsin.workers.planner import Interrupted, Planner

CREW = "crew"
PLANNED = 1000


def crew(scene: Scene) -> Audience:
    return Audience(aliases=(Personal(scene.app_id, CREW),))


def erase(scene: Scene, devices: Sequence[UUID], remaining: int) -> None:
    """Erase devices, and wait until the read model no longer finds them."""
    scene.erase(devices)

    def is_forgotten() -> bool:
        with scene.record.sessions.connection() as connection:
            found = audience.count(connection, scene.app_id, crew(scene), scene.record.keyring.digest)
        return found.audience == remaining

    eventually(is_forgotten, f"{remaining} devices are found")


def planner(scene: Scene, chunk_size: int = 2, appends: int | None = None) -> Planner:
    """A planner that is interrupted after so many appends."""
    made = count(1)
    resolve = planner_process.resolver(scene.record)
    stopped: Callable[[], bool] = (lambda: False) if appends is None else (lambda: next(made) > appends)
    return Planner(scene.record, resolve, DatabaseClock(scene.record.sessions).now, stopped, lambda _: chunk_size)


def await_audience(scene: Scene) -> None:
    """Wait until the audience has passed all that is recorded."""
    position = scene.record.head().position

    def has_passed() -> bool:
        with scene.record.sessions.connection() as connection:
            return passed(connection, ["audience"]) >= position

    eventually(has_passed, "the audience is projected")


def cut_off(scene: Scene, send_id: UUID, appends: int) -> None:
    """Begin to plan a send."""
    await_audience(scene)
    with pytest.raises(Interrupted):
        planner(scene, appends=appends).plan(send_id)


def test_people_erased_while_the_planner_lies_dead_take_nobody_elses_push(scene: Scene) -> None:
    phones = sorted(scene.phones(PLANNED, alias=CREW))
    staff = Staff(scene, chunk_size=1)
    try:
        staff.start("project")
        first = staff.start("plan")
        send_id = scene.request(audience=crew(scene))
        with scene.appends_held_up("chunk.planned", 100):
            staff.kill(first)
            planned = scene.count("chunk.planned")
            assert planned < PLANNED - 5
        erase(scene, phones[:5] + phones[-5:], PLANNED - 10)
        staff.start("plan")
        eventually(lambda: scene.facts(send_id, AudienceFrozen), "the audience is frozen")
    finally:
        staff.close()
    (frozen,) = scene.facts(send_id, AudienceFrozen)
    chunks = scene.chunks(send_id)
    assert [chunk.devices for chunk in chunks] == [(device,) for device in phones[:-5]]
    assert (frozen.audience, frozen.chunks) == (PLANNED - 5, PLANNED - 5)


def test_a_send_whose_audience_shrank_under_its_plan_is_completed(scene: Scene, stream: Stream) -> None:
    first, second = sorted(scene.phones(21, alias=CREW)), sorted(scene.phones(21, provider="fcm", alias=CREW))
    send_id = scene.request(audience=crew(scene))
    with running(project, scene.record, stream):
        cut_off(scene, send_id, appends=1)
        assert [len(chunk.devices) for chunk in scene.chunks(send_id)] == [2] * 10 + [1] + [2] * 5
        erase(scene, [first[0], second[0], second[-1]], 39)
    with deciding(scene, stream, chunk_size=2), delivering(scene, stream):
        scene.wait_until_ended(send_id)
    assert set(scene.outcomes(send_id)) == {*first, *second[:-1]}
    assert scene.tally(send_id) == {"delivered": 39, "suppressed": 2}
    (frozen,) = scene.facts(send_id, AudienceFrozen)
    assert frozen.by_provider == {"apns": 21, "fcm": 20}


def test_a_send_all_of_whose_remaining_people_were_erased_is_completed(scene: Scene, stream: Stream) -> None:
    phones = sorted(scene.phones(34, alias=CREW))
    send_id = scene.request(audience=crew(scene))
    with running(project, scene.record, stream):
        cut_off(scene, send_id, appends=1)
        erase(scene, phones, 0)
    with deciding(scene, stream, chunk_size=2), delivering(scene, stream):
        scene.wait_until_ended(send_id)
    assert scene.tally(send_id) == {"suppressed": 32}


def test_who_was_left_out_is_named_once_however_often_the_planner_begins(scene: Scene, stream: Stream) -> None:
    scene.phones(60, alias=CREW)
    left_out = sorted(scene.register("wns", [None] * 2500, alias=CREW))
    send_id = scene.request(audience=crew(scene))
    with running(project, scene.record, stream):
        cut_off(scene, send_id, appends=2)
        assert len(scene.facts(send_id, DevicesExcluded)) == 2
        erase(scene, [left_out[0], left_out[-1]], 60)
        planner(scene).plan(send_id)
    named = [device for fact in scene.facts(send_id, DevicesExcluded) for device, _ in fact.devices]
    assert named == left_out[:-1]
    (frozen,) = scene.facts(send_id, AudienceFrozen)
    assert frozen.excluded == {"no-token": 2499}


def test_of_two_planners_at_one_send_the_slower_leaves_it_to_the_other(scene: Scene, stream: Stream) -> None:
    phones = set(scene.phones(70, alias=CREW))
    send_id = scene.request(audience=crew(scene))
    other = planner(scene, chunk_size=3)

    def overtake() -> bool:
        if not scene.facts(send_id, AudienceFrozen) and scene.chunks(send_id):
            other.plan(send_id)
        return False

    with running(project, scene.record, stream):
        await_audience(scene)
        slow = Planner(scene.record, other.resolve, other.now, overtake, lambda _: 2)
        with pytest.raises(VersionConflict):
            slow.plan(send_id)
    (frozen,) = scene.facts(send_id, AudienceFrozen)
    chunks = scene.chunks(send_id)
    assert frozen.chunks == len(chunks)
    assert sorted(device for chunk in chunks for device in chunk.devices) == sorted(phones)


def test_a_send_that_is_stopped_while_it_is_planned_is_planned_no_further(scene: Scene, stream: Stream) -> None:
    scene.phones(70, alias=CREW)
    send_id = scene.request(audience=crew(scene))
    appends = count()

    def stop_it() -> bool:
        if next(appends) == 1:
            scene.write(send_id, SendCancelled())
        return False

    with running(project, scene.record, stream):
        await_audience(scene)
        made = planner(scene)
        with pytest.raises(VersionConflict):
            Planner(scene.record, made.resolve, made.now, stop_it, lambda _: 2).plan(send_id)
        made.plan(send_id)
    assert scene.count("chunk.planned") == 16
    assert not scene.facts(send_id, AudienceFrozen)
