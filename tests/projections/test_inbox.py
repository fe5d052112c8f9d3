"""What a person finds in the inbox: of all devices of an alias, while they were that person's."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from history import History
from lives import requested
from psycopg import Connection

from tocsin.domain.events.chunk import ChunkPlanned, Outcome, OutcomeKind, OutcomesRecorded
from tocsin.domain.events.device import DeviceRegistered, DeviceUpdated
from tocsin.domain.events.receipt import ReceiptOpened, ReceiptReceived, ReceiptRemoved
from tocsin.domain.events.send import AudienceFrozen, DevicesExcluded, Exclusion, SendStarted, SendWithdrawn
from tocsin.domain.identity import receipt_stream_id
from tocsin.domain.personal import Personal
from tocsin.projections import deliveries, inbox
from tocsin.projections.devices import Device, device

Project = Callable[..., None]
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Post:
    """Devices, and sends to them."""

    def __init__(self, history: History, project: Project, connection: Connection[Any]) -> None:
        self.history = history
        self._project = project
        self.connection = connection
        self.chunks: dict[UUID, UUID] = {}

    def device(self, alias: str | None) -> UUID:
        device_id = uuid4()
        named = None if alias is None else Personal(device_id, alias)
        self.history.append(device_id, DeviceRegistered(platform="ios", alias=named))
        return device_id

    def send(self, *devices: UUID, **members: Any) -> UUID:
        send_id, chunk_id = uuid4(), uuid4()
        started = self.history.append(send_id, requested(**{"inbox": True, **members}), SendStarted())
        planned = ChunkPlanned(send_id=send_id, ordinal=0, provider="apns", lane="normal", devices=devices)
        self.history.append(chunk_id, planned, root=send_id)
        self.history.append(send_id, AudienceFrozen(as_of=started, audience=len(devices), chunks=1))
        self.chunks[send_id] = chunk_id
        return send_id

    def report(self, fact: type[Any], send_id: UUID, device_id: UUID, **members: Any) -> None:
        stream = receipt_stream_id(send_id, device_id)
        self.history.append(stream, fact(send_id=send_id, device_id=device_id, **members), root=send_id)

    def row(self, device_id: UUID) -> Device:
        self._project(*inbox.READ_MODELS, "devices")
        found = device(self.connection, self.history.app_id, device_id)
        assert found is not None
        return found

    def inbox(self, device_id: UUID, **narrowed: Any) -> list[UUID]:
        row = self.row(device_id)
        return [item.send.send_id for item in inbox.slice_inbox(self.connection, row, **narrowed).items]


@pytest.fixture
def post(history: History, project: Project, connection: Connection[Any]) -> Post:
    return Post(history, project, connection)


def test_devices_of_one_alias_share_an_inbox(post: Post) -> None:
    phone, pad, other = post.device("ada"), post.device("ada"), post.device("ben")
    first, second = post.send(phone, pad), post.send(pad)
    post.send(other)
    post.send(phone, inbox=False)
    assert post.inbox(phone) == post.inbox(pad) == [second, first]
    items = inbox.slice_inbox(post.connection, post.row(pad)).items
    assert [item.device_id for item in items] == [pad, pad]
    items = inbox.slice_inbox(post.connection, post.row(phone)).items
    assert [item.device_id for item in items] == [pad, phone]


def test_without_an_alias_the_inbox_is_the_devices_own(post: Post) -> None:
    one, two = post.device(None), post.device(None)
    send = post.send(one)
    assert post.inbox(one) == [send]
    assert post.inbox(two) == []


def test_a_phone_that_goes_to_somebody_else_takes_no_messages_along(post: Post) -> None:
    phone = post.device("ada")
    before = post.send(phone)
    post.history.append(phone, DeviceUpdated(alias=Personal(phone, "ben")))
    after = post.send(phone)
    assert post.inbox(phone) == [after]
    pad = post.device("ada")
    assert post.inbox(pad) == [before]
    assert inbox.slice_sent(post.connection, post.row(phone)).total == 1


def test_what_one_device_removes_is_gone_for_the_person(post: Post) -> None:
    phone, pad = post.device("ada"), post.device("ada")
    kept, gone = post.send(phone, pad), post.send(phone, pad)
    post.report(ReceiptRemoved, gone, pad)
    assert post.inbox(phone) == [kept]
    row = post.row(phone)
    assert inbox.sent(post.connection, row, gone, in_inbox=True) is None
    assert inbox.sent(post.connection, row, gone) is not None
    assert inbox.slice_sent(post.connection, row).total == 2


def test_reports_of_any_device_count_once(post: Post) -> None:
    phone, pad = post.device("ada"), post.device("ada")
    one, two = post.send(phone, pad), post.send(phone)
    later = NOW + timedelta(minutes=1)
    post.report(ReceiptReceived, one, phone, at=later)
    post.report(ReceiptOpened, one, pad, at=later)
    post.report(ReceiptReceived, one, pad, at=NOW)
    row = post.row(phone)
    assert inbox.inbox_counts(post.connection, row) == (2, 1)
    [newer, older] = inbox.slice_inbox(post.connection, row).items
    assert (newer.send.send_id, newer.received_at) == (two, None)
    assert (older.received_at, older.opened_at) == (NOW, later)
    assert deliveries.receipt_counts(post.connection, one) == (2, 1)
    assert deliveries.receipt_counts(post.connection, two) == (0, 0)


def test_a_withdrawn_or_cancelled_send_is_in_no_inbox(post: Post) -> None:
    phone = post.device("ada")
    withdrawn, cancelled = post.send(phone), post.send(phone)
    post.history.append(withdrawn, SendWithdrawn())
    outcomes = (Outcome(0, OutcomeKind.CANCELLED),)
    post.history.append(post.chunks[cancelled], OutcomesRecorded(attempt=0, outcomes=outcomes), root=cancelled)
    assert post.inbox(phone) == []
    assert inbox.inbox_counts(post.connection, post.row(phone)) == (0, 0)


def test_who_cannot_be_reached_finds_it_in_the_inbox(post: Post) -> None:
    silent, unreachable, unwilling = (post.device(name) for name in ("ada", "ben", "eve"))
    reached = post.device("ada")
    send = post.send(reached)
    reasons = (Exclusion.NO_TOKEN, Exclusion.NO_PROVIDER, Exclusion.OPTED_OUT)
    devices = tuple(zip((silent, unreachable, unwilling), reasons, strict=True))
    excluded = DevicesExcluded(send_id=send, ordinal=0, devices=devices)
    post.history.append(uuid4(), excluded, root=send)

    assert post.inbox(silent) == post.inbox(unreachable) == [send]
    assert post.inbox(unwilling) == []
    row = post.row(unreachable)
    assert inbox.inbox_counts(post.connection, row) == (1, 1)
    found = inbox.sent(post.connection, row, send)
    assert found is not None
    assert (found.device_id, found.opened_at) == (unreachable, None)
    other = inbox.sent(post.connection, post.row(reached), send)
    assert other is not None
    assert other.number != found.number
    post.report(ReceiptOpened, send, unreachable, at=NOW)
    assert inbox.inbox_counts(post.connection, post.row(unreachable)) == (1, 0)


def test_an_inbox_is_cut_counted_and_narrowed_by_labels(post: Post) -> None:
    phone = post.device("ada")
    plain, one, both = post.send(phone), post.send(phone, labels=("a",)), post.send(phone, labels=("a", "b"))
    assert post.inbox(phone, labels=("a",)) == [both, one]
    assert post.inbox(phone, labels=("a", "b")) == [both]
    assert post.inbox(phone, no_labels=("b", "c")) == [one, plain]
    assert post.inbox(phone, labels=("a",), no_labels=("b",)) == [one]
    assert post.inbox(phone, offset=1, limit=1) == [one]
    row = post.row(phone)
    assert inbox.slice_inbox(post.connection, row, offset=1, limit=1).total == 3
    quiet = post.send(phone, inbox=False, labels=("b",))
    found = inbox.slice_sent(post.connection, post.row(phone), labels=("b",))
    assert [item.send.send_id for item in found.items] == [quiet, both]


def test_a_delivery_is_found_by_its_number(post: Post) -> None:
    phones = [post.device("ada") for _ in range(3)]
    send = post.send(*phones)
    row = post.row(phones[1])
    item = inbox.sent(post.connection, row, send)
    assert item is not None
    found = deliveries.delivery_by_number(post.connection, post.history.app_id, item.number)
    assert found is not None
    assert (found.device_id, found.send_id, found.number) == (phones[1], send, item.number)
    assert found == deliveries.delivery(post.connection, send, phones[1])
    assert deliveries.delivery_by_number(post.connection, uuid4(), item.number) is None
    assert deliveries.delivery_by_number(post.connection, post.history.app_id, item.number + 9) is None
    assert inbox.sent(post.connection, row, uuid4()) is None
    cut = deliveries.slice_deliveries(post.connection, send, offset=1, limit=1)
    assert ([one.device_id for one in cut.items], cut.total) == ([phones[1]], 3)
