"""Receipts: what phones report of pushes. No device is loaded: the id of the stream says send and device."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from tocsin.commands.context import Context
from tocsin.commands.engine import Decision, Done, Engine
from tocsin.commands.sends import load_send
from tocsin.domain import receipt
from tocsin.domain.errors import NotFound
from tocsin.domain.identity import receipt_stream_id

Addressed = Callable[[UUID, UUID], bool]
"""Whether a send has a delivery to a device: a question to the read models, which the caller brings."""


@dataclass(frozen=True, slots=True)
class ReceiptResult:
    """A receipt as it stands."""

    send_id: UUID
    device_id: UUID
    receipt: Any


def record_receipt(
    engine: Engine, context: Context, app_id: UUID, send_id: UUID, device_id: UUID, command: Any, addressed: Addressed
) -> Done[ReceiptResult]:
    """Carry out a ``ReportReceived`` or ``ReportOpened``; the same report again is no event.

    Raises NotFound where the send is not this app's or had nothing for the device.
    """

    def decide() -> Decision[ReceiptResult]:
        stream_id = receipt_stream_id(send_id, device_id)
        loaded = engine.load(stream_id, receipt)
        if loaded.entries and loaded.entries[0].app_id != app_id:
            raise NotFound("there is no such send", send=str(send_id))
        if loaded.state is None:
            load_send(engine, app_id, send_id)
            if not addressed(send_id, device_id):
                raise NotFound("nothing of this send went to this device", field="device_id", device=str(device_id))
        facts, state = loaded.decide(command)
        return Decision(ReceiptResult(send_id, device_id, state), [loaded.change(app_id, facts, root_id=send_id)])

    return engine.carry_out(context, decide)
