"""The JSON of deliveries, of who was left out, and of receipts."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

import marshmallow as ma
import msgspec
from marshmallow import fields, validate

from tocsin.commands.receipts import ReceiptResult
from tocsin.domain.receipt import ReportOpened, ReportReceived
from tocsin.projections.deliveries import Delivery
from tocsin.projections.sends import Excluded

REPORTS = {"received": ReportReceived, "opened": ReportOpened}


class ReceiptForm(ma.Schema):
    """What a phone reports of a push. ``at``: by its own clock."""

    device_id = fields.UUID(required=True)
    event = fields.String(required=True, validate=validate.OneOf(REPORTS))
    at = fields.AwareDateTime(load_default=None, allow_none=True)


class ReceiptAnswer(msgspec.Struct, kw_only=True):
    """What a phone has reported so far; the times are its own, null where it gave none."""

    send_id: UUID
    device_id: UUID
    received: bool
    received_at: datetime | None
    opened: bool
    opened_at: datetime | None


class DeliveryAnswer(msgspec.Struct, kw_only=True):
    """What became of one device of a send. ``delivered``: the provider accepted it; what the phone did is in
    ``received_at`` and ``opened_at``. ``sent_at``: null where nothing was sent, or nobody knows; ``answered_at``: null
    where no answer came. ``position`` and ``index``: the address of the newest event about it."""

    send_id: UUID
    device_id: UUID
    provider: str
    outcome: str
    message_id: str | None
    code: str | None
    reason: str | None
    attempts: int
    sent_at: datetime | None
    answered_at: datetime | None
    received_at: datetime | None
    opened_at: datetime | None
    updated_at: datetime
    position: int
    index: int


class ExcludedAnswer(msgspec.Struct, kw_only=True):
    """A device that matched and was left out, and why. ``position`` and ``index``: where that is recorded."""

    send_id: UUID
    device_id: UUID
    reason: str
    position: int
    index: int


class AudienceAnswer(msgspec.Struct, kw_only=True):
    """A send's audience as recorded. ``asked``: what was asked for, people in clear for an admin or an auditor."""

    send_id: UUID
    as_of: int | None
    asked: dict[str, Any]
    audience: int | None
    by_provider: dict[str, int]
    excluded: dict[str, int]


def of_row(row: Delivery) -> DeliveryAnswer:
    """A delivery as the read model has it."""
    return DeliveryAnswer(**{name: getattr(row, name) for name in DeliveryAnswer.__struct_fields__})


def excluded_of_row(row: Excluded) -> ExcludedAnswer:
    """An exclusion as the read model has it."""
    return ExcludedAnswer(
        send_id=row.send_id, device_id=row.device_id, reason=row.reason, position=row.position, index=row.index
    )


def receipt_of_result(result: ReceiptResult) -> ReceiptAnswer:
    """A receipt as the command left it."""
    receipt = result.receipt
    return ReceiptAnswer(
        send_id=result.send_id,
        device_id=result.device_id,
        received=receipt.received,
        received_at=receipt.received_at,
        opened=receipt.opened,
        opened_at=receipt.opened_at,
    )
