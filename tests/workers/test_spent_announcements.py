"""Announcements of due chunks that were consumed without a claim: made again, and never where somebody is at work."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest
from company import PROVIDERS, deciding, delivering
from scene import Scene, eventually

from tocsin.domain import chunk_state
from tocsin.domain.events.chunk import ChunkDue
from tocsin.domain.lanes import LANES
from tocsin.eventlog.stream.port import Cursor, Stream, work_topic
from tocsin.projections.registry import passed
from tocsin.workers.cursors import Cursors
from tocsin.workers.groups import DELIVERY

PARTITIONS = range(4)


def spend(scene: Scene) -> None:
    """Everything that was announced so far counts as consumed, as after a cursor was moved by hand."""
    head = scene.record.head()
    for topic in (work_topic(provider, lane) for provider in PROVIDERS for lane in LANES):
        cursors = Cursors(scene.record.sessions, DELIVERY, topic)
        cursors.load(PARTITIONS)
        cursors.move({partition: Cursor(head.position, 0, head.epoch) for partition in PARTITIONS})


def await_agenda(scene: Scene) -> None:
    """Wait until what is to be done when is known of all that is recorded."""
    position = scene.record.head().position

    def has_passed() -> bool:
        with scene.record.sessions.connection() as connection:
            return passed(connection, ["agenda"]) >= position

    eventually(has_passed, "the agenda is projected")


def causes(scene: Scene, send_id: UUID) -> list[str]:
    return [fact.cause for fact in scene.facts(send_id, ChunkDue)]


def announce_again_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunk_state, "REPEAT_AFTER", timedelta(seconds=1))


def test_an_announcement_that_was_spent_without_a_claim_is_made_again(
    scene: Scene, stream: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    announce_again_soon(monkeypatch)
    scene.phones(30)
    with deciding(scene, stream, chunk_size=10):
        send_id = scene.request()
        eventually(lambda: len(causes(scene, send_id)) >= 3, "all chunks are announced")
    spend(scene)
    with deciding(scene, stream), delivering(scene, stream):
        scene.wait_until_ended(send_id)
    assert scene.tally(send_id) == {"delivered": 30}
    assert {"planned", "unanswered"} == set(causes(scene, send_id))
    assert scene.sandbox.stats()["total"] == 30


def test_nothing_is_announced_again_while_somebody_is_at_work_on_it(
    scene: Scene, stream: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.phones(5)
    scene.sandbox.set(latency_ms=3000)
    with deciding(scene, stream):
        send_id = scene.request()
        eventually(lambda: causes(scene, send_id), "the chunk is announced")
        await_agenda(scene)
        # From now on; before, whoever is a second late with the claim would have it announced again.
        announce_again_soon(monkeypatch)
        with delivering(scene, stream):
            scene.wait_until_ended(send_id)
    assert causes(scene, send_id) == ["planned"]
