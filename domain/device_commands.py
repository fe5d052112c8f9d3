"""What can be asked of a device."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from msgspec import UNSET, UnsetType

from tocsin.domain.events.device import Retirement
from tocsin.domain.personal import Personal
from tocsin.domain.rules import Command


class RegisterDevice(Command, frozen=True, kw_only=True):
    """A device reports itself, for the first time or again. What is UNSET stays as it was, None removes it.

    ``attributes`` are merged key by key, None removes one. ``token_shape``: the token must look like its provider's
    (false for clients that were always allowed to send anything). ``token_scope``: as in ``DeviceRegistered``, of a
    device that is new.
    """

    platform: str
    token: Personal | None | UnsetType = UNSET
    user: Personal | None | UnsetType = UNSET
    alias: Personal | None | UnsetType = UNSET
    phone: Personal | None | UnsetType = UNSET
    properties: Personal | None | UnsetType = UNSET
    external_id: str | None = None
    environment: str | None | UnsetType = UNSET
    attributes: dict[str, Any] = {}
    token_shape: bool = True
    token_scope: str | None = None


class UpdateDevice(Command, frozen=True, kw_only=True):
    """As ``RegisterDevice``, of a device that exists and is not retired."""

    user: Personal | None | UnsetType = UNSET
    alias: Personal | None | UnsetType = UNSET
    phone: Personal | None | UnsetType = UNSET
    properties: Personal | None | UnsetType = UNSET
    environment: str | None | UnsetType = UNSET
    attributes: dict[str, Any] = {}


class ChangeToken(Command, frozen=True, kw_only=True):
    """``source``: ``registration`` (the device said so) or ``provider`` (the provider named a replacement)."""

    token: Personal | None
    source: str = "registration"
    token_shape: bool = True


class SetProperty(Command, frozen=True, kw_only=True):
    """Gives one custom property a value of a type (``domain.properties.TYPES``); None takes the property away.

    ``device_id``: the data subject whose property it is.
    """

    device_id: UUID
    name: str
    type: str = "string"
    value: Any = None


class ClearProperties(Command, frozen=True, kw_only=True):
    """Takes every custom property away."""


class ChangeBadge(Command, frozen=True, kw_only=True):
    """Sets the number on the icon to ``badge``, or adds ``change`` to what it is now (``current``), but not below 0."""

    badge: int | None = None
    change: int | None = None
    current: int = 0


class Subscribe(Command, frozen=True, kw_only=True):
    tag: str


class Unsubscribe(Command, frozen=True, kw_only=True):
    tag: str


class OptOut(Command, frozen=True, kw_only=True):
    reason: str | None = None


class OptIn(Command, frozen=True, kw_only=True):
    pass


class RetireDevice(Command, frozen=True, kw_only=True):
    """Members as in ``DeviceRetired``. Retired on request, or erased, it also leaves its tags."""

    reason: Retirement = Retirement.REQUESTED
    provider: str | None = None
    code: str | None = None
    send_id: UUID | None = None
    moved_to: UUID | None = None


DeviceCommand = (
    RegisterDevice
    | UpdateDevice
    | ChangeToken
    | SetProperty
    | ClearProperties
    | ChangeBadge
    | Subscribe
    | Unsubscribe
    | OptOut
    | OptIn
    | RetireDevice
)
