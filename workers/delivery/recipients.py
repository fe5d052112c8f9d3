"""The last look at a device before it is claimed: straight from the record, so that no opt-out is overlooked."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from tocsin.domain.device import Device, evolve
from tocsin.domain.entry import Entry
from tocsin.domain.events.device import DeviceRegistered, TokenChanged
from tocsin.domain.events.send import Exclusion
from tocsin.domain.personal import Personal
from tocsin.eventlog.record import Record


@dataclass(frozen=True, slots=True)
class Recipient:
    """A device as it stands. ``token_since``: when the record learned of its token."""

    app_id: UUID
    version: int
    device: Device
    token_since: datetime | None

    @property
    def token(self) -> str | None:
        """What the provider addresses it by."""
        return clear(self.device.token)

    @property
    def environment(self) -> str:
        """The APNs environment of its token, as a configuration names it; empty where the device did not say."""
        return {"sandbox": "development"}.get(self.device.environment or "", self.device.environment or "")

    @property
    def obstacle(self) -> str | None:
        """Why nothing may be sent to it, None where it may."""
        if self.device.retired is not None or self.device.erased:
            return Exclusion.RETIRED.value
        if self.device.opted_out:
            return Exclusion.OPTED_OUT.value
        return None if self.token else Exclusion.NO_TOKEN.value


def recipients(record: Record, device_ids: Collection[UUID]) -> Mapping[UUID, Recipient]:
    """These devices as they stand now; one that does not exist is not in the answer."""
    if not device_ids:
        return {}
    return {device_id: _recipient(entries) for device_id, entries in record.load_many(device_ids).items()}


def clear(value: Personal | None) -> str | None:
    """A personal value as text; None where there is none or it was erased."""
    return None if value is None or value.erased else str(value.value)


def _recipient(entries: list[Entry]) -> Recipient:
    state: Device | None = None
    since = None
    for entry in entries:
        state = evolve(state, entry.fact)
        if isinstance(entry.fact, DeviceRegistered | TokenChanged):
            since = entry.recorded_at
    assert state is not None
    return Recipient(entries[0].app_id, entries[-1].originator_version, state, since)
