"""What a device may report of a send: that the message arrived, was opened, was removed; each once."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

import msgspec
from msgspec.structs import replace

from tocsin.domain.entry import Fact
from tocsin.domain.events.receipt import ReceiptOpened, ReceiptReceived, ReceiptRemoved
from tocsin.domain.rules import Command, OutOfPlace, optional_moment


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """What was reported so far; ``at`` is the device's own time where it gave one."""

    send_id: UUID
    device_id: UUID
    received: bool = False
    received_at: datetime | None = None
    opened: bool = False
    opened_at: datetime | None = None
    removed: bool = False


class ReportReceived(Command, frozen=True, kw_only=True):
    send_id: UUID
    device_id: UUID
    at: datetime | None = None


class ReportOpened(Command, frozen=True, kw_only=True):
    """A message that is opened was received, whether or not that was reported."""

    send_id: UUID
    device_id: UUID
    at: datetime | None = None


class RemoveFromInbox(Command, frozen=True, kw_only=True):
    send_id: UUID
    device_id: UUID


ReceiptCommand = ReportReceived | ReportOpened | RemoveFromInbox


def decide(state: Receipt | None, command: ReceiptCommand) -> list[Fact]:
    """The fact of a first report, none for a repeated one. Errors: Invalid."""
    if isinstance(command, RemoveFromInbox):
        gone = state is not None and state.removed
        return [] if gone else [ReceiptRemoved(send_id=command.send_id, device_id=command.device_id)]
    send_id, device_id, at = command.send_id, command.device_id, optional_moment(command.at, "at")
    if isinstance(command, ReportReceived):
        known = state is not None and state.received
        return [] if known else [ReceiptReceived(send_id=send_id, device_id=device_id, at=at)]
    known = state is not None and state.opened
    return [] if known else [ReceiptOpened(send_id=send_id, device_id=device_id, at=at)]


def fold(facts: Iterable[Fact], state: Receipt | None = None) -> Receipt | None:
    """The state after ``facts``, from ``state`` or from nothing."""
    for fact in facts:
        state = evolve(state, fact)
    return state


def evolve(state: Receipt | None, fact: Fact) -> Receipt:
    """The state after ``fact``. Errors: OutOfPlace for a fact of another stream."""
    match fact:
        case ReceiptReceived(at=at):
            return replace(_begun(state, fact), received=True, received_at=at)
        case ReceiptOpened(at=at):
            return replace(_begun(state, fact), opened=True, opened_at=at)
        case ReceiptRemoved():
            return replace(_begun(state, fact), removed=True)
    raise OutOfPlace("receipt", fact)


def _begun(state: Receipt | None, fact: ReceiptReceived | ReceiptOpened | ReceiptRemoved) -> Receipt:
    return state or Receipt(send_id=fact.send_id, device_id=fact.device_id)
