"""The Device stream: one installation of one app, its token, its owner, its subscriptions."""

from __future__ import annotations

from enum import StrEnum
from typing import Any
from uuid import UUID

from msgspec import UNSET, UnsetType

from tocsin.domain.entry import Fact
from tocsin.domain.personal import Personal


class DeviceRegistered(Fact, frozen=True, kw_only=True):
    """``platform``: ios, android, windows, huawei, web, … ``token``: what the provider addresses it by, if it has one.

    ``user`` belongs to the user as data subject; ``token``, ``alias``, ``phone`` and ``properties`` (custom,
    name to value) to the device. ``external_id``: the id a client chose. ``environment``: the APNs environment its
    token is of. ``attributes``: the technical facts an SDK reports (model, app_version, os_version, language, …).
    ``property_types``: name to type, of the properties that were given one. ``token_scope``: within which the token is
    one device's; None: the whole app.
    """

    platform: str
    token: Personal | None = None
    user: Personal | None = None
    alias: Personal | None = None
    phone: Personal | None = None
    properties: Personal | None = None
    property_types: Personal | None = None
    external_id: str | None = None
    environment: str | None = None
    attributes: dict[str, Any] = {}
    token_scope: str | None = None


class DeviceUpdated(Fact, frozen=True, kw_only=True):
    """Only what changed is set; ``attributes`` holds the changed keys, a null value removes one."""

    user: Personal | None | UnsetType = UNSET
    alias: Personal | None | UnsetType = UNSET
    phone: Personal | None | UnsetType = UNSET
    properties: Personal | None | UnsetType = UNSET
    property_types: Personal | None | UnsetType = UNSET
    environment: str | None | UnsetType = UNSET
    attributes: dict[str, Any] | UnsetType = UNSET


class TokenChanged(Fact, frozen=True, kw_only=True):
    """``source``: ``registration`` (the device said so) or ``provider`` (the provider named a replacement)."""

    token: Personal | None
    source: str = "registration"


class Subscribed(Fact, frozen=True, kw_only=True):
    tag: str


class Unsubscribed(Fact, frozen=True, kw_only=True):
    tag: str


class BadgeChanged(Fact, frozen=True, kw_only=True):
    """The number on the app's icon is ``badge``. ``change``: what was added to the one before, where that was asked."""

    badge: int
    change: int | None = None


class OptedOut(Fact, frozen=True, kw_only=True):
    """The owner wants no pushes: the device stays registered and is left out of every audience."""

    reason: str | None = None


class OptedIn(Fact, frozen=True, kw_only=True):
    pass


class Retirement(StrEnum):
    """Why a device is no longer sent to. ``replaced``: newer devices filled the group it was in."""

    REQUESTED = "requested"
    UNREGISTERED = "unregistered"
    TOKEN_MOVED = "token-moved"
    REPLACED = "replaced"
    ERASED = "erased"


class DeviceRetired(Fact, frozen=True, kw_only=True):
    """``send_id``: whose delivery the provider answered with the token being dead. ``moved_to``: the token's owner."""

    reason: Retirement
    provider: str | None = None
    code: str | None = None
    send_id: UUID | None = None
    moved_to: UUID | None = None


class DeviceRestored(Fact, frozen=True, kw_only=True):
    pass
