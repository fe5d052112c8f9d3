"""Webhooks: who is told what, how it is signed, how often it is tried, and where nothing is ever sent."""

from __future__ import annotations

import base64
import hmac
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest
from company import LASTING, Staff, deciding, delivering, project, running
from psycopg import Connection
from scene import CONTEXT, Scene, eventually
from webhook_receiver import Received, Receiver, receiving

from tocsin.api.native.events_json import event_answer
from tocsin.commands.apps import create_app
from tocsin.commands.context import Context
from tocsin.commands.devices import Registration, register_device
from tocsin.commands.engine import Engine
from tocsin.commands.webhooks import WebhookResult, create_webhook, delete_webhook
from tocsin.domain.events.app import WebhookCreated
from tocsin.domain.events.device import DeviceRegistered, DeviceUpdated, Subscribed
from tocsin.domain.events.user import UserCreated, UserErased
from tocsin.domain.personal import Personal
from tocsin.eventlog import webhook_calls
from tocsin.eventlog.record import Record
from tocsin.eventlog.stream.port import Stream
from tocsin.eventlog.webhook_calls import Attempt, KeptCall
from tocsin.projections.apps_rows import Webhook
from tocsin.projections.feed import FeedEvent
from tocsin.projections.webhook_news import NATIVE, News
from tocsin.workers import webhooks
from tocsin.workers.webhook_post import Policy, post, signature
from tocsin.workers.webhooks import run_webhooks

LOOPBACK = Policy(networks=(ip_network("127.0.0.0/8"),))


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


@pytest.fixture
def app_id(record: Record) -> UUID:
    return create_app(Engine(record), CONTEXT, "University").result.app_id


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhooks, "DELAYS", (timedelta(milliseconds=10),) * 3)


@contextmanager
def telling(record: Record, stream: Stream, policy: Policy = LOOPBACK, **options: Any) -> Iterator[None]:
    with ExitStack() as roles:
        roles.enter_context(running(project, record, stream))
        roles.enter_context(running(run_webhooks, record, stream, policy=policy, **options))
        yield


def hook(
    record: Record, app_id: UUID, url: str, *events: str, name: str = "hook", form: str = "native"
) -> WebhookResult:
    done = create_webhook(Engine(record), Context(CONTEXT.actor), app_id, name, url, events or ("*",), form=form)
    return done.result


def phone(record: Record, app_id: UUID, *tags: str) -> UUID:
    registration = Registration(platform="android", token=uuid4().hex, user="ada", tags=tags)
    return register_device(Engine(record), Context(CONTEXT.actor), app_id, registration).result.device_id


def calls(record: Record, webhook: WebhookResult) -> list[KeptCall]:
    with record.sessions.connection() as connection:
        return webhook_calls.calls(connection, webhook.webhook.webhook_id)


def attempts(record: Record, call: KeptCall) -> list[Attempt]:
    with record.sessions.connection() as connection:
        return webhook_calls.attempts(connection, call.webhook_id, call.position, call.part)


def settled(record: Record, webhook: WebhookResult, count: int = 1) -> list[KeptCall]:
    """The webhook's calls once so many are settled."""

    def look() -> list[KeptCall]:
        found = calls(record, webhook)
        return found if sum(call.status != "pending" for call in found) >= count else []

    found: list[KeptCall] = eventually(look, f"{count} calls are settled")
    return found


