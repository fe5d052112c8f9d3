"""What the read models of sends and deliveries answer."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from history import History
from lives import planned, requested
from msgspec.structs import replace
from patience import eventually
from psycopg import Connection

from tocsin.domain.audience import Audience
from tocsin.domain.entry import Actor
from tocsin.domain.events.chunk import AttemptStarted, Outcome, OutcomeKind, OutcomesRecorded, Retry, RetrySet
from tocsin.domain.events.receipt import ReceiptOpened, ReceiptReceived
from tocsin.domain.events.send import (
    AudienceFrozen,
    DevicesExcluded,
    Exclusion,
    SendApproved,
    SendCancelled,
    SendCompleted,
    SendScheduled,
    SendStarted,
    Subject,
    Tally,
)
from tocsin.domain.personal import Personal
from tocsin.eventlog.record import Record
from tocsin.eventlog.stream.port import Stream
from tocsin.projections import deliveries, failures, sends
from tocsin.projections.registry import passed
from tocsin.projections.runner import run

Project = Callable[..., None]

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
NAMES = ("sends", "deliveries")


def claim(attempt: int = 1) -> AttemptStarted:
    return AttemptStarted(attempt=attempt, devices=((0, 6),), worker="w", lease_expires_at=NOON)


def test_a_send_tells_its_story_without_naming_people(
    history: History, project: Project, connection: Connection[Any]
) -> None:
    send, notification = uuid4(), uuid4()
    somebody = Personal(uuid4(), "alice")
    audience = Audience(users=(somebody,), tags=("staff",), expression="staff && !on-leave", platforms=("ios",))
    subject = Subject(notification_id=notification, followup_id=2)
    actor = Actor(principal="credential:7")
    history.append(send, requested(audience=audience, subject=subject, not_before=NOON), actor=actor)
    project("sends")
    found = sends.send(connection, history.app_id, send)
    assert found is not None
    assert (found.row.status, found.row.requested_by, found.row.scheduled_at) == ("requested", "credential:7", None)
    assert (found.row.notification_id, found.row.followup_id) == (notification, 2)
    assert found.row.message == {"body": "evacuate"}
    assert found.row.audience["users"] == 1
    assert found.row.audience["expression"] == "staff && !on-leave"
    assert found.tally == Tally()
    assert "alice" not in repr(found)
    history.append(send, SendApproved(), SendScheduled(at=NOON), SendStarted())
    history.append(send, AudienceFrozen(as_of=9, audience=6, excluded={"retired": 1}, chunks=1))
    history.append(send, SendCompleted(tally=Tally(delivered=6)))
    project("sends")
    found = sends.send(connection, history.app_id, send)
    assert found is not None
    assert (found.row.status, found.row.as_of, found.row.audience_count) == ("completed", 9, 6)
    assert found.row.excluded == {"retired": 1}
    times = (found.row.approved_at, found.row.started_at, found.row.frozen_at, found.row.completed_at)
    assert None not in times
    assert found.row.scheduled_at == NOON
    assert sends.send(connection, uuid4(), send) is None, "another app's"


def test_a_cancelled_send_stays_cancelled_when_its_last_device_is_settled(
    history: History, project: Project, connection: Connection[Any]
) -> None:
    send = uuid4()
    history.append(send, requested(), SendStarted(), AudienceFrozen(as_of=1, audience=6, chunks=1))
    history.append(send, SendCancelled(reason="false alarm"), SendCompleted(tally=Tally(cancelled=6)))
    project("sends")
    found = sends.send(connection, history.app_id, send)
    assert found is not None
    assert (found.row.status, found.row.reason) == ("cancelled", "false alarm")
    assert found.row.completed_at is not None


def test_sends_are_listed_newest_first_by_status_and_notification(
    history: History, project: Project, connection: Connection[Any]
) -> None:
    notification = uuid4()
    ids = [uuid4() for _ in range(7)]
    for number, send in enumerate(ids):
        subject = Subject(notification_id=notification) if number % 2 else Subject()
        history.append(send, requested(subject=subject), SendStarted())
    history.append(ids[0], AudienceFrozen(as_of=1, audience=6, chunks=1))
    project("sends")
    first = sends.list_sends(connection, history.app_id, limit=4)
    second = sends.list_sends(connection, history.app_id, limit=4, before=first.next)
    assert [one.row.send_id for one in (*first.items, *second.items)] == ids[::-1]
    assert second.next is None
    of_notification = sends.list_sends(connection, history.app_id, notification_id=notification)
    assert [one.row.send_id for one in of_notification.items] == [ids[5], ids[3], ids[1]]
    assert [one.row.send_id for one in sends.list_sends(connection, history.app_id, status="sending").items] == ids[:1]


def test_those_left_out_are_named_with_the_reason(
    history: History, project: Project, connection: Connection[Any]
) -> None:
    send = uuid4()
    history.append(send, requested())
    reasons = [Exclusion.RETIRED, Exclusion.OPTED_OUT, Exclusion.NO_TOKEN]
    pairs = [(uuid4(), reasons[number % 3]) for number in range(9)]
    for ordinal in range(3):
        portion = tuple(pairs[ordinal * 3 : ordinal * 3 + 3])
        history.append(uuid4(), DevicesExcluded(send_id=send, ordinal=ordinal, devices=portion), root=send)
    project("sends")
    seen, after = [], (-1, -1)
    while True:
        found = sends.list_exclusions(connection, send, after=after, limit=4)
        seen += [(row.device_id, row.reason) for row in found.items]
        if found.next is None:
            break
        after = found.next
    assert seen == pairs
    retired = sends.list_exclusions(connection, send, reason=Exclusion.RETIRED)
    assert {row.device_id for row in retired.items} == {one for one, reason in pairs if reason is Exclusion.RETIRED}


def test_counts_are_kept_by_provider_and_chunks_tell_where_they_stand(
    history: History, project: Project, connection: Connection[Any]
) -> None:
    send, apple, google = uuid4(), uuid4(), uuid4()
    history.append(send, requested(), SendStarted())
    outcomes = tuple(Outcome(index, OutcomeKind.DELIVERED) for index in range(4))
    history.append(apple, planned(send, 0), claim(), OutcomesRecorded(attempt=1, outcomes=outcomes), root=send)
    history.append(google, planned(send, 1, "fcm"), root=send)
    project("sends")
    found = sends.send(connection, history.app_id, send)
    assert found is not None
    assert found.by_provider == {"apns": Tally(delivered=4, pending=2), "fcm": Tally(pending=6)}
    assert found.tally == Tally(delivered=4, pending=8)
    first, second = sends.list_chunks(connection, send).items
    assert (first.chunk_id, first.provider, first.status, first.attempt, first.pending) == (
        apple,
        "apns",
        "sending",
        1,
        2,
    )
    assert (second.chunk_id, second.status, second.devices) == (google, "planned", 6)
    assert sends.list_chunks(connection, send, after=0).items == (second,)
    assert sends.chunk(connection, apple) == first


def test_a_delivery_tells_what_the_provider_said_last(
    history: History, project: Project, connection: Connection[Any]
) -> None:
    send, chunk = uuid4(), uuid4()
    plan = planned(send, 0)
    history.append(chunk, plan, root=send)
    project("deliveries")
    busy = Retry(3, "TooManyRequests", "slow down", NOON, NOON + timedelta(seconds=0.5))
    history.append(chunk, claim(), RetrySet(attempt=1, devices=(busy,), at=NOON), root=send)
    project("deliveries")
    found = deliveries.delivery(connection, send, plan.devices[3])
    assert found is not None
    assert (found.outcome, found.code, found.reason, found.attempts) == ("pending", "TooManyRequests", "slow down", 1)
    answered_at = NOON + timedelta(seconds=20, microseconds=250_001)
    done = Outcome(3, OutcomeKind.DELIVERED, "apns-id", None, None, NOON + timedelta(seconds=20), answered_at)
    history.append(chunk, claim(2), OutcomesRecorded(attempt=2, outcomes=(done,)), root=send)
    project("deliveries")
    found = deliveries.delivery(connection, send, plan.devices[3])
    assert found is not None
    assert (found.outcome, found.code, found.message_id, found.attempts) == ("delivered", None, "apns-id", 2)
    assert (found.sent_at, found.answered_at) == (NOON + timedelta(seconds=20), answered_at)
    assert (found.position, found.index) == (history.position, 3)
    assert deliveries.delivery(connection, uuid4(), plan.devices[3]) is None


def test_a_phones_report_is_seen_whether_it_comes_before_or_after_the_delivery(
    history: History, project: Project, connection: Connection[Any]
) -> None:
    send, chunk = uuid4(), uuid4()
    plan = planned(send, 0)
    early, late = plan.devices[:2]
    history.append(uuid4(), ReceiptReceived(send_id=send, device_id=early, at=NOON), root=send)
    project("deliveries")
    history.append(chunk, plan, root=send)
    project("deliveries")
    history.append(uuid4(), ReceiptOpened(send_id=send, device_id=early, at=NOON + timedelta(minutes=1)), root=send)
    history.append(uuid4(), ReceiptReceived(send_id=send, device_id=late), root=send)
    project("deliveries")
    first, second, third = deliveries.list_deliveries(connection, send, limit=3).items
    assert (first.received_at, first.opened_at) == (NOON, NOON + timedelta(minutes=1))
    assert second.received_at is not None, "as of when it was recorded"
    assert (third.received_at, third.opened_at) == (None, None)


def test_deliveries_are_paged_in_the_order_of_chunk_and_device_and_narrowed(
    history: History, project: Project, connection: Connection[Any]
) -> None:
    send = uuid4()
    plans = {uuid4(): planned(send, ordinal, ("apns", "fcm")[ordinal % 2]) for ordinal in range(4)}
    for chunk, plan in plans.items():
        failed = (Outcome(0, OutcomeKind.FAILED, code="BadDeviceToken"), Outcome(1, OutcomeKind.DELIVERED))
        history.append(chunk, plan, claim(), OutcomesRecorded(attempt=1, outcomes=failed), root=send)
    project("deliveries")

    def everything(**wanted: Any) -> list[UUID]:
        seen: list[UUID] = []
        after = (-1, -1)
        while True:
            found = deliveries.list_deliveries(connection, send, after=after, limit=5, **wanted)
            seen += [row.device_id for row in found.items]
            if found.next is None:
                return seen
            after = found.next

    devices = [device for plan in plans.values() for device in plan.devices]
    assert everything() == devices
    assert everything(outcome="failed") == devices[::6]
    assert everything(outcome="delivered") == devices[1::6]
    assert everything(outcome="failed", provider="fcm") == devices[6::12]
    assert len(everything(outcome="pending")) == 16


def test_why_devices_were_not_reached_is_counted_by_provider_and_code(
    history: History, project: Project, connection: Connection[Any]
) -> None:
    send, other = uuid4(), uuid4()
    dead, limited, lost, taken = OutcomeKind.FAILED, OutcomeKind.FAILED, OutcomeKind.UNKNOWN, OutcomeKind.DELIVERED
    outcomes = (
        Outcome(0, dead, code="Unregistered", reason="gone"),
        Outcome(1, dead, code="Unregistered"),
        Outcome(2, limited, code="PayloadTooLarge"),
        Outcome(3, lost),
        Outcome(4, taken),
    )
    for ordinal, provider in enumerate(("apns", "fcm")):
        recorded = OutcomesRecorded(attempt=1, outcomes=outcomes[ordinal:])
        history.append(uuid4(), planned(send, ordinal, provider), claim(), recorded, root=send)
    history.append(uuid4(), planned(other, 0), claim(), OutcomesRecorded(attempt=1, outcomes=outcomes), root=other)
    project("deliveries")
    found = failures.failures(connection, send)
    assert [(one.provider, one.code, one.reason, one.devices) for one in found] == [
        ("apns", "PayloadTooLarge", None, 1),
        ("apns", "Unregistered", "gone", 2),
        ("apns", "unknown", None, 1),
        ("fcm", "PayloadTooLarge", None, 1),
        ("fcm", "Unregistered", None, 1),
        ("fcm", "unknown", None, 1),
    ]
    assert all(one.first_at.tzinfo is not None for one in found)
    assert failures.failures(connection, uuid4()) == []


def test_a_devices_deliveries_are_listed_newest_first(
    history: History, project: Project, connection: Connection[Any]
) -> None:
    device = uuid4()
    ids = [uuid4() for _ in range(5)]
    for send in ids:
        history.append(uuid4(), replace(planned(send, 0), devices=(device,)), root=send)
    project("deliveries")
    first = deliveries.device_deliveries(connection, device, limit=3)
    second = deliveries.device_deliveries(connection, device, before=first.next, limit=3)
    assert [row.send_id for row in (*first.items, *second.items)] == ids[::-1]
    assert second.next is None


def test_whether_the_outcomes_add_up_is_told_once_every_partition_was_folded(
    record: Record, stream: Stream, history: History, connection: Connection[Any]
) -> None:
    send = uuid4()
    history.append(send, requested(), SendStarted())
    asked = history.position
    for number in range(8):
        history.append(uuid4(), planned(send, number), root=send)
    history.append(send, AudienceFrozen(as_of=asked, audience=48, by_provider={"apns": 48}, chunks=8))

    def told() -> sends.Send:
        found = sends.send(connection, history.app_id, send)
        assert found is not None
        return found

    def fold() -> None:
        stop = threading.Event()
        thread = threading.Thread(target=run, args=(stream, record, ["sends"], stop))
        thread.start()
        eventually(lambda: passed(connection, ["sends"]) >= history.position, "all is folded")
        stop.set()
        thread.join()

    fold()
    assert (told().tally.pending, told().adds_up) == (48, True)
    # One partition has not come as far as the chunk it is to fold.
    with connection.transaction():
        connection.execute("update projections.cursors set position = %s where partition = 0", (asked,))
        connection.execute("update sends_v1.outcome_count set pending = 42")
    assert told().adds_up is None
    connection.execute("update projections.cursors set position = %s", (history.position,))
    assert told().adds_up is False


def test_nobody_says_that_outcomes_add_up_before_there_is_an_audience(
    history: History, project: Project, connection: Connection[Any]
) -> None:
    send = uuid4()
    history.append(send, requested(), SendStarted())
    history.append(uuid4(), planned(send, 0), root=send)
    project("sends")
    found = sends.send(connection, history.app_id, send)
    assert found is not None
    assert found.adds_up is None
