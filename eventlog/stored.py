"""An event as the record keeps it: bytes and the few columns that are read without opening them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from eventsourcing.persistence import Notification


@dataclass(frozen=True)
class StoredEvent(Notification):
    """One row of ``record.events``.

    Inherited: ``id``, the dense position in commit order (0 before it is appended); ``originator_id``, the stream;
    ``originator_version``, from 1, dense in its stream; ``topic``, the stable event type such as
    ``device.registered``; ``state``, the body as stored, in which personal data is ciphertext.
    """

    originator_id: UUID
    schema_version: int
    app_id: UUID
    root_id: UUID
    recorded_at: datetime

    @property
    def position(self) -> int:
        """The event's place in the record: dense, in commit order, from 1."""
        return self.id
