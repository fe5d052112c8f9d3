"""What TwinPush answers with: devices, notifications, deliveries, and pages of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar
from uuid import UUID

import msgspec

from tocsin.api.dialects.twinpush import contents, errors
from tocsin.api.dialects.twinpush.errors import Refusal
from tocsin.api.dialects.twinpush.schemas import Paging
from tocsin.api.dialects.twinpush.translation import ATTRIBUTES, speed_of
from tocsin.api.services import services
from tocsin.commands.engine import Loaded
from tocsin.commands.sends import SendResult, load_send
from tocsin.domain import device as device_rules
from tocsin.domain.events.send import SendRequested
from tocsin.domain.message import Message
from tocsin.domain.personal import Personal
from tocsin.domain.recipient_messages import PersonalMessages
from tocsin.projections.deliveries import Delivery
from tocsin.projections.devices import ACTIVE, Device
from tocsin.projections.inbox import InboxItem
from tocsin.projections.pages import Slice
from tocsin.projections.sends_rows import SendRow
from tocsin.projections.usage import Usage

T = TypeVar("T")


def objects(*shown: Mapping[str, Any]) -> dict[str, Any]:
    """Objects in their envelope."""
    return {"objects": list(shown), "references": []}


def single(shown: Mapping[str, Any]) -> dict[str, Any]:
    """One object as both SDKs read it: Apple's takes it bare, Android's out of the envelope."""
    return {**shown, **objects(shown)}


def page(found: Slice[T], paging: Paging, present: Callable[[Sequence[T]], Iterable[dict[str, Any]]]) -> dict[str, Any]:
    """Objects in a page's envelope. Raises Refusal for a page after the last."""
    if not found.items and paging.page > 1:
        raise Refusal(errors.NOT_FOUND)
    return {
        "offset": paging.offset,
        "total_pages": max(-(-found.total // paging.per_page), 1),
        "total_entries": found.total,
        "per_page": paging.per_page,
        "current_page": paging.page,
        **objects(*present(found.items)),
    }


def device(row: Device, used: Usage | None) -> dict[str, Any]:
    """A device, as the read models have it. Whatever it reports of its use changes ``updated_at``."""
    return _device(
        row.device_id,
        row.app_id,
        platform=row.platform,
        push_token=row.token,
        alias_device=row.alias,
        attributes=row.attributes,
        created_at=row.created_at,
        updated_at=_latest(row.updated_at, used.reported_at if used else None),
        last_registered_at=_latest(row.registered_at, used.registered_at if used else None),
    )


def whole_device(row: Device, used: Usage | None) -> dict[str, Any]:
    """A device with what is only shown of one alone."""
    return {
        **device(row, used),
        "active": row.state == ACTIVE,
        "registration_updated_at": device_date(row.registered_at),
        "custom_properties": row.properties or {},
    }


def registered_device(app_id: UUID, loaded: Loaded[device_rules.Device], now: datetime) -> dict[str, Any]:
    """A device that just registered, from the record itself: no read model may have come so far."""
    state, first, last = loaded.state, loaded.entries[0], loaded.entries[-1]
    assert state is not None
    assert first.recorded_at is not None
    assert last.recorded_at is not None
    return _device(
        loaded.stream_id,
        app_id,
        platform=state.platform,
        push_token=_clear(state.token),
        alias_device=_clear(state.alias),
        attributes=state.attributes,
        created_at=first.recorded_at,
        updated_at=_latest(last.recorded_at, now),
        last_registered_at=_latest(last.recorded_at, now),
    )


def _device(device_id: UUID, app_id: UUID, *, attributes: Mapping[str, Any], **members: Any) -> dict[str, Any]:
    handles = services().handles
    dates = {name: device_date(value) for name, value in members.items() if isinstance(value, datetime)}
    return {
        "id": handles.of(device_id),
        "app_id": handles.of(app_id),
        "type": "Device",
        **members,
        **{name: attributes.get(name) for name in ATTRIBUTES},
        **dates,
    }


def created(result: SendResult, now: datetime) -> dict[str, Any]:
    """A notification that was just created, to whom created it. ``now``: when it was asked for."""
    request = result.send.request
    return _notification(
        result.send_id,
        request,
        request.message,
        send_since=request.not_before or now,
        last_sent_at=None if result.send.scheduled_at is not None else now,
        created_at=now,
        updated_at=now,
    )


def notification(row: SendRow, recipient: Device | None = None) -> dict[str, Any]:
    """A notification, as a recipient was told it; None: somebody who is not one, who sees no protected text."""
    shown = _notification(
        row.send_id,
        row,
        _message(row, recipient),
        send_since=row.not_before or row.requested_at,
        last_sent_at=row.started_at,
        created_at=row.requested_at,
        updated_at=_latest(row.requested_at, row.started_at, row.frozen_at, row.completed_at, row.stopped_at),
    )
    return {**shown, "alert": None, "title": None} if row.protected and recipient is None else shown


def _notification(
    send_id: UUID, said: SendRow | SendRequested, message: Message, **dates: datetime | None
) -> dict[str, Any]:
    return {
        "id": services().handles.of(send_id),
        "type": "Notification",
        **contents.shown(message),
        "delivery_speed": speed_of(said.pace),
        "name": said.name,
        "group_name": said.campaign,
        "protected_content": said.protected,
        "inbox": said.inbox,
        "tags": list(said.labels),
        **{name: _optional(moment) for name, moment in dates.items()},
    }


def _message(row: SendRow, recipient: Device | None) -> Message:
    """What a recipient was told; where each is told something else, the record alone knows."""
    if recipient is None or not row.personal:
        return msgspec.convert(row.message, Message)
    state = load_send(services().engine, row.app_id, row.send_id).state
    assert state is not None
    messages = PersonalMessages(state.request)
    return messages.message(recipient.device_id, recipient.user_name, recipient.alias)


def inbox_item(item: InboxItem, recipient: Device) -> dict[str, Any]:
    """A notification in an inbox, and what became of it there."""
    row = item.send
    return {
        "id": str(item.number),
        "type": "Delivery",
        "created_at": date(row.started_at or row.requested_at),
        "received_at": _optional(item.received_at or item.opened_at),
        "open_at": _optional(item.opened_at),
        "notification": notification(row, recipient),
    }


def delivery(one: Delivery, recipient: dict[str, Any] | None) -> dict[str, Any]:
    """What became of a notification at one device."""
    return {
        "id": one.number,
        "type": "Delivery",
        "created_at": date(one.sent_at or one.updated_at),
        "received_at": _optional(one.received_at or one.opened_at),
        "open_at": _optional(one.opened_at),
        "device": recipient,
    }


def date(moment: datetime) -> str:
    """A time as notifications have it. Android's SDK reads no other."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def device_date(moment: datetime) -> str:
    """A time as devices have it."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} +0000"


def _optional(moment: datetime | None) -> str | None:
    return None if moment is None else date(moment)


def _latest(first: datetime, *further: datetime | None) -> datetime:
    return max(first, *(moment for moment in further if moment is not None)) if any(further) else first


def _clear(value: Personal | None) -> Any:
    return None if value is None or value.erased else value.value
