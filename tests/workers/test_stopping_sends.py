"""Sends that start later, are cancelled, expire, or reach nobody."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from company import deciding, delivering
from scene import Scene, eventually

from tocsin.domain.events.chunk import ChunkDue
from tocsin.domain.events.device import OptedOut
from tocsin.domain.events.send import AudienceFrozen, SendCancelled, SendCompleted, SendExpired, SendStarted, Tally
from tocsin.domain.send import Status
from tocsin.eventlog.stream.port import Stream
from tocsin.workers.clock import DatabaseClock


def test_a_scheduled_send_starts_when_its_time_has_come(scene: Scene, stream: Stream) -> None:
    scene.phones(3)
    starts = datetime.now(UTC) + timedelta(seconds=2)
    with deciding(scene, stream), delivering(scene, stream):
        send_id = scene.request(not_before=starts)
        scene.wait_until_ended(send_id)
    (started,) = [entry for entry in scene.entries(send_id) if isinstance(entry.fact, SendStarted)]
    assert started.recorded_at is not None
    assert started.recorded_at >= starts
    assert scene.tally(send_id) == {"delivered": 3}


def test_a_send_cancelled_in_the_middle_reaches_no_more_devices(scene: Scene, stream: Stream) -> None:
    scene.phones(400)
    scene.sandbox.set(latency_ms=1000)
    with deciding(scene, stream, chunk_size=20), delivering(scene, stream, chunks_at_once=2):
        send_id = scene.request()
        eventually(lambda: scene.sandbox.stats()["total"], "something is sent")
        scene.write(send_id, SendCancelled(reason="false alarm"))
        asked = scene.sandbox.stats()["total"]
        scene.wait_until_ended(send_id)
    tally = scene.tally(send_id)
    # Two chunks of twenty are under way, and two more may be taken up while the send is being cancelled.
    assert tally["delivered"] == scene.sandbox.stats()["total"] <= asked + 80
    assert tally["cancelled"] == 400 - tally["delivered"]
    (completed,) = scene.facts(send_id, SendCompleted)
    assert (completed.tally.delivered, completed.tally.cancelled) == (tally["delivered"], tally["cancelled"])
    assert scene.send(send_id).status is Status.CANCELLED


def test_a_send_that_expires_in_the_middle_reaches_no_more_devices(
    scene: Scene, stream: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.phones(5)
    late = scene.phones(1, "0503")
    lasts = timedelta(seconds=50)
    with deciding(scene, stream), delivering(scene, stream):
        send_id = scene.request(expires_at=datetime.now(UTC) + lasts)
        eventually(lambda: scene.tally(send_id).get("delivered") == 5, lambda: scene.how_far(send_id))
        # The time is up once five are reached, and no sooner however slow the machine is.
        now = DatabaseClock.now
        monkeypatch.setattr(DatabaseClock, "now", lambda clock: now(clock) + lasts)
        scene.wait_until_ended(send_id)
    assert scene.tally(send_id) == {"delivered": 5, "expired": 1}
    assert [str(kind) for device, kind in scene.outcomes(send_id).items() if device in late] == ["expired"]
    assert len(scene.facts(send_id, SendExpired)) == 1


def test_a_send_cancelled_before_it_starts_is_not_planned(scene: Scene, stream: Stream) -> None:
    scene.phones(3)
    send_id = scene.request()
    scene.write(send_id, SendCancelled())
    with deciding(scene, stream), delivering(scene, stream):
        other = scene.request()
        scene.wait_until_ended(other)
    assert not scene.facts(send_id, AudienceFrozen)
    assert scene.sandbox.stats()["total"] == 3


def test_a_send_to_nobody_is_completed_at_once(scene: Scene, stream: Stream) -> None:
    (device,) = scene.phones(1)
    scene.write(device, OptedOut())
    with deciding(scene, stream):
        send_id = scene.request()
        scene.wait_until_ended(send_id)
    frozen, completed = scene.facts(send_id, AudienceFrozen)[0], scene.facts(send_id, SendCompleted)[0]
    assert (frozen.audience, frozen.excluded, frozen.chunks) == (0, {"opted-out": 1}, 0)
    assert completed.tally == Tally()
    assert not scene.facts(send_id, ChunkDue)


def test_a_small_send_is_planned_in_one_append(scene: Scene, stream: Stream) -> None:
    scene.phones(30)
    scene.write(scene.phones(1)[0], OptedOut())
    with deciding(scene, stream, chunk_size=10):
        send_id = scene.request()
        eventually(lambda: scene.facts(send_id, AudienceFrozen), "the audience is frozen")
    started, *planned = scene.entries(send_id)[1:]
    assert isinstance(started.fact, SendStarted)
    assert len({entry.recorded_at for entry in planned}) == 1
    assert len(scene.facts(send_id, ChunkDue)) == 3
