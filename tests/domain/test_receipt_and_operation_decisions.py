"""Every branch of what may be done with receipts and operations, one sentence each."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import pytest

from tocsin.domain import operation, receipt
from tocsin.domain.errors import Conflict, Invalid, NotFound
from tocsin.domain.events.operation import OperationFinished, OperationKind, OperationStarted
from tocsin.domain.events.receipt import ReceiptOpened, ReceiptReceived
from tocsin.domain.operation import FinishOperation, StartOperation
from tocsin.domain.receipt import ReportOpened, ReportReceived
from tocsin.domain.rules import OutOfPlace

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SEND, DEVICE = UUID(int=1), UUID(int=2)
RECEIVED = ReportReceived(send_id=SEND, device_id=DEVICE, at=NOW)
OPENED = ReportOpened(send_id=SEND, device_id=DEVICE)
START = StartOperation(kind=OperationKind.REBUILD, parameters={"models": ["devices"]})
FINISH = FinishOperation(outcome="succeeded", result={"events": 12})


def test_a_message_is_reported_received_once() -> None:
    facts = receipt.decide(None, RECEIVED)
    assert facts == [ReceiptReceived(send_id=SEND, device_id=DEVICE, at=NOW)]
    state = receipt.fold(facts)
    assert receipt.decide(state, RECEIVED) == []
    assert state is not None
    assert (state.received_at, state.opened) == (NOW, False)


def test_a_message_is_reported_opened_once_whether_or_not_it_was_reported_received() -> None:
    opened = [ReceiptOpened(send_id=SEND, device_id=DEVICE)]
    assert receipt.decide(None, OPENED) == opened
    assert receipt.decide(receipt.fold(receipt.decide(None, RECEIVED)), OPENED) == opened
    assert receipt.decide(receipt.fold(opened), OPENED) == []
    assert receipt.decide(receipt.fold(opened), RECEIVED) != []


def test_a_report_says_its_offset_from_utc() -> None:
    with pytest.raises(Invalid):
        receipt.decide(None, ReportOpened(send_id=SEND, device_id=DEVICE, at=NOW.replace(tzinfo=None)))


def test_another_streams_fact_is_no_receipt() -> None:
    with pytest.raises(OutOfPlace):
        receipt.fold([OperationStarted(kind=OperationKind.EXPORT)])


def test_an_operation_is_started_once_with_its_parameters() -> None:
    facts = operation.decide(None, START)
    assert facts == [OperationStarted(kind=OperationKind.REBUILD, parameters={"models": ["devices"]})]
    with pytest.raises(Conflict):
        operation.decide(operation.fold(facts), START)


def test_an_operation_is_finished_once_with_its_outcome() -> None:
    state = operation.fold(operation.decide(None, START))
    facts = operation.decide(state, FINISH)
    assert facts == [OperationFinished(outcome="succeeded", result={"events": 12})]
    finished = operation.fold(facts, state)
    assert finished is not None
    assert finished.outcome == "succeeded"
    with pytest.raises(Conflict):
        operation.decide(finished, FINISH)


def test_an_operation_nobody_started_cannot_finish() -> None:
    with pytest.raises(NotFound):
        operation.decide(None, FINISH)


def test_an_operation_succeeds_or_fails() -> None:
    state = operation.fold(operation.decide(None, START))
    with pytest.raises(Invalid) as refusal:
        operation.decide(state, FinishOperation(outcome="perhaps"))
    assert refusal.value.facts["field"] == "outcome"


def test_an_operations_stream_begins_with_its_start_and_with_no_other() -> None:
    with pytest.raises(OutOfPlace):
        operation.fold([OperationFinished(outcome="failed")])
    with pytest.raises(OutOfPlace):
        operation.fold([OperationStarted(kind=OperationKind.EXPORT)] * 2)
