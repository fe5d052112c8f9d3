"""The last look at devices before they are claimed: as the record has them now, so that no opt-out is overlooked.

The read model knows what was so a moment ago, and answers ten times as fast as the streams. So it is asked first, and
believed of the devices to which nothing has happened since, as the record says.
"""

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
from tocsin.projections.devices import Addressee, addressees


@dataclass(frozen=True, slots=True)
class Recipient:
    """What matters of a device for one push. ``environment``: of its APNs token, as the device said it. ``number``: the
    position it was first registered at. ``token_scope``: within which it alone has the token; None: the app."""

    token: str | None
    user: str | None
    alias: str | None
    environment: str | None
    opted_out: bool
    retired: bool
    number: int
    token_scope: str | None = None

    @property
    def obstacle(self) -> str | None:
        """Why nothing may be sent to it, None where it may."""
        if self.retired:
            return Exclusion.RETIRED.value
        if self.opted_out:
            return Exclusion.OPTED_OUT.value
        return None if self.token else Exclusion.NO_TOKEN.value


@dataclass(frozen=True, slots=True)
class Loaded:
    """A device as its stream has it. ``token_since``: when the record learned of its token."""

    app_id: UUID
    version: int
    number: int
    device: Device
    token_since: datetime | None

    @property
    def token(self) -> str | None:
        """What the provider addresses it by."""
        return _clear(self.device.token)


@dataclass(frozen=True, slots=True)
class Look:
    """Devices as they stood at the position ``as_of``; one that did not exist is not in ``found``."""

    as_of: int
    found: Mapping[UUID, Recipient]


def recipients(record: Record, device_ids: Collection[UUID]) -> Look:
    """These devices as they stand now."""
    with record.sessions.connection() as connection:
        rows = addressees(connection, device_ids)
    as_of, newest = record.newest(device_ids)
    current = {device_id: rows[device_id] for device_id in rows if rows[device_id].position == newest.get(device_id)}
    found = {device_id: _of_row(row) for device_id, row in current.items()}
    changed = newest.keys() - current.keys()
    found.update((device_id, _of_device(loaded)) for device_id, loaded in load(record, changed, as_of).items())
    return Look(as_of, found)


def load(record: Record, device_ids: Collection[UUID], as_of: int | None = None) -> Mapping[UUID, Loaded]:
    """These devices from their streams, as they stood at a position (None: as they are)."""
    if not device_ids:
        return {}
    streams = {
        device_id: [entry for entry in entries if as_of is None or entry.position <= as_of]
        for device_id, entries in record.load_many(device_ids).items()
    }
    return {device_id: _loaded(entries) for device_id, entries in streams.items() if entries}


def _of_row(row: Addressee) -> Recipient:
    return Recipient(
        token=row.token,
        user=row.user_name,
        alias=row.alias,
        environment=row.environment,
        opted_out=row.opted_out,
        retired=row.retired is not None,
        number=row.created_position,
        token_scope=row.token_scope,
    )


def _of_device(loaded: Loaded) -> Recipient:
    device = loaded.device
    gone = device.retired is not None or device.erased
    return Recipient(
        token=_clear(device.token),
        user=_clear(device.user),
        alias=_clear(device.alias),
        environment=device.environment,
        opted_out=device.opted_out,
        retired=gone,
        number=loaded.number,
        token_scope=device.token_scope,
    )


def _clear(value: Personal | None) -> str | None:
    """A personal value as text; None where there is none or it was erased."""
    return None if value is None or value.erased else str(value.value)


def _loaded(entries: list[Entry]) -> Loaded:
    state: Device | None = None
    since = None
    for entry in entries:
        state = evolve(state, entry.fact)
        if isinstance(entry.fact, DeviceRegistered | TokenChanged):
            since = entry.recorded_at
    assert state is not None
    return Loaded(entries[0].app_id, entries[-1].originator_version, entries[0].position, state, since)
