"""An event as a Kafka record: CloudEvents 1.0, Kafka protocol binding, binary content mode.

The value is the body exactly as the record holds it; everything else is in headers, so that nobody has to open it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from uuid import UUID

from tocsin.eventlog.stored import StoredEvent

WATERMARK = "tocsin.watermark"
"""The type of a record that says: everything up to this position is published."""

Header = tuple[str, bytes]


class Foreign(Exception):
    """A record on our topic that no relay of this version wrote. Whatever it hides is missed by what follows it."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a message stands: nothing of its partition lies between ``after`` and ``position``."""

    epoch: int
    position: int
    after: int


@dataclass(frozen=True)
class Origin:
    """Which record the messages come from."""

    record_id: UUID
    epoch: int

    @cached_property
    def _constant(self) -> list[Header]:
        source = f"urn:uuid:{self.record_id}".encode()
        return [("ce_specversion", b"1.0"), ("ce_source", source), ("ce_epoch", b"%d" % self.epoch)]

    def headers(self, event: StoredEvent, after: int) -> list[Header]:
        """The headers of an event; ``after`` is the position of the message before it in its partition."""
        return [
            *self._common(event.position, after, event.topic, str(event.position)),
            ("ce_subject", str(event.originator_id).encode()),
            ("ce_time", event.recorded_at.isoformat().encode()),
            ("ce_streamversion", b"%d" % event.originator_version),
            ("ce_schemaversion", b"%d" % event.schema_version),
            ("ce_app", str(event.app_id).encode()),
            ("ce_root", str(event.root_id).encode()),
            ("content-type", b"application/json"),
        ]

    def watermark(self, position: int, after: int) -> list[Header]:
        """The headers of a watermark."""
        return self._common(position, after, WATERMARK, f"{position}.watermark")

    def _common(self, position: int, after: int, kind: str, name: str) -> list[Header]:
        return [
            *self._constant,
            ("ce_id", f"{self.epoch}.{name}".encode()),
            ("ce_type", kind.encode()),
            ("ce_position", b"%d" % position),
            ("ce_after", b"%d" % after),
        ]


def place_of(headers: Iterable[Header]) -> tuple[Place, Mapping[str, bytes]]:
    """Where a message stands, and its headers by name. Raises ``Foreign``."""
    named = dict(headers)
    try:
        return Place(int(named["ce_epoch"]), int(named["ce_position"]), int(named["ce_after"])), named
    except (KeyError, ValueError) as fault:
        raise Foreign(repr(fault)) from fault


def events_of(
    place: Place, headers: Mapping[str, bytes], body: bytes, types: Collection[str] | None = None
) -> Sequence[StoredEvent]:
    """The event a message carries; nothing for a watermark, and for other types than these. Raises ``Foreign``."""
    try:
        kind = headers["ce_type"].decode()
        passed_over = kind == WATERMARK or (types is not None and kind not in types)
        return [] if passed_over else [_event(place, kind, headers, body)]
    except (KeyError, ValueError) as fault:
        raise Foreign(repr(fault)) from fault


def _event(place: Place, kind: str, headers: Mapping[str, bytes], body: bytes) -> StoredEvent:
    return StoredEvent(
        originator_id=UUID(headers["ce_subject"].decode()),
        originator_version=int(headers["ce_streamversion"]),
        topic=kind,
        state=body,
        id=place.position,
        schema_version=int(headers["ce_schemaversion"]),
        app_id=UUID(headers["ce_app"].decode()),
        root_id=UUID(headers["ce_root"].decode()),
        recorded_at=datetime.fromisoformat(headers["ce_time"].decode()),
    )
