"""Webhooks: the types of events this API knows, and what is sent to a receiver's address of each.

Calls are signed and tried again as the engine's own are; what they say is this API's.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from typing import Any
from uuid import UUID

import msgspec

from tocsin.api.dialects.mobilefirst.applications import known_as
from tocsin.api.dialects.mobilefirst.bodies import Body
from tocsin.api.dialects.mobilefirst.broadcasts import SILENCED
from tocsin.api.dialects.mobilefirst.errors import invalid
from tocsin.api.dialects.mobilefirst.messages import PART
from tocsin.api.dialects.mobilefirst.payloads import ID
from tocsin.api.dialects.mobilefirst.platforms import shown_platform
from tocsin.api.dialects.mobilefirst.representations import device_id, of_record
from tocsin.api.dialects.mobilefirst.subscriptions import subscription_id
from tocsin.commands.engine import Loaded
from tocsin.domain import device as device_rules
from tocsin.domain.device import Device
from tocsin.domain.entry import Entry
from tocsin.domain.events.device import Subscribed, Unsubscribed
from tocsin.domain.events.receipt import ReceiptOpened, ReceiptReceived
from tocsin.domain.events.send import SendRequested
from tocsin.eventlog.record import Record
from tocsin.projections import devices
from tocsin.projections.apps_rows import Webhook
from tocsin.projections.webhook_news import News

STATUS_CHANGE = "onNotificationStatusChange"
FAILURE = "onNotificationFailure"

FAILED = ("delivery.failed", "delivery.expired", "delivery.cancelled", "delivery.suppressed")

TYPES: dict[str, tuple[str, ...]] = {
    "onDeviceRegister": ("device.registered", "device.restored"),
    "onDeviceUpdate": ("device.updated", "device.token_changed"),
    "onDeviceUnregister": ("device.retired",),
    "onSubscribe": ("device.subscribed",),
    "onUnsubscribe": ("device.unsubscribed",),
    STATUS_CHANGE: ("delivery.delivered", *FAILED, "receipt.received", "receipt.opened"),
    FAILURE: FAILED,
}
"""The engine's events that each type is told of."""

STATUSES = {
    "delivery.delivered": "SENT",
    **dict.fromkeys(FAILED, "FAILED"),
    "receipt.received": "SEEN",
    "receipt.opened": "OPEN",
}

ALL = "*"

Entity = dict[str, Any]


def types_of(given: Body) -> tuple[str, ...] | None:
    """The types a body asks for, in one string with commas or in a list; None where it does not say. Raises Refusal."""
    name = "events" if given.get("eventTypes") is None else "eventTypes"
    value = given.get(name)
    if value is None:
        return None
    words = value.split(",") if isinstance(value, str) else value
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise invalid(name)
    found = tuple(dict.fromkeys(word.strip() for word in words if word.strip()))
    if not found or any(word != ALL and word not in TYPES for word in found):
        raise invalid(name)
    return tuple(TYPES) if ALL in found else found


def events_of(types: Collection[str]) -> tuple[str, ...]:
    """The engine's events that these types are told of."""
    return tuple(dict.fromkeys(event for one in types for event in TYPES[one]))


def told(news: News, webhook: Webhook, record: Record) -> Sequence[bytes]:
    """What is sent of one event: a body for each type the receiver asked for, and of a message's outcomes, one for each
    platform and reason."""
    entry = news.entry
    assert entry.recorded_at is not None
    wanted = [one for one in webhook.types if news.name in TYPES.get(one, ())]
    entities = list(_entities(news, record)) if wanted else []
    rest = {
        "applicationId": _application_id(record, entry.app_id),
        "eventTimeStamp": int(entry.recorded_at.timestamp() * 1000),
    }
    return [msgspec.json.encode({"type": one, "entity": entity, **rest}) for one in wanted for entity in entities]


def _entities(news: News, record: Record) -> Iterator[Entity]:
    fact = news.entry.fact
    if news.deliveries:
        yield from _outcomes(news, record)
    elif isinstance(fact, ReceiptReceived | ReceiptOpened):
        ((platform, names),) = _by_platform(record, [fact.device_id]).items()
        yield _status(names, platform, STATUSES[news.name], _message_id(record, fact.send_id))
    elif isinstance(fact, Subscribed | Unsubscribed):
        # What marks a device that has left broadcasts is nobody's business.
        if fact.tag != SILENCED:
            yield _subscription(record, news.entry, fact.tag)
    else:
        yield _device(record, _as_of(record, news.entry))


def _as_of(record: Record, entry: Entry) -> Loaded[Device]:
    """The device as the event left it."""
    entries = record.load(entry.originator_id, upto=entry.originator_version)
    return Loaded(entry.originator_id, device_rules, entries)


def _device(record: Record, loaded: Loaded[Device]) -> Entity:
    phone, first = of_record(loaded), loaded.entries[0]
    return {
        "id": first.position,
        "deviceId": phone.device_id,
        "applicationId": _application_id(record, first.app_id),
        "userId": phone.user,
        "token": phone.token,
        "platform": phone.platform,
    }


def _subscription(record: Record, entry: Entry, tag: str) -> Entity:
    subscriber = _device(record, _as_of(record, entry))
    return {
        "device": subscriber,
        "deviceId": subscriber["deviceId"],
        "tagName": tag,
        "subscriptionId": subscription_id(record.handles, entry.originator_id, tag),
    }


def _outcomes(news: News, record: Record) -> Iterator[Entity]:
    """The outcomes of one chunk that are of one kind, by why."""
    by_reason: dict[str | None, list[UUID]] = defaultdict(list)
    for one in news.deliveries:
        by_reason[(one.reason or one.code) if news.name in FAILED else None].append(one.device_id)
    message_id = _message_id(record, news.deliveries[0].send_id)
    for reason, ids in by_reason.items():
        for platform, names in _by_platform(record, ids).items():
            entity = _status(names, platform, STATUSES[news.name], message_id)
            yield entity if reason is None else {**entity, "failureReason": reason}


def _status(names: Sequence[str], platform: str, status: str, message_id: str) -> Entity:
    return {"deviceIds": names, "platform": platform, "msgStatus": status, "messageId": message_id}


def _message_id(record: Record, send_id: UUID) -> str:
    """The id a message was accepted under: what travels apart of it is told of as the message itself."""
    request = record.load(send_id)[0].fact
    assert isinstance(request, SendRequested)
    return str(request.message.data[ID]) if PART in request.labels else record.handles.of(send_id)


def _by_platform(record: Record, ids: Sequence[UUID]) -> dict[str, list[str]]:
    """The ids by which devices are known here, by platform. A device that is not read yet has its own id, and none."""
    with record.sessions.connection() as connection:
        rows = devices.devices_by_id(connection, ids)
    found: dict[str, list[str]] = defaultdict(list)
    for own in ids:
        row = rows.get(own)
        platform = shown_platform(row.platform) if row else ""
        found[platform].append(device_id(row.external_id if row else None, own))
    return found


def _application_id(record: Record, app_id: UUID) -> str:
    with record.sessions.connection() as connection:
        return known_as(connection, app_id)