def verified(received: Received, secret: str) -> bool:
    """As a receiver checks it, by the specification's own words."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    stamp, identifier = received.headers["webhook-timestamp"], received.headers["webhook-id"]
    mac = hmac.digest(key, f"{identifier}.{stamp}.".encode() + received.body, "sha256")
    signed = f"v1,{base64.b64encode(mac).decode()}"
    fresh = abs(datetime.now(UTC).timestamp() - int(stamp)) < 60
    return fresh and received.headers["webhook-signature"] == signed


def test_an_event_is_told_signed_and_in_clear(record: Record, stream: Stream, app_id: UUID, receiver: Receiver) -> None:
    webhook = hook(record, app_id, receiver.url, "device.registered")
    with telling(record, stream):
        device = phone(record, app_id, "staff")
        [call] = settled(record, webhook)
    [received] = receiver.received
    assert webhook.secret is not None
    assert verified(received, webhook.secret)
    assert received.headers["content-type"] == "application/json"
    told = received.told
    assert told["type"] == "device.registered"
    assert told["data"]["stream"] == str(device)
    assert told["data"]["position"] == call.position
    assert told["data"]["event"]["user"] == "ada"
    assert (call.status, call.attempts) == ("delivered", 1)
    [attempt] = attempts(record, call)
    assert (attempt.http_status, attempt.error) == (204, None)


def test_a_call_says_by_whom_and_where_in_the_feeds_own_words(
    record: Record, stream: Stream, app_id: UUID, receiver: Receiver
) -> None:
    webhook = hook(record, app_id, receiver.url, "device.registered")
    with telling(record, stream):
        phone(record, app_id)
        [call] = settled(record, webhook)
    [entry] = record.codec.decode(record.read(call.position - 1, 1))
    event = msgspec.json.decode(msgspec.json.encode(event_answer(FeedEvent(call.name, entry), clear=True)))
    told = receiver.received[0].told["data"]
    assert told.pop("event") == event["data"]
    assert told == {name: event[name] for name in told}
    assert told["actor"]["principal"] == CONTEXT.actor.principal
    assert told.keys() >= {"app", "stream", "streamversion", "position", "command", "correlation", "causation"}


def test_the_specifications_own_example_is_signed_alike() -> None:
    secret = b"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    body = b'{"test": 2432232314}'
    signed = signature(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body)
    assert signed == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_a_webhook_is_told_what_it_asked_for_of_its_own_app_since_it_was_made(
    record: Record, stream: Stream, app_id: UUID, receiver: Receiver
) -> None:
    other = create_app(Engine(record), Context(CONTEXT.actor), "Other").result.app_id
    phone(record, app_id)
    tags = hook(record, app_id, receiver.url + "/tags", "device.sub*", "user.*")
    everything = hook(record, app_id, receiver.url + "/all", name="all")
    with telling(record, stream):
        phone(record, other, "staff")
        phone(record, app_id, "staff")
        settled(record, tags)
        settled(record, everything, 2)
    told = Counter((received.path, received.told["type"]) for received in receiver.received)
    assert told == {
        ("/hook/tags", "device.subscribed"): 1,
        ("/hook/all", "device.registered"): 1,
        ("/hook/all", "device.subscribed"): 1,
    }


def test_a_call_that_fails_is_made_again_under_the_same_id(
    record: Record, stream: Stream, app_id: UUID, receiver: Receiver
) -> None:
    webhook = hook(record, app_id, receiver.url, "device.registered")
    receiver.statuses = [500, 302]
    receiver.location = receiver.url + "/elsewhere"
    with telling(record, stream):
        phone(record, app_id)
        [call] = settled(record, webhook)
    assert [attempt.http_status for attempt in attempts(record, call)] == [500, 302, 204]
    assert {received.path for received in receiver.received} == {"/hook"}
    assert len({received.headers["webhook-id"] for received in receiver.received}) == 1
    assert (call.status, call.attempts) == ("delivered", 3)


def test_a_call_nobody_takes_is_given_up(record: Record, stream: Stream, app_id: UUID, receiver: Receiver) -> None:
    webhook = hook(record, app_id, receiver.url, "device.registered")
    receiver.statuses = [500] * 10
    with telling(record, stream):
        phone(record, app_id)
        [call] = settled(record, webhook)
    assert (call.status, call.attempts, len(receiver.received)) == ("given-up", 4, 4)


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:{port}/hook", "https://127.0.0.1:{port}/hook", "https://localhost:{port}/"]
)
def test_no_private_address_is_called_unless_the_instance_allows_it(
    record: Record, stream: Stream, app_id: UUID, receiver: Receiver, url: str
) -> None:
    port = receiver.url.rpartition(":")[2].partition("/")[0]
    webhook = hook(record, app_id, url.format(port=port), "device.registered")
    with telling(record, stream, policy=Policy()):
        phone(record, app_id)
        [call] = settled(record, webhook)
    assert call.status == "given-up"
    assert all("may not be called" in str(attempt.error) for attempt in attempts(record, call))
    assert receiver.received == []


@pytest.mark.parametrize(
    ("address", "scheme", "allowed"),
    [
        ("93.184.216.34", "https", True),
        ("93.184.216.34", "http", False),
        ("93.184.216.34", "ftp", False),
        ("127.0.0.1", "https", False),
        ("10.0.0.1", "https", False),
        ("169.254.169.254", "https", False),
        ("0.0.0.0", "https", False),
        ("224.0.0.1", "https", False),
        ("::1", "https", False),
        ("fe80::1%eth0", "https", False),
        ("fd00::1", "https", False),
        ("::ffff:10.0.0.1", "https", False),
        ("2002:7f00:1::", "https", False),
        ("2606:2800:220:1::1", "https", True),
        ("not an address", "https", False),
    ],
)
def test_only_public_addresses_are_called_and_only_by_https(address: str, scheme: str, allowed: bool) -> None:
    assert Policy().allows(address, scheme) is allowed


def test_a_network_that_is_allowed_is_called_by_http_too() -> None:
    policy = Policy(networks=(ip_network("10.1.0.0/16"),))
    assert policy.allows("10.1.2.3", "http")
    assert policy.allows("::ffff:10.1.2.3", "https")
    assert not policy.allows("10.2.0.1", "https")
    assert not policy.allows("10.1.2.3", "gopher")


def test_other_schemes_are_not_spoken(receiver: Receiver) -> None:
    answer = post(receiver.url.replace("http", "dict", 1), [], b"{}", LOOPBACK)
    assert (answer.status, answer.is_taken) == (None, False)
    assert receiver.received == []


def test_a_deleted_webhook_is_told_nothing_more(
    record: Record, stream: Stream, app_id: UUID, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    # So often that the tries outlast whatever keeps the deletion.
    monkeypatch.setattr(webhooks, "DELAYS", (timedelta(seconds=0.5),) * 200)
    webhook = hook(record, app_id, receiver.url, "device.registered")
    receiver.statuses = [500] * 201
    with telling(record, stream):
        phone(record, app_id)
        eventually(lambda: receiver.received, "a first try")
        delete_webhook(Engine(record), Context(CONTEXT.actor), app_id, webhook.webhook.webhook_id)
        [call] = settled(record, webhook)
    assert call.status == "dropped"


def test_topics_read_again_from_the_beginning_tell_nothing_twice(
    record: Record, stream: Stream, app_id: UUID, receiver: Receiver
) -> None:
    webhook = hook(record, app_id, receiver.url, "device.registered")
    with telling(record, stream):
        for _ in range(5):
            phone(record, app_id)
        settled(record, webhook, 5)
    with record.sessions.connection() as connection:
        _rewind(connection)
    with telling(record, stream), telling_too(record, stream):
        phone(record, app_id)
        settled(record, webhook, 6)
    told = Counter(received.told["data"]["position"] for received in receiver.received)
    assert len(told) == 6
    assert set(told.values()) == {1}


@contextmanager
def telling_too(record: Record, stream: Stream) -> Iterator[None]:
    """A second process's worth of the role."""
    with running(run_webhooks, record, stream, policy=LOOPBACK):
        yield


