"""Requesting sends: what may be pushed."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from tocsin.commands.context import Context
from tocsin.commands.engine import Engine
from tocsin.commands.notifications import create_notification
from tocsin.commands.receipts import record_receipt
from tocsin.commands.sends import load_send, request_send, request_sends
from tocsin.domain.audience import Audience
from tocsin.domain.errors import Invalid, NotFound
from tocsin.domain.events.send import Subject
from tocsin.domain.message import Message
from tocsin.domain.notification import CreateNotification
from tocsin.domain.receipt import ReportOpened, ReportReceived
from tocsin.domain.send import RequestSend


def test_what_has_expired_is_pushed_only_by_who_says_it_may_have(
    engine: Engine, context: Context, app_id: UUID
) -> None:
    now = engine.clock()
    old = CreateNotification(body="Flood", starts_at=now - timedelta(hours=2), expires_at=now - timedelta(hours=1))
    notification_id = create_notification(engine, context, app_id, old).result.notification_id

    def push(**members: object) -> RequestSend:
        return RequestSend(
            message=Message(body="Flood"),
            audience=Audience(everyone=True),
            subject=Subject(notification_id=notification_id),
            now=now,
            expires_at=now + timedelta(hours=1),
            **members,  # type: ignore[arg-type]
        )

    with pytest.raises(Invalid, match="expired"):
        request_send(engine, context, app_id, push())
    done = request_send(engine, context, app_id, push(past_validity=True))
    assert load_send(engine, app_id, done.result.send_id).state is not None


def test_several_pushes_are_requested_together_or_not_at_all(engine: Engine, context: Context, app_id: UUID) -> None:
    def wanted(**changes: Any) -> RequestSend:
        values = {"message": Message(body="Fire"), "audience": Audience(everyone=True), "now": engine.clock()}
        return RequestSend(**{**values, **changes})

    first, second = uuid4(), uuid4()
    before = engine.record.head().position
    with pytest.raises(Invalid):
        request_sends(engine, Context(context.actor), app_id, {first: wanted(), second: wanted(message=Message())})
    assert engine.record.head().position == before

    done = request_sends(engine, Context(context.actor), app_id, {first: wanted(), second: wanted()})
    assert [result.send_id for result in done.result] == [first, second]
    assert len({engine.record.load(one)[0].command_id for one in (first, second)}) == 1


def test_what_a_phone_reported_of_one_app_takes_no_report_of_another(
    engine: Engine, context: Context, app_id: UUID
) -> None:
    push = RequestSend(message=Message(body="Fire"), audience=Audience(everyone=True), now=engine.clock())
    send_id, device_id = request_send(engine, context, app_id, push).result.send_id, uuid4()
    report = ReportReceived(send_id=send_id, device_id=device_id)
    record_receipt(engine, Context(context.actor), app_id, send_id, device_id, report, lambda *_: True)
    before = engine.record.head().position
    for told in (report, ReportOpened(send_id=send_id, device_id=device_id)):
        with pytest.raises(NotFound):
            record_receipt(engine, Context(context.actor), uuid4(), send_id, device_id, told, lambda *_: True)
    assert engine.record.head().position == before
