"""Events as JSON, in the manner of CloudEvents 1.0: their envelope, and their fact with or without personal data."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from tocsin.domain.catalog import NAMES
from tocsin.domain.delivery import DeliveryFact
from tocsin.domain.personal import Personal
from tocsin.projections.feed import FeedEvent


class ActorAnswer(msgspec.Struct, kw_only=True):
    """Who caused an event, through which API, from which address behind which trusted proxies."""

    principal: str
    dialect: str
    credential: str | None
    address: str | None
    proxies: tuple[str, ...]


class EventAnswer(msgspec.Struct, kw_only=True):
    """One event of the record, or what one says of a single device.

    ``id``: its address, the position and, for a device's own, the index. ``subject``: the stream it belongs to, or the
    device. ``actor``: who caused it, from where. ``data``: what happened; personal data is in clear for an admin or an
    auditor, for others it reads ``{"subject": …, "protected": true}``, and ``{"subject": …, "erased": true}`` for all
    once its key was destroyed.
    """

    specversion: str = "1.0"
    id: str
    source: str
    type: str
    subject: UUID
    time: datetime | None
    position: int
    index: int | None
    stream: UUID
    streamversion: int
    schemaversion: int
    app: UUID
    root: UUID
    actor: ActorAnswer
    command: UUID
    correlation: UUID
    causation: UUID | None
    data: dict[str, Any]


def event_answer(event: FeedEvent, *, clear: bool) -> EventAnswer:
    """An event for a caller who may see personal data (``clear``), or may not."""
    entry = event.entry
    position, index = entry.position, None if event.delivery is None else event.delivery.index
    return EventAnswer(
        id=str(position) if index is None else f"{position}.{index}",
        source=f"/v1/apps/{entry.app_id}",
        type=event.name,
        subject=entry.originator_id if event.delivery is None else event.delivery.device_id,
        time=entry.recorded_at,
        position=position,
        index=index,
        stream=entry.originator_id,
        streamversion=entry.originator_version,
        schemaversion=NAMES[type(entry.fact)][1],
        app=entry.app_id,
        root=entry.root_id,
        actor=ActorAnswer(**msgspec.structs.asdict(entry.actor)),
        command=entry.command_id,
        correlation=entry.correlation_id,
        causation=entry.causation_id,
        data=in_clear(entry.fact, clear=clear) if event.delivery is None else _delivery(event.delivery),
    )


def in_clear(value: msgspec.Struct, *, clear: bool) -> dict[str, Any]:
    """A struct as JSON, its personal data opened, or (``clear`` false) replaced by whose it is."""

    def opened(personal: Any) -> Any:
        if not isinstance(personal, Personal):
            raise TypeError(f"{type(personal).__name__} is not JSON")
        if personal.erased:
            return {"subject": str(personal.subject), "erased": True}
        return personal.value if clear else {"subject": str(personal.subject), "protected": True}

    data: dict[str, Any] = msgspec.to_builtins(value, enc_hook=opened)
    return data


def _delivery(fact: DeliveryFact) -> dict[str, Any]:
    data: dict[str, Any] = msgspec.to_builtins(fact)
    for name in ("name", "position", "index"):
        data.pop(name, None)
    return data
