"""The JSON of devices."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

import marshmallow as ma
import msgspec
from marshmallow import fields, validate
from msgspec import UNSET, UnsetType

from tocsin.commands.devices import DeviceResult
from tocsin.domain.device import ENVIRONMENTS, MAX_NAME, MAX_PHONE
from tocsin.domain.device import Device as DeviceState
from tocsin.domain.entry import Entry
from tocsin.domain.personal import Personal
from tocsin.domain.platforms import MAX_TOKEN, provider_for
from tocsin.domain.tags import MAX_TAG
from tocsin.projections.devices import ACTIVE, OPTED_OUT, RETIRED, Device

MAX_TAGS = 100
"""Tags one registration may name."""


def _text(longest: int, description: str) -> fields.String:
    return fields.String(allow_none=True, validate=validate.Length(1, longest), metadata={"description": description})


class DeviceChanges(ma.Schema):
    """What a client says of its device. What is left out stays, null removes."""

    token = _text(MAX_TOKEN, "The push token: hexadecimal for Apple, the channel URI for Windows.")
    user = _text(MAX_NAME, "Whose it is: a name of your own, by which audiences are addressed.")
    alias = _text(MAX_NAME, "Another name for the device.")
    phone = _text(MAX_PHONE, "A phone number.")
    properties = fields.Dict(
        keys=fields.String(), allow_none=True, metadata={"description": "Your own properties, at most 4096 bytes."}
    )
    environment = fields.String(
        allow_none=True,
        validate=validate.OneOf(ENVIRONMENTS),
        metadata={"description": "The APNs environment its token is of."},
    )
    attributes = fields.Dict(
        keys=fields.String(),
        metadata={"description": "Technical facts (model, os_version, …), merged key by key; null removes one."},
    )


class DeviceForm(DeviceChanges):
    """A registration."""

    platform = fields.String(required=True, validate=validate.Length(1, 32))
    external_id = _text(MAX_NAME, "Your own id of the device; it never changes.")
    tags = fields.List(
        fields.String(validate=validate.Length(1, MAX_TAG)),
        validate=validate.Length(max=MAX_TAGS),
        metadata={"description": "Tags to subscribe to, added to those it has."},
    )


class NewDeviceForm(DeviceForm):
    """A registration; which device is meant follows from device_id, else external_id, else token."""

    device_id = fields.UUID(metadata={"description": "An id of your choice: a UUID of any version but 5."})


class DeviceAnswer(msgspec.Struct, kw_only=True):
    """A device. ``state``: ``active``, ``opted_out`` or ``retired``; ``retired``: why."""

    device_id: UUID
    app_id: UUID
    platform: str
    provider: str | None
    external_id: str | None
    token: str | None
    user: str | None
    alias: str | None
    phone: str | None
    properties: dict[str, Any] | None
    environment: str | None
    attributes: dict[str, Any]
    tags: list[str]
    state: str
    opted_out: bool
    retired: str | None
    created_at: datetime | UnsetType = UNSET
    updated_at: datetime | UnsetType = UNSET
    position: int | UnsetType = UNSET


class SubscriptionAnswer(msgspec.Struct, kw_only=True):
    """That a device has a tag."""

    device_id: UUID
    tag: str


def of_row(row: Device) -> DeviceAnswer:
    """A device as the read model has it."""
    return DeviceAnswer(
        device_id=row.device_id,
        app_id=row.app_id,
        platform=row.platform,
        provider=row.provider,
        external_id=row.external_id,
        token=row.token,
        user=row.user_name,
        alias=row.alias,
        phone=row.phone,
        properties=row.properties,
        environment=row.environment,
        attributes=row.attributes,
        tags=row.tags,
        state=row.state,
        opted_out=row.opted_out,
        retired=row.retired,
        created_at=row.created_at,
        updated_at=row.updated_at,
        position=row.position,
    )


def of_result(result: DeviceResult) -> DeviceAnswer:
    """A device as a command left it."""
    return of_state(result.app_id, result.device_id, result.device)


def of_state(app_id: UUID, device_id: UUID, device: DeviceState, entries: list[Entry] | None = None) -> DeviceAnswer:
    """A device as its events make it."""
    answer = DeviceAnswer(
        device_id=device_id,
        app_id=app_id,
        platform=device.platform,
        provider=provider_for(device.platform),
        external_id=device.external_id,
        token=_clear(device.token),
        user=_clear(device.user),
        alias=_clear(device.alias),
        phone=_clear(device.phone),
        properties=_clear(device.properties),
        environment=device.environment,
        attributes=device.attributes,
        tags=sorted(device.tags),
        state=RETIRED if device.retired else OPTED_OUT if device.opted_out else ACTIVE,
        opted_out=device.opted_out,
        retired=device.retired.value if device.retired else None,
    )
    if entries:
        answer.created_at = entries[0].recorded_at or UNSET
        answer.updated_at = entries[-1].recorded_at or UNSET
        answer.position = entries[-1].position
    return answer


def _clear(value: Personal | None) -> Any:
    return None if value is None else value.value
