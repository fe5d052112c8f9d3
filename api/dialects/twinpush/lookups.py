"""What the ids in addresses mean. Each is one of 16 letters and digits, or the number that travels in payloads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar
from uuid import UUID

from psycopg import Connection

from tocsin.api.dialects.twinpush import errors
from tocsin.api.dialects.twinpush.errors import Refusal
from tocsin.api.reads import caught_up, reading
from tocsin.api.services import services
from tocsin.domain.events.device import Retirement
from tocsin.projections import devices, inbox, sends
from tocsin.projections.devices import Device
from tocsin.projections.inbox import InboxItem
from tocsin.projections.sends_rows import Send

REMOVED = (Retirement.REQUESTED, Retirement.ERASED)
"""Devices that were deleted: to this API they are not there. All others that are retired are inactive."""

PATIENCE = 2.0
"""Seconds a call that finds nothing waits for the read models: a phone may report what they do not know of yet."""

T = TypeVar("T")


def device(app_id: UUID | None, shown: str) -> Device:
    """A device of the app, or of any where none is said. Raises Refusal."""
    position, handles = number(shown), services().handles

    def look(connection: Connection[Any]) -> Device | None:
        if position is None:
            return devices.device_by_handle(connection, app_id, handles, shown)
        return devices.device_by_number(connection, app_id, position)

    found = _sought(look, ("devices",))
    if found is None or found.retired in REMOVED:
        raise Refusal(errors.DEVICE_NOT_FOUND)
    return found


def devices_named(app_id: UUID, shown: Sequence[str]) -> dict[str, UUID]:
    """The ids of these devices of the app, by what they were called. Raises Refusal unless all are there."""
    handles, short = services().handles, [one for one in shown if number(one) is None]
    with reading("devices") as connection:
        known = devices.devices_by_handle(connection, app_id, handles, short)
    found = {name: known[name] if name in known else device(app_id, name) for name in shown}
    if any(one.retired in REMOVED for one in found.values()):
        raise Refusal(errors.DEVICE_NOT_FOUND)
    return {name: one.device_id for name, one in found.items()}


def notification(app_id: UUID, shown: str) -> Send:
    """A notification of the app that was not deleted. Raises Refusal."""
    position, handles = number(shown), services().handles

    def look(connection: Connection[Any]) -> Send | None:
        if position is None:
            return sends.send_by_handle(connection, app_id, handles, shown)
        return sends.send_by_number(connection, app_id, position)

    found = _sought(look, ("sends",))
    if found is None or found.row.withdrawn_at is not None:
        raise Refusal(errors.NOTIFICATION_NOT_FOUND)
    return found


def delivery(owner: Device, send_id: UUID, *, in_inbox: bool = False) -> InboxItem:
    """What a device, or another of its alias, was sent of a notification. Raises Refusal."""
    found = _sought(lambda connection: inbox.sent(connection, owner, send_id, in_inbox=in_inbox), inbox.READ_MODELS)
    if found is None:
        raise Refusal(errors.DELIVERY_NOT_FOUND)
    return found


def number(shown: str) -> int | None:
    """The number an id is; None where it is one of 16 characters, or nothing."""
    return int(shown) if shown.isascii() and shown.isdigit() and len(shown) < 16 else None


def _sought(look: Callable[[Connection[Any]], T | None], names: Sequence[str]) -> T | None:
    """What ``look`` finds; where it finds nothing, once more when the read models are where the record is now."""
    with reading(*names) as connection:
        found = look(connection)
    if found is None and caught_up(services().record.head().position, names, PATIENCE):
        with reading(*names) as connection:
            found = look(connection)
    return found
