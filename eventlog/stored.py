"""An event as the record keeps it: bytes and the few columns that are read without opening them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from eventsourcing.persistence import Notification


@dataclass(frozen=True, init=False)
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

    def __init__(
        self,
        originator_id: UUID,
        originator_version: int,
        topic: str,
        state: bytes,
        id: int,
        schema_version: int,
        app_id: UUID,
        root_id: UUID,
        recorded_at: datetime,
    ) -> None:
        # In one step: what dataclasses generate sets the fields one by one, past the class's own refusal to have any
        # set, which takes four times as long, and the record is read by the million.
        self.__dict__.update(
            originator_id=originator_id,
            originator_version=originator_version,
            topic=topic,
            state=state,
            id=id,
            schema_version=schema_version,
            app_id=app_id,
            root_id=root_id,
            recorded_at=recorded_at,
        )

    @property
    def position(self) -> int:
        """The event's place in the record: dense, in commit order, from 1."""
        return self.id
