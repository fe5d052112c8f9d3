"""Subscriptions: a device and a tag it has. Their ids are made of both, as the engine keeps none."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from tocsin.api.dialects.mobilefirst.broadcasts import SILENCED
from tocsin.api.dialects.mobilefirst.errors import NO_SUBSCRIPTION, NOT_FOUND, Refusal
from tocsin.api.dialects.mobilefirst.languages import said
from tocsin.api.dialects.mobilefirst.representations import ANONYMOUS, Shown, device_id, href, named
from tocsin.api.reads import reading
from tocsin.api.services import services
from tocsin.commands.engine import Loaded
from tocsin.domain.device import Device as DeviceState
from tocsin.domain.identity import HANDLE_LENGTH
from tocsin.eventlog.handles import Handles
from tocsin.projections import devices
from tocsin.projections.devices import Device

_TAG_BYTES = 5

Held = tuple[Device, str]
"""A device, and a tag it has."""


def subscription_id(handles: Handles, own: UUID, tag: str) -> str:
    """The id of a device's subscription to a tag: 24 letters and digits."""
    digest = hashlib.sha256(tag.encode()).digest()[:_TAG_BYTES]
    return handles.of(own) + base64.b32encode(digest).decode().lower()


def subscription_by_id(app_id: UUID, identifier: str) -> Held:
    """The subscription of an id. Raises Refusal."""
    handles = services().handles
    with reading("devices") as connection:
        row = devices.device_by_handle(connection, app_id, handles, identifier[:HANDLE_LENGTH])
    if row is not None and row.retired is None:
        for tag in row.tags:
            if tag != SILENCED and subscription_id(handles, row.device_id, tag) == identifier:
                return row, tag
    raise Refusal(NO_SUBSCRIPTION, "subscriptionId")


def of_row(application_id: str, row: Device, tag: str) -> Shown:
    """A subscription, of strings alone."""
    own = device_id(row.external_id, row.device_id)
    return _subscription(application_id, row.device_id, own, row.user_name or ANONYMOUS, tag)


def of_state(application_id: str, loaded: Loaded[DeviceState], tag: str) -> Shown:
    """A subscription as the record has it, for whoever has just made it."""
    assert loaded.state is not None
    own, user = device_id(loaded.state.external_id, loaded.stream_id), named(loaded.state.user)
    return _subscription(application_id, loaded.stream_id, own, user, tag)


def outcome(unknown: Sequence[str], existing: Sequence[Shown], made: Sequence[Shown]) -> dict[str, Any]:
    """What came of a list of tags: those that are none, those that were held already, and those that changed."""
    message = said(NOT_FOUND, "tags", "tagNames") if unknown else ""
    return {
        "tagsNotFound": {"tags": list(unknown), "message": message, "code": NOT_FOUND if unknown else ""},
        "subscriptionExists": list(existing),
        "subscribed": list(made),
    }


def _subscription(application_id: str, own: UUID, shown_id: str, user: str, tag: str) -> Shown:
    return {
        "deviceId": shown_id,
        "tagName": tag,
        "subscriptionId": subscription_id(services().handles, own, tag),
        "userId": user,
        "href": href(application_id, "subscriptions", deviceId=shown_id, tagName=tag),
    }
