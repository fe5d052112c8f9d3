"""The scheduler attends to everybody, whatever has become of one stream."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from company import project, running
from scene import CONTEXT, Scene, eventually

from tocsin.commands.engine import Change, envelopes
from tocsin.domain.entry import Fact
from tocsin.domain.events.chunk import AttemptAbandoned, AttemptStarted, ChunkHeld, ChunkPlanned, ChunkReleased
from tocsin.domain.events.send import AudienceFrozen
from tocsin.domain.identity import chunk_stream_id
from tocsin.eventlog.stream.port import Stream
from tocsin.workers import scheduler
from tocsin.workers.scheduler import run_scheduler


def left_behind(scene: Scene, chunks: int = 1) -> UUID:
    """A send whose worker died long ago with all its devices claimed."""
    phones = scene.phones(chunks)
    send_id = scene.request(phones)
    lease = datetime.now(UTC) - timedelta(minutes=1)
    claim = AttemptStarted(attempt=1, devices=((0, 1),), worker="w", lease_expires_at=lease)
    for ordinal, device in enumerate(phones):
        planned = ChunkPlanned(send_id=send_id, ordinal=ordinal, provider="apns", lane="normal", devices=(device,))
        write_chunk(scene, send_id, ordinal, planned, claim)
    scene.write(send_id, AudienceFrozen(as_of=1, audience=chunks, by_provider={"apns": chunks}, chunks=chunks))
    return send_id


def write_chunk(scene: Scene, send_id: UUID, ordinal: int, *facts: Fact) -> None:
    stream_id = chunk_stream_id(send_id, ordinal)
    version = len(scene.record.load(stream_id))
    scene.record.append(envelopes(CONTEXT, Change(stream_id, scene.app_id, version, facts, send_id)))


def says(scene: Scene, stream_id: UUID, kind: type[Fact]) -> bool:
    return any(isinstance(entry.fact, kind) for entry in scene.record.load(stream_id))


@pytest.mark.parametrize("unreadable", ["chunk", "send"])
def test_a_stream_that_cannot_be_read_holds_up_no_other(
    scene: Scene, stream: Stream, unreadable: str, caplog: pytest.LogCaptureFixture
) -> None:
    bad, good = left_behind(scene), left_behind(scene)
    faulty = bad if unreadable == "send" else chunk_stream_id(bad, 0)
    scene.make_unreadable(faulty)
    with running(project, scene.record, stream), running(run_scheduler, scene.record, scene.database_url):
        eventually(lambda: says(scene, chunk_stream_id(good, 0), AttemptAbandoned), "the other lease is ended")
        eventually(lambda: str(faulty) in caplog.text, "it is said which stream it is")


def test_many_streams_that_cannot_be_read_leave_room_for_others(
    scene: Scene, stream: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scheduler, "AT_ONCE", 2)
    sends = [left_behind(scene, chunks=3) for _ in range(3)]
    for send_id in sends:
        scene.make_unreadable(send_id)
    good = left_behind(scene)
    with running(project, scene.record, stream), running(run_scheduler, scene.record, scene.database_url):
        eventually(lambda: says(scene, chunk_stream_id(good, 0), AttemptAbandoned), "the other lease is ended")


def test_a_held_chunk_that_cannot_be_read_holds_up_no_other(scene: Scene, stream: Stream) -> None:
    sends = [left_behind(scene), left_behind(scene)]
    for send_id in sends:
        write_chunk(scene, send_id, 0, ChunkHeld(reason="refused"))
    scene.configure("apns")
    scene.make_unreadable(chunk_stream_id(sends[0], 0))
    with running(project, scene.record, stream), running(run_scheduler, scene.record, scene.database_url):
        eventually(lambda: says(scene, chunk_stream_id(sends[1], 0), ChunkReleased), "the other is released")
