"""The Receipt stream: what the phone itself reported of one send to one device."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from tocsin.domain.entry import Fact


class ReceiptReceived(Fact, frozen=True, kw_only=True):
    send_id: UUID
    device_id: UUID
    at: datetime | None = None


class ReceiptRemoved(Fact, frozen=True, kw_only=True):
    """The person who has the device took the message out of the inbox."""

    send_id: UUID
    device_id: UUID


class ReceiptOpened(Fact, frozen=True, kw_only=True):
    send_id: UUID
    device_id: UUID
    at: datetime | None = None
