"""Questions to the read models whose "no" counts: only one that has seen all there is may give it."""

from __future__ import annotations

from uuid import UUID

from tocsin.api.reads import await_position, caught_up
from tocsin.api.services import services
from tocsin.domain.audience import Audience
from tocsin.projections import audience, deliveries

CATCH_UP_SECONDS = 2.0


def matches_anybody(app_id: UUID, wanted: Audience) -> bool:
    """Whether any device matches an audience; one that cannot be looked up in time is taken to match."""
    position = services().record.head().position
    return (
        _anybody(app_id, wanted) or not caught_up(position, ("audience",), CATCH_UP_SECONDS) or _anybody(app_id, wanted)
    )


def was_addressed(send_id: UUID, device_id: UUID) -> bool:
    """Whether a send has a delivery to a device. Raises Behind where that cannot be looked up in time."""
    position = services().record.head().position
    if _delivered(send_id, device_id):
        return True
    await_position(position, ("deliveries",), CATCH_UP_SECONDS)
    return _delivered(send_id, device_id)


def _anybody(app_id: UUID, wanted: Audience) -> bool:
    with services().readers.connection() as connection:
        counts = audience.count(connection, app_id, wanted, services().digest)
    return bool(counts.by_provider or counts.excluded)


def _delivered(send_id: UUID, device_id: UUID) -> bool:
    with services().readers.connection() as connection:
        return deliveries.delivery(connection, send_id, device_id) is not None
