"""What a provider says of a token, and what the device makes of it."""

from __future__ import annotations

from uuid import UUID, uuid4

from scene import CONTEXT, Scene

from tocsin.commands.devices import Registration, register_device
from tocsin.commands.engine import Engine
from tocsin.domain.audience import Audience
from tocsin.domain.events.device import TokenChanged
from tocsin.domain.events.send import SendRequested
from tocsin.domain.message import Message
from tocsin.domain.personal import Personal
from tocsin.domain.recipient_messages import PersonalMessages
from tocsin.workers.delivery.findings import Finding, Findings
from tocsin.workers.providers.port import Answer, Verdict


def test_a_token_the_provider_names_instead_becomes_the_devices_own(scene: Scene) -> None:
    engine = Engine(scene.record)
    old, new = scene.token("fcm"), scene.token("fcm")
    device_id = register_device(
        engine, CONTEXT, scene.app_id, Registration(platform="android", token=old)
    ).result.device_id
    answer = Answer(index=0, push_id=uuid4(), verdict=Verdict.DELIVERED, replacement_token=new)
    findings = _told(scene, device_id, old, answer)
    findings.carry_out_replacements()
    assert len(findings) == 0
    last = scene.record.load(device_id)[-1].fact
    assert isinstance(last, TokenChanged)
    assert (last.token, last.source) == (Personal(device_id, new), "provider")


def test_a_replacement_of_a_token_the_device_no_longer_has_is_ignored(scene: Scene) -> None:
    (device_id,) = scene.phones(1, provider="fcm")
    before = scene.record.load(device_id)
    answer = Answer(index=0, push_id=uuid4(), verdict=Verdict.DELIVERED, replacement_token=scene.token("fcm"))
    findings = _told(scene, device_id, "another", answer)
    findings.carry_out_replacements()
    assert scene.record.load(device_id) == before


def test_a_provider_that_knew_the_token_dead_before_it_was_registered_is_not_believed(scene: Scene) -> None:
    (device_id,) = scene.phones(1)
    entry = scene.record.load(device_id)[0]
    assert entry.recorded_at is not None
    registered = entry.recorded_at.timestamp()
    for unregistered_at, retires in ((registered - 60, False), (registered + 60, True)):
        answer = Answer(
            index=0, push_id=uuid4(), verdict=Verdict.FAILED, retire_token=True, unregistered_at=unregistered_at
        )
        changes = _told(scene, device_id, scene.token_of(device_id), answer).take()
        assert [change.stream_id for _, change in changes] == ([device_id] if retires else [])


def test_a_device_goes_before_its_alias_and_the_alias_before_its_user() -> None:
    subject, device_id = uuid4(), uuid4()
    personal = (
        Personal(subject, {"user": "ada", "message": {"title": "user"}}),
        Personal(subject, {"alias": "ada's phone", "message": {"title": "alias"}}),
        Personal(subject, {"device": str(device_id), "message": {"title": "device"}}),
        Personal(subject, None, erased=True),
    )
    common = Message(body="to all")
    request = SendRequested(message=common, audience=Audience(everyone=True), personal=personal)
    messages = PersonalMessages(request)
    assert messages.message(device_id, "ada", "ada's phone") == Message(title="device", body="to all")
    assert messages.message(uuid4(), "ada", "ada's phone") == Message(title="alias", body="to all")
    assert messages.message(uuid4(), "ada", None) == Message(title="user", body="to all")
    assert messages.message(uuid4(), None, None) is common


def _told(scene: Scene, device_id: UUID, token: str, answer: Answer) -> Findings:
    findings = Findings(scene.record)
    findings.add(Finding(scene.app_id, device_id, uuid4(), "fcm", token, answer, CONTEXT))
    return findings
