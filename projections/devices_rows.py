"""The rows of the read model of devices, as its queries return them."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from tocsin.projections.tables import Table

SCHEMA = "devices_v1"

ACTIVE = "active"
OPTED_OUT = "opted_out"
RETIRED = "retired"


class Device(msgspec.Struct, frozen=True):
    """``provider``: what reaches the platform, if anything. ``user_id``: the data subject that the user is, named at
    ``user_position``. ``through``: the API it registered through last, and ``registered_at``: when it did so as an
    event; that it registered again and changed nothing is told by the read model of usage.

    ``state``: ``active``, ``opted_out`` or ``retired``, the last wins. ``retired``: why. ``created_position`` is also
    the device's number, for protocols whose ids are numbers. ``position``: of its newest event.
    """

    device_id: UUID
    app_id: UUID
    platform: str
    provider: str | None
    external_id: str | None
    token: str | None
    token_digest: bytes | None
    user_id: UUID | None
    user_name: str | None
    user_digest: bytes | None
    user_position: int | None
    alias: str | None
    alias_digest: bytes | None
    phone: str | None
    properties: dict[str, Any] | None
    property_types: dict[str, Any] | None
    environment: str | None
    through: str
    registered_at: datetime
    token_scope: str | None
    attributes: dict[str, Any]
    tags: list[str]
    state: str
    opted_out: bool
    retired: str | None
    created_position: int
    created_at: datetime
    updated_at: datetime
    position: int


class Addressee(msgspec.Struct, frozen=True):
    """What matters of a device to whoever sends to it; members as in ``Device``."""

    device_id: UUID
    token: str | None
    user_name: str | None
    alias: str | None
    environment: str | None
    opted_out: bool
    retired: str | None
    created_position: int
    token_scope: str | None
    position: int


class Subscription(msgspec.Struct, frozen=True):
    app_id: UUID
    tag: str
    device_id: UUID
    created_position: int


DEVICES = Table(SCHEMA, "device", Device, "device_id")
ADDRESSEES = Table(SCHEMA, "device", Addressee, "device_id")
SUBSCRIPTIONS = Table(SCHEMA, "subscription", Subscription, "device_id", "tag")