def test_a_worker_killed_in_mid_delivery_loses_no_event(
    scene: Scene, stream: Stream, staff: Staff, receiver: Receiver
) -> None:
    webhook = hook(scene.record, scene.app_id, receiver.url, "device.registered")
    receiver.open.clear()
    with running(project, scene.record, stream):
        worker = staff.start("webhooks")
        devices = {str(phone(scene.record, scene.app_id)) for _ in range(20)}
        eventually(
            lambda: len(receiver.received) == webhooks.EACH,
            lambda: f"{webhooks.EACH} calls are under way, and not {len(receiver.received)}",
        )
        staff.kill(worker)
        under_way = {received.headers["webhook-id"] for received in receiver.received}
        receiver.open.set()
        staff.start("webhooks", **LASTING)
        settled(scene.record, webhook, len(devices))
    told = Counter(received.headers["webhook-id"] for received in receiver.received)
    assert {received.told["data"]["stream"] for received in receiver.received} == devices
    assert {message_id for message_id, times in told.items() if times > 1} == under_way


def deliveries_of(receiver: Receiver) -> list[dict[str, Any]]:
    """What a receiver was told of devices."""
    return [delivery for received in [*receiver.received] for delivery in received.told["data"]["deliveries"]]


def test_what_became_of_a_send_is_told_by_outcome(scene: Scene, stream: Stream, receiver: Receiver) -> None:
    made = WebhookCreated(webhook_id=uuid4(), name="hook", url=receiver.url, events=("delivery.delivered",))
    scene.write(scene.app_id, made)
    phones = scene.phones(2)
    dead = scene.phones(1, "0410")
    with (
        deciding(scene, stream),
        delivering(scene, stream),
        running(run_webhooks, scene.record, stream, policy=LOOPBACK),
    ):
        send_id = scene.request()
        scene.wait_until_ended(send_id)
        # In one call or in two: the answers of both need not have come together.
        eventually(lambda: len(deliveries_of(receiver)) >= len(phones), lambda: f"it is told: {receiver.received}")
    told = deliveries_of(receiver)
    assert {delivery["device_id"] for delivery in told} == {str(device) for device in phones}
    assert str(dead[0]) not in {delivery["device_id"] for delivery in told}
    assert {delivery["send_id"] for delivery in told} == {str(send_id)}
    assert {received.told["type"] for received in receiver.received} == {"delivery.delivered"}
    assert "webhook-signature" not in receiver.received[0].headers


