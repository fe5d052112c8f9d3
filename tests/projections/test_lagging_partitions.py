"""A partition that lags behind the others hides nothing for ever from who reads a list page by page."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from history import History
from lives import requested
from patience import eventually
from psycopg import Connection

from tocsin.domain.entry import Fact
from tocsin.domain.events.app import AppCreated
from tocsin.domain.events.chunk import ChunkPlanned
from tocsin.domain.events.device import DeviceRegistered
from tocsin.domain.events.notification import NotificationCreated
from tocsin.domain.events.operation import OperationKind, OperationStarted
from tocsin.domain.events.user import UserCreated
from tocsin.domain.personal import Personal
from tocsin.eventlog.record import Record
from tocsin.eventlog.stream.port import Batch, Consumer, LoadCursors, Stream
from tocsin.eventlog.stream.routing import partition_of
from tocsin.projections import apps, deliveries, devices, notifications, operations, sends, users
from tocsin.projections.cursors import statuses
from tocsin.projections.pages import Page, Slice
from tocsin.projections.registry import NAMES, passed
from tocsin.projections.runner import run

ROWS = 16
LIMIT = 4
NOW = datetime.now(UTC)


class Lagging:
    """A stream of which one partition stands still until it is let go."""

    def __init__(self, stream: Stream) -> None:
        self.held: int | None = None
        self._stream = stream

    def partitions(self, topic: str) -> int:
        return self._stream.partitions(topic)

    def subscribe(
        self, topic: str, group: str, load_cursors: LoadCursors, types: Collection[str] | None = None
    ) -> Consumer:
        return HoldingBack(self, self._stream.subscribe(topic, group, load_cursors, types))

    def close(self) -> None: ...


class HoldingBack:
    """A consumer that hands out the held partition's batches later, and in their order."""

    def __init__(self, stream: Lagging, consumer: Consumer) -> None:
        self._stream = stream
        self._consumer = consumer
        self._kept: list[Batch] = []

    def poll(self, timeout: float, limit: int = 5000) -> Sequence[Batch]:
        batches = [*self._kept, *self._consumer.poll(timeout, limit)]
        self._kept = [batch for batch in batches if batch.partition == self._stream.held]
        return [batch for batch in batches if batch.partition != self._stream.held]

    @property
    def assigned(self) -> frozenset[int]:
        return self._consumer.assigned

    def close(self) -> None:
        self._consumer.close()


@pytest.fixture
def lagging(stream: Stream, record: Record) -> Iterator[Lagging]:
    """A stream that keeps every read model up to date, but for what it holds back."""
    stop, lagging = threading.Event(), Lagging(stream)
    thread = threading.Thread(target=run, args=(lagging, record, NAMES, stop))
    thread.start()
    with record.sessions.connection() as connection:
        eventually(lambda: len(statuses(connection)) == len(NAMES), "the read models are made")
    yield lagging
    lagging.held = None
    stop.set()
    thread.join()


Make = Callable[[UUID, int], Fact]
"""The first fact of a stream, which is the so many-th of the list."""

Look = Callable[[Connection[Any], UUID, int], Page[Any, Any] | Slice[Any]]
"""The first page of a list of an app, of so many rows at most."""

SEND, DEVICE = uuid4(), uuid4()


def device(_: UUID, __: int) -> Fact:
    return DeviceRegistered(platform="ios")


def user(stream_id: UUID, _: int) -> Fact:
    return UserCreated(name=Personal(stream_id, f"user {stream_id}"))


def notification(_: UUID, __: int) -> Fact:
    return NotificationCreated(body="Stay away", starts_at=NOW)


def send(_: UUID, __: int) -> Fact:
    return requested()


def chunk(_: UUID, number: int) -> Fact:
    return ChunkPlanned(send_id=SEND, ordinal=number, provider="apns", lane="normal", devices=(DEVICE,))


LISTS: dict[str, tuple[str, Make, Look]] = {
    "apps": (
        "apps_v1.app",
        lambda _, number: AppCreated(name=f"app {number}"),
        lambda session, _, limit: apps.list_apps(session, limit=limit),
    ),
    "devices": (
        "devices_v1.device",
        device,
        lambda session, app, limit: devices.list_devices(session, app, limit=limit),
    ),
    "devices by number": (
        "devices_v1.device",
        device,
        lambda session, app, limit: devices.slice_devices(session, app, limit=limit),
    ),
    "users": (
        "users_v1.account",
        user,
        lambda session, app, limit: users.list_users(session, app, limit=limit),
    ),
    "notifications": (
        "notifications_v1.notification",
        notification,
        lambda session, app, limit: notifications.list_notifications(session, app, now=NOW, limit=limit),
    ),
    "sends": (
        "sends_v1.send",
        send,
        lambda session, app, limit: sends.list_sends(session, app, limit=limit),
    ),
    "sends by number": (
        "sends_v1.send",
        send,
        lambda session, app, limit: sends.slice_sends(session, app, limit=limit),
    ),
    "operations": (
        "operations_v1.operation",
        lambda _, __: OperationStarted(kind=OperationKind.EXPORT),
        lambda session, _, limit: operations.list_operations(session, limit=limit),
    ),
    "deliveries": (
        "deliveries_v2.delivery",
        chunk,
        lambda session, _, limit: deliveries.list_deliveries(session, SEND, limit=limit),
    ),
    "deliveries by number": (
        "deliveries_v2.delivery",
        chunk,
        lambda session, _, limit: deliveries.slice_deliveries(session, SEND, limit=limit),
    ),
    "deliveries of a device": (
        "deliveries_v2.delivery",
        chunk,
        lambda session, _, limit: deliveries.device_deliveries(session, DEVICE, limit=limit),
    ),
}


@pytest.mark.parametrize("name", LISTS)
@pytest.mark.parametrize("slowest", [0, 1, -1])
def test_a_page_has_no_gap_that_is_filled_later(
    history: History, connection: Connection[Any], lagging: Lagging, name: str, slowest: int
) -> None:
    table, make, look = LISTS[name]
    ids = [uuid4() for _ in range(ROWS)]
    lagging.held = partition_of(ids[slowest], 4)
    for number, one in enumerate(ids):
        history.append(one, make(one, number), app=one if name == "apps" else None)
    ahead = sum(partition_of(one, 4) != lagging.held for one in ids)
    eventually(
        lambda: connection.execute(f"select count(*) from {table}".encode()).fetchall() == [(ahead,)],
        f"{table} has the {ahead} rows of the other partitions",
    )
    early = look(connection, history.app_id, LIMIT).items
    lagging.held = None
    eventually(lambda: passed(connection, NAMES) >= history.position, lambda: f"all is folded: {statuses(connection)}")
    late = look(connection, history.app_id, ROWS).items
    assert len(late) == ROWS
    start = late.index(early[0]) if early else 0
    assert early == late[start : start + len(early)]
