"""What becomes of a device: delivered, tried again, retired, left out, in doubt."""

from __future__ import annotations

import itertools
import time
from collections import Counter
from collections.abc import Collection, Mapping
from datetime import timedelta
from typing import cast
from uuid import UUID
from weakref import ref

import pytest
from company import deciding, delivering
from scene import CONTEXT, Scene, eventually

from tocsin.commands.engine import Engine
from tocsin.commands.providers import configure_provider
from tocsin.domain.device import Device, fold
from tocsin.domain.events.app import ProviderConfigured, ProviderRemoved
from tocsin.domain.events.chunk import AttemptStarted, OutcomeKind, OutcomesRecorded, RetrySet
from tocsin.domain.events.device import DeviceRetired, OptedOut, Retirement, TokenChanged
from tocsin.domain.events.send import DevicesExcluded, InDoubt, SendCompleted
from tocsin.domain.message import Message
from tocsin.domain.payloads import push_id
from tocsin.domain.personal import Personal
from tocsin.eventlog.stream.port import Stream
from tocsin.workers.delivery.credentials import Credentials, Unusable, Way
from tocsin.workers.delivery.recipients import recipients
from tocsin.workers.providers.port import Provider


def test_every_device_of_the_three_providers_is_reached_once(scene: Scene, stream: Stream) -> None:
    for provider in ("apns", "fcm", "wns"):
        scene.phones(250, provider=provider)
    with deciding(scene, stream), delivering(scene, stream):
        send_id = scene.request()
        scene.wait_until_ended(send_id)
    assert scene.tally(send_id) == {"delivered": 750}
    received = Counter(push["token"] for push in scene.sandbox.received(limit=10_000))
    assert len(received) == 750
    assert set(received.values()) == {1}
    assert scene.send(send_id).tally is not None
    assert scene.send(send_id).tally == scene.facts(send_id, SendCompleted)[0].tally


def test_a_push_to_one_device_is_a_chunk_of_one(scene: Scene, stream: Stream) -> None:
    device, _ = scene.phones(2)
    with deciding(scene, stream), delivering(scene, stream):
        send_id = scene.request([device])
        scene.wait_until_ended(send_id)
    (chunk,) = scene.chunks(send_id)
    assert chunk.devices == (device,)
    (push,) = scene.sandbox.received()
    assert push["message_id"].lower() == str(push_id(send_id, device))


def test_a_provider_that_is_unavailable_once_is_asked_again(scene: Scene, stream: Stream) -> None:
    (device,) = scene.phones(1)
    scene.sandbox.fault(provider="apns", status=503, times=1)
    with deciding(scene, stream), delivering(scene, stream):
        send_id = scene.request([device])
        scene.wait_until_ended(send_id)
    assert scene.outcomes(send_id) == {device: OutcomeKind.DELIVERED}
    ((retry,),) = [fact.devices for fact in scene.facts(send_id, RetrySet)]
    assert retry.code == "ServiceUnavailable"
    assert scene.sandbox.stats()["total"] == 2


def test_what_the_provider_asks_to_wait_is_waited(scene: Scene, stream: Stream) -> None:
    scene.phones(1)
    scene.sandbox.fault(provider="apns", status=429, retry_after=2, times=1)
    with deciding(scene, stream), delivering(scene, stream):
        send_id = scene.request()
        scene.wait_until_ended(send_id)
    (retry,) = scene.facts(send_id, RetrySet)
    (outcome,) = scene.facts(send_id, OutcomesRecorded)[0].outcomes
    assert retry.devices[0].answered_at is not None
    assert outcome.sent_at is not None
    assert retry.at - retry.devices[0].answered_at >= timedelta(seconds=2)
    assert outcome.sent_at >= retry.at