def test_an_api_may_tell_events_in_its_own_form_or_not_at_all(
    record: Record, stream: Stream, app_id: UUID, receiver: Receiver
) -> None:
    def own(news: News, webhook: Webhook, record: Record) -> list[bytes]:
        return [b'{"own": 1}', b'{"own": 2}'] if isinstance(news.entry.fact, Subscribed) else []

    webhook = hook(record, app_id, receiver.url, "device.*", form="own")
    strange = hook(record, app_id, receiver.url, "device.registered", name="strange", form="unknown")
    receiver.statuses = [204, 500]
    with telling(record, stream, renderers={**NATIVE, "own": own}):
        phone(record, app_id, "staff")
        found = settled(record, webhook, 2)
        [failed] = settled(record, strange)
    assert [(call.name, call.status) for call in found] == [
        ("device.subscribed", "delivered"),
        ("device.registered", "dropped"),
    ]
    # One that was taken is sent again with one that was not, under the id it had.
    assert [received.body for received in receiver.received] == [b'{"own": 1}', b'{"own": 2}'] * 2
    ids = [received.headers["webhook-id"] for received in receiver.received]
    assert ids == [found[0].message_id, f"{found[0].message_id}_1"] * 2
    assert failed.status == "given-up"


def test_old_calls_are_forgotten_and_old_events_are_not_told(
    record: Record, stream: Stream, app_id: UUID, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    webhook = hook(record, app_id, receiver.url, "device.registered")
    with telling(record, stream):
        phone(record, app_id)
        [call] = settled(record, webhook)
    with record.sessions.connection() as connection:
        assert webhook_calls.forget(connection, timedelta(days=1)) == 0
        assert webhook_calls.forget(connection, timedelta()) == 1
        _rewind(connection)
    assert attempts(record, call) == []
    monkeypatch.setattr(webhooks, "TOO_OLD", timedelta())
    with telling(record, stream):
        eventually(lambda: _cursor(record) > 0, "the topic was read again")
    assert len(receiver.received) == 1


def _rewind(connection: Connection[Any]) -> None:
    connection.execute("update record.consumer_cursors set position = 0, bookmark = 0 where group_name = 'webhooks'")


def _cursor(record: Record) -> int:
    with record.sessions.connection() as connection:
        rows = connection.execute(
            "select coalesce(max(position), 0) from record.consumer_cursors where group_name = 'webhooks'"
        ).fetchall()
    return int(rows[0][0])


def test_an_erased_persons_values_are_told_as_null(
    record: Record, stream: Stream, app_id: UUID, receiver: Receiver
) -> None:
    webhook = hook(record, app_id, receiver.url, "device.updated")
    device = phone(record, app_id)
    scene = Scene(record, "", None, None, app_id)  # type: ignore[arg-type]
    scene.write(device, DeviceUpdated(phone=Personal(device, "+44")))
    user = uuid4()
    scene.write(user, UserCreated(name=Personal(user, "ada")), UserErased(devices=(device,)))
    with record.sessions.connection() as connection:
        record.keyring.destroy(connection, [device])
    with telling(record, stream):
        settled(record, webhook)
    [received] = receiver.received
    assert received.told["data"]["event"] == {"phone": None}
    assert DeviceRegistered.__name__ not in received.body.decode()
