"""What differs from device to device: the badge, ids in the payload, tokens that two users share; and a send's pace."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from company import deciding, delivering
from scene import Scene

from tocsin.domain.audience import Audience
from tocsin.domain.chunk import Chunk
from tocsin.domain.events.chunk import AttemptStarted, ChunkDue
from tocsin.domain.events.device import BadgeChanged
from tocsin.domain.events.send import SendStarted
from tocsin.domain.identity import chunk_stream_id
from tocsin.domain.message import Message
from tocsin.domain.payloads import push_id
from tocsin.domain.personal import Personal
from tocsin.eventlog.stream.port import Stream


def payloads(scene: Scene) -> dict[str, dict[str, Any]]:
    """What each token received last."""
    return {push["token"]: push["payload"] for push in scene.sandbox.received(limit=1000)}


def badges(scene: Scene, devices: list[UUID]) -> list[int]:
    """What each of these iPhones was told to show last."""
    found = payloads(scene)
    return [found[scene.token_of(device)]["aps"]["badge"] for device in devices]


def test_sends_one_after_the_other_add_up_on_every_device(scene: Scene, stream: Stream) -> None:
    devices = scene.phones(3)
    scene.write(devices[1], BadgeChanged(badge=6))
    with deciding(scene, stream), delivering(scene, stream):
        for expected in ([1, 7, 1], [2, 8, 2], [3, 9, 3]):
            send_id = scene.request(message=Message(body="news", badge_change=1))
            scene.wait_until_ended(send_id)
            assert badges(scene, devices) == expected
        scene.write(devices[0], BadgeChanged(badge=0))
        send_id = scene.request(message=Message(body="less", badge_change=-5))
        scene.wait_until_ended(send_id)
    assert badges(scene, devices) == [0, 4, 0]
    assert [sorted(fact.badges) for fact in scene.facts(send_id, AttemptStarted)] == [[0, 0, 4]]


def test_a_device_that_is_tried_again_shows_the_same_badge(scene: Scene, stream: Stream) -> None:
    (device,) = scene.phones(1)
    scene.sandbox.fault(provider="apns", status=503, times=1)
    with deciding(scene, stream), delivering(scene, stream):
        send_id = scene.request(message=Message(body="news", badge_change=1))
        scene.wait_until_ended(send_id)
    assert [fact.badges for fact in scene.facts(send_id, AttemptStarted)] == [(1,), (1,)]
    assert badges(scene, [device]) == [1]


def test_a_recipients_own_badge_goes_before_the_change_for_all(scene: Scene, stream: Stream) -> None:
    devices = scene.phones(2)
    own = Personal(devices[0], {"device": str(devices[0]), "message": {"badge": 42, "body": "yours"}})
    with deciding(scene, stream), delivering(scene, stream):
        send_id = scene.request(message=Message(body="all", badge_change=2), personal=(own,))
        scene.wait_until_ended(send_id)
    assert badges(scene, devices) == [42, 2]


def test_a_badge_that_is_set_is_what_later_changes_start_from(scene: Scene, stream: Stream) -> None:
    devices = scene.phones(3)
    own = Personal(devices[0], {"device": str(devices[0]), "message": {"badge": 42}})
    with deciding(scene, stream), delivering(scene, stream):
        for message, personal in ((Message(body="set", badge=5), (own,)), (Message(body="more", badge_change=1), ())):
            scene.wait_until_ended(scene.request(message=message, personal=personal))
    assert badges(scene, devices) == [43, 6, 6]


def test_ids_stand_in_the_payload_as_the_message_asks(scene: Scene, stream: Stream) -> None:
    devices = {provider: scene.phones(1, provider=provider)[0] for provider in ("apns", "fcm")}
    places = {
        "n": "device.number",
        "d": "device.id",
        "h": "device.handle",
        "s": "send.number",
        "t": "send.handle",
        "p": "push.id",
    }
    with deciding(scene, stream), delivering(scene, stream):
        send_id = scene.request(message=Message(body="x", data={"own": "kept"}, per_device=places))
        scene.wait_until_ended(send_id)
    found = payloads(scene)
    number = scene.record.load(send_id)[0].position
    for provider, device in devices.items():
        payload = found[scene.token_of(device)]
        data = payload["message"]["data"] if provider == "fcm" else payload
        text = str if provider == "fcm" else int
        own = scene.record.load(device)[0].position
        assert {key: data[key] for key in (*places, "own")} == {
            "n": text(own),
            "d": str(device),
            "h": scene.record.handles.of(device),
            "s": text(number),
            "t": scene.record.handles.of(send_id),
            "p": str(push_id(send_id, device)),
            "own": "kept",
        }


def test_a_phone_two_users_share_shows_what_both_are_told_once(scene: Scene, stream: Stream) -> None:
    token = scene.token("fcm")
    ada = scene.register("fcm", [token], token_scope="1", user=Personal(UUID(int=1), "ada"))[0]
    scene.register("fcm", [token], token_scope="2", user=Personal(UUID(int=2), "ben"))
    own = Personal(ada, {"device": str(ada), "message": {"body": "to ada"}})
    with deciding(scene, stream), delivering(scene, stream):
        scene.wait_until_ended(scene.request())
        tags = [push["payload"]["message"]["android"]["notification"]["tag"] for push in scene.sandbox.received()]
        assert len(tags) == 2
        assert len(set(tags)) == 1
        scene.sandbox.reset()
        scene.wait_until_ended(scene.request(personal=(own,)))
        tags = [push["payload"]["message"]["android"]["notification"]["tag"] for push in scene.sandbox.received()]
        assert len(set(tags)) == 2


def test_a_send_at_a_pace_is_spread_over_time_and_reaches_everybody(scene: Scene, stream: Stream) -> None:
    scene.phones(10)
    with deciding(scene, stream), delivering(scene, stream):
        send_id = scene.request(pace=240)
        scene.wait_until_ended(send_id)
    chunks = scene.chunks(send_id)
    assert scene.tally(send_id) == {"delivered": 10}
    assert [len(chunk.devices) for chunk in chunks] == [10]

    with deciding(scene, stream, chunk_size=3), delivering(scene, stream):
        send_id = scene.request(pace=240)
        scene.wait_until_ended(send_id)
    chunks = scene.chunks(send_id)
    (started,) = [entry for entry in scene.entries(send_id) if isinstance(entry.fact, SendStarted)]
    assert started.recorded_at is not None
    turns = [chunk.not_before - started.recorded_at if chunk.not_before else None for chunk in chunks]
    assert turns == [None, *(timedelta(seconds=0.25 * first) for first in (3, 6, 9))]
    assert scene.tally(send_id) == {"delivered": 10}
    assert_in_turn(scene, send_id, chunks)


def assert_in_turn(scene: Scene, send_id: UUID, chunks: list[Chunk]) -> None:
    """Nothing was claimed before its time, and everything was announced as planned."""
    claims = [entry for entry in scene.entries(send_id) if isinstance(entry.fact, AttemptStarted)]
    claimed = {entry.originator_id: entry.recorded_at for entry in claims}
    for chunk in chunks[1:]:
        at = claimed[chunk_stream_id(send_id, chunk.ordinal)]
        assert at is not None
        assert chunk.not_before is not None
        assert at >= chunk.not_before
    assert {fact.cause for fact in scene.facts(send_id, ChunkDue)} == {"planned"}


def test_a_send_goes_through_the_profile_it_names(scene: Scene, stream: Stream) -> None:
    scene.phones(1)
    with deciding(scene, stream), delivering(scene, stream):
        send_id = scene.request(audience=Audience(everyone=True, profile="second"))
        scene.wait_until_ended(send_id)
        assert scene.tally(send_id) == {}
        scene.configure("apns", profile="second")
        send_id = scene.request(audience=Audience(everyone=True, profile="second"))
        scene.wait_until_ended(send_id)
    assert [chunk.profile for chunk in scene.chunks(send_id)] == ["second"]
    assert scene.tally(send_id) == {"delivered": 1}