def test_a_pushs_times_are_the_records_and_in_order_however_the_workers_own_clock_is_moved(
    scene: Scene, stream: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    true_time, steps = time.time, itertools.count(20)
    monkeypatch.setattr(time, "time", lambda: true_time() - 60.0 * next(steps))
    scene.phones(3, provider="wns")
    with deciding(scene, stream), delivering(scene, stream):
        send_id = scene.request()
        scene.wait_until_ended(send_id)
    entries = scene.entries(send_id)
    (claimed,) = [entry.recorded_at for entry in entries if isinstance(entry.fact, AttemptStarted)]
    assert claimed is not None
    told = [(entry, outcome) for entry in entries for outcome in getattr(entry.fact, "outcomes", ())]
    assert len(told) == 3
    for entry, outcome in told:
        assert entry.recorded_at is not None
        assert claimed <= outcome.sent_at <= outcome.answered_at <= entry.recorded_at


def test_what_nobody_answered_has_no_time_of_an_answer(scene: Scene, stream: Stream) -> None:
    scene.phones(1)
    scene.sandbox.fault(provider="apns", action="close", times=1)
    with deciding(scene, stream), delivering(scene, stream):
        send_id = scene.request(in_doubt=InDoubt.UNKNOWN)
        scene.wait_until_ended(send_id)
    (outcome,) = scene.facts(send_id, OutcomesRecorded)[0].outcomes
    assert outcome.kind is OutcomeKind.UNKNOWN
    assert outcome.sent_at is not None
    assert outcome.answered_at is None


def test_a_device_that_fails_too_often_has_failed(scene: Scene, stream: Stream) -> None:
    scene.phones(1, "0500")
    with deciding(scene, stream), delivering(scene, stream):
        send_id = scene.request(max_attempts=2)
        scene.wait_until_ended(send_id)
    assert scene.tally(send_id) == {"failed": 1}
    assert scene.sandbox.stats()["total"] == 2


def test_a_dead_token_retires_its_device(scene: Scene, stream: Stream) -> None:
    dead, alive = scene.phones(1, "0410") + scene.phones(1)
    with deciding(scene, stream), delivering(scene, stream):
        send_id = scene.request()
        scene.wait_until_ended(send_id)
    assert scene.outcomes(send_id) == {dead: OutcomeKind.FAILED, alive: OutcomeKind.DELIVERED}
    retired = [entry.fact for entry in scene.record.load(dead) if isinstance(entry.fact, DeviceRetired)]
    assert retired == [
        DeviceRetired(reason=Retirement.UNREGISTERED, provider="apns", code="Unregistered", send_id=send_id)
    ]
    assert _device(scene, alive).retired is None


def test_under_which_token_a_push_was_sent_follows_from_its_claim(scene: Scene, stream: Stream) -> None:
    (device,) = scene.phones(1)
    first, second = scene.token_of(device), scene.token("apns")
    with deciding(scene, stream), delivering(scene, stream):
        before = scene.request([device])
        scene.wait_until_ended(before)
        scene.write(device, TokenChanged(token=Personal(device, second)))
        after = scene.request([device])
        scene.wait_until_ended(after)
    assert [push["token"] for push in scene.sandbox.received()] == [first, second]
    for send_id, token in ((before, first), (after, second)):
        (claim,) = scene.facts(send_id, AttemptStarted)
        state = fold(entry.fact for entry in scene.record.load_as_of(device, claim.as_of))
        assert state is not None
        assert state.token is not None
        assert state.token.value == token


def test_devices_are_looked_at_as_they_stood_at_one_position_whatever_happens_meanwhile(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    (device,) = scene.phones(1)
    token, position = scene.token_of(device), scene.record.head().position
    newest = scene.record.newest

    def then_changed(device_ids: Collection[UUID]) -> tuple[int, Mapping[UUID, int]]:
        found = newest(device_ids)
        scene.write(device, TokenChanged(token=Personal(device, scene.token("apns"))))
        return found

    monkeypatch.setattr(scene.record, "newest", then_changed)
    # The read model knows nothing of it yet, so that the stream is asked.
    monkeypatch.setattr("tocsin.workers.delivery.recipients.addressees", lambda *_: {})
    look = recipients(scene.record, [device])
    assert (look.as_of, look.found[device].token) == (position, token)


def test_a_token_that_was_renewed_before_the_answer_came_is_kept(scene: Scene, stream: Stream) -> None:
    (device,) = scene.phones(1, "0410")
    # Long enough for the new token to be recorded meanwhile.
    scene.sandbox.set(latency_ms=5000)
    with deciding(scene, stream), delivering(scene, stream):
        send_id = scene.request()
        eventually(lambda: scene.sandbox.stats()["total"], "the push arrives")
        scene.write(device, TokenChanged(token=Personal(device, scene.token("apns"))))
        scene.wait_until_ended(send_id)
    assert scene.tally(send_id) == {"failed": 1}
    assert _device(scene, device).retired is None


@pytest.mark.parametrize("reason", ["opted-out", "retired", "no-token"])
def test_who_falls_out_between_freezing_and_claiming_is_suppressed(scene: Scene, stream: Stream, reason: str) -> None:
    leaves, stays = scene.phones(2)
    facts = {
        "opted-out": OptedOut(),
        "retired": DeviceRetired(reason=Retirement.REQUESTED),
        "no-token": TokenChanged(token=None),
    }
    with deciding(scene, stream):
        send_id = scene.request()
        eventually(lambda: scene.send(send_id).audience, "the audience is frozen")
        scene.write(leaves, facts[reason])
        with delivering(scene, stream):
            scene.wait_until_ended(send_id)
    assert scene.outcomes(send_id) == {leaves: OutcomeKind.SUPPRESSED, stays: OutcomeKind.DELIVERED}
    codes = {one.code for fact in scene.facts(send_id, OutcomesRecorded) for one in fact.outcomes if not fact.attempt}
    assert codes == {reason}
    assert scene.sandbox.stats()["total"] == 1


def test_who_is_left_out_is_named_with_the_reason(scene: Scene, stream: Stream) -> None:
    out, reached = scene.phones(2)
    scene.write(out, OptedOut())
    with deciding(scene, stream), delivering(scene, stream):
        send_id = scene.request()
        scene.wait_until_ended(send_id)
    assert set(scene.outcomes(send_id)) == {reached}
    audience = scene.send(send_id).audience
    assert audience is not None
    assert (audience.audience, audience.excluded) == (1, {"opted-out": 1})
    assert [fact.devices for fact in scene.facts(send_id, DevicesExcluded)] == [((out, "opted-out"),)]


def test_an_answer_that_never_came_is_asked_for_again_under_the_same_id(scene: Scene, stream: Stream) -> None:
    (device,) = scene.phones(1)
    scene.sandbox.fault(provider="apns", action="close", delivered=True, times=1)
    with deciding(scene, stream), delivering(scene, stream):
        send_id = scene.request(in_doubt=InDoubt.RESEND)
        scene.wait_until_ended(send_id)
    assert scene.outcomes(send_id) == {device: OutcomeKind.DELIVERED}
    ids = [push["headers"]["apns-id"] for push in scene.sandbox.received(answer="all")]
    assert len(ids) == 2
    assert len(set(ids)) == 1
    assert scene.in_doubt(send_id) == {device}


def test_an_answer_that_never_came_can_be_left_unknown(scene: Scene, stream: Stream) -> None:
    (device,) = scene.phones(1)
    scene.sandbox.fault(provider="apns", action="close", delivered=True, times=1)
    with deciding(scene, stream), delivering(scene, stream):
        send_id = scene.request(in_doubt=InDoubt.UNKNOWN)
        scene.wait_until_ended(send_id)
    assert scene.outcomes(send_id) == {device: OutcomeKind.UNKNOWN}
    assert scene.sandbox.stats()["total"] == 1


def test_a_recipient_gets_the_message_meant_for_them(scene: Scene, stream: Stream) -> None:
    first, second = scene.phones(2)
    personal = (Personal(first, {"device": str(first), "message": {"body": "Room 7"}}),)
    with deciding(scene, stream), delivering(scene, stream):
        send_id = scene.request(message=Message(body="Your room"), personal=personal)
        scene.wait_until_ended(send_id)
    bodies = {push["token"]: push["payload"]["aps"]["alert"]["body"] for push in scene.sandbox.received()}
    assert bodies == {scene.token_of(first): "Room 7", scene.token_of(second): "Your room"}


def test_a_refused_credential_holds_the_rest_of_the_send_back(scene: Scene, stream: Stream) -> None:
    scene.phones(30)
    scene.configure("apns", topic="com.example.other")
    with deciding(scene, stream, chunk_size=10), delivering(scene, stream, chunks_at_once=1):
        send_id = scene.request()
        eventually(lambda: any(chunk.held for chunk in scene.chunks(send_id)), "a chunk is held")
        asked = scene.sandbox.stats()["total"]
        eventually(lambda: sum(chunk.held is not None for chunk in scene.chunks(send_id)) >= 2, "all are held")
    assert asked == 10
    assert scene.sandbox.stats()["total"] == asked


def test_a_credential_that_nothing_can_be_made_of_is_unusable_and_stops_no_worker(scene: Scene) -> None:
    def fail(_: ProviderConfigured, secret: bytes) -> Provider:
        raise ValueError(f"cannot make anything of {secret!r}")

    way = Credentials(scene.record, fail).way(scene.app_id, "wns", "default")
    assert way == Unusable("its configuration cannot be used (ValueError)")


def test_a_provider_that_was_removed_is_let_go_of_once_its_app_is_looked_at_again(scene: Scene) -> None:
    class Made:
        """Stands for an adapter with its secret."""

    credentials = Credentials(scene.record, lambda _configured, _secret: cast(Provider, Made()))
    way = credentials.way(scene.app_id, "wns", "default")
    assert isinstance(way, Way)
    made = ref(way.provider)
    del way
    scene.write(scene.app_id, ProviderRemoved(provider="wns"))
    removed = Unusable("wns is not configured (profile default)")
    eventually(lambda: credentials.way(scene.app_id, "wns", "default") == removed, "the removal is noticed")
    assert made() is None


def test_a_worker_that_finds_a_secret_replaced_takes_the_new_one_at_once(scene: Scene) -> None:
    opened: list[bytes] = []

    def make(_: ProviderConfigured, secret: bytes) -> Provider:
        opened.append(secret)
        return cast(Provider, object())

    credentials = Credentials(scene.record, make)
    # By this it knows the app, as it is for a while.
    assert isinstance(credentials.way(scene.app_id, "fcm", "default"), Way)
    configuration = {"client_id": "ms-app://x"}
    configure_provider(Engine(scene.record), CONTEXT, scene.app_id, "wns", configuration, b"the newest")
    assert isinstance(credentials.way(scene.app_id, "wns", "default"), Way)
    assert opened[1:] == [b"the newest"]


def test_a_credential_that_is_put_right_lets_the_held_devices_go_on(scene: Scene, stream: Stream) -> None:
    scene.phones(3)
    scene.configure("apns", key_id="")
    with deciding(scene, stream), delivering(scene, stream):
        send_id = scene.request()
        eventually(lambda: any(chunk.held for chunk in scene.chunks(send_id)), "the chunk is held")
        assert scene.sandbox.stats()["total"] == 0
        scene.configure("apns")
        scene.wait_until_ended(send_id)
    assert scene.tally(send_id) == {"delivered": 3}


def _device(scene: Scene, device_id: object) -> Device:
    state = fold(entry.fact for entry in scene.record.load(device_id))  # type: ignore[arg-type]
    assert state is not None
    return state
