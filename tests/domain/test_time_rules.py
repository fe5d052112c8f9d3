"""Points in time, as callers give them: whatever is recorded can be kept in every table, and read from it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import msgspec
import pytest

from tocsin.domain import chunk, notification, receipt, send, token, usage, user
from tocsin.domain.audience import Audience
from tocsin.domain.catalog import name_of
from tocsin.domain.chunk import PlanChunk
from tocsin.domain.entry import Fact
from tocsin.domain.errors import Invalid
from tocsin.domain.events.notification import FollowupAdded, NotificationCreated
from tocsin.domain.events.user import SessionOpened, UserCreated
from tocsin.domain.message import Message
from tocsin.domain.notification import AddFollowup, AmendFollowup, AmendNotification, CreateNotification
from tocsin.domain.personal import Personal
from tocsin.domain.receipt import ReportOpened, ReportReceived
from tocsin.domain.rules import moment
from tocsin.domain.send import RequestSend
from tocsin.domain.token import IssueToken
from tocsin.domain.usage import ReportUsage
from tocsin.domain.user import ExtendSession, OpenSession


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00+00:00", "0001-01-01T14:00:00+14:00", "9999-12-31T23:59:59Z"])
def test_a_time_may_lie_in_any_year_of_four_digits(text: str) -> None:
    value = datetime.fromisoformat(text)
    assert moment(value, "at") == value


@pytest.mark.parametrize("text", ["0001-01-01T13:59:59+14:00", "9999-12-31T23:59:59-00:01"])
def test_a_time_that_its_offset_leads_out_of_these_years_is_refused(text: str) -> None:
    with pytest.raises(Invalid, match="years 1 to 9999") as refusal:
        moment(datetime.fromisoformat(text), "at")
    assert refusal.value.facts == {"field": "at"}


def test_a_time_says_its_offset() -> None:
    with pytest.raises(Invalid, match="offset"):
        moment(datetime(2026, 3, 1, tzinfo=UTC).replace(tzinfo=None), "at")


EASTWARD = timezone(timedelta(hours=2))
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
LATER, LATEST = (NOW.astimezone(EASTWARD) + timedelta(hours=hours) for hours in (1, 2))
DEVICE, SEND = UUID(int=1), UUID(int=2)
STANDING = notification.fold(
    [NotificationCreated(body="x", starts_at=NOW), FollowupAdded(followup_id=1, body="y", at=NOW)]
)
USER = user.fold(
    [UserCreated(name=Personal(DEVICE, "ada")), SessionOpened(session_id=SEND, secret_id=SEND, expires_at=NOW)]
)


@pytest.mark.parametrize(
    "told",
    [
        send.decide(None, RequestSend(message=Message(body="x"), audience=Audience(everyone=True), now=NOW,
                                      not_before=LATER, expires_at=LATEST)),
        notification.decide(None, CreateNotification(body="x", starts_at=LATER, expires_at=LATEST)),
        notification.decide(STANDING, AmendNotification(starts_at=LATER, expires_at=LATEST)),
        notification.decide(STANDING, AddFollowup(body="x", at=LATER)),
        notification.decide(STANDING, AmendFollowup(followup_id=1, at=LATER)),
        receipt.decide(None, ReportReceived(send_id=SEND, device_id=DEVICE, at=LATER)),
        receipt.decide(None, ReportOpened(send_id=SEND, device_id=DEVICE, at=LATER)),
        usage.decide(None, ReportUsage(device_id=DEVICE, now=NOW, registered=LATER, opened=LATER, closed=LATEST)),
        token.decide(None, IssueToken(credential_id=SEND, scope=(), now=NOW, expires_at=LATER)),
        user.decide(USER, OpenSession(session_id=DEVICE, secret_id=SEND, now=NOW, expires_at=LATER)),
        user.decide(USER, ExtendSession(session_id=SEND, now=NOW - timedelta(hours=1), expires_at=LATER)),
        chunk.decide(None, PlanChunk(send_id=SEND, ordinal=0, provider="apns", lane="normal", devices=(DEVICE,),
                                     not_before=LATER)),
    ],
    ids=lambda told: "-".join(name_of(fact) for fact in told),
)  # fmt: skip
def test_times_are_recorded_in_utc_whatever_offset_their_caller_wrote(told: list[Fact]) -> None:
    times = [value for fact in told for value in msgspec.structs.asdict(fact).values() if isinstance(value, datetime)]
    assert times
    assert {value.utcoffset() for value in times} == {timedelta(0)}
    assert set(times) <= {NOW, LATER, LATEST}
