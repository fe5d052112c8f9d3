"""What webhooks are told: which events of the record one wants, and what is said of each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from tocsin.domain.catalog import NAMES
from tocsin.domain.delivery import DELIVERY_NAMES, UNROLLED, DeliveryFact, unroll
from tocsin.domain.entry import Entry
from tocsin.domain.events.chunk import ChunkPlanned
from tocsin.domain.personal import Personal
from tocsin.domain.webhooks import is_meant
from tocsin.eventlog.record import Record
from tocsin.eventlog.stored import StoredEvent
from tocsin.eventlog.webhook_calls import Call
from tocsin.projections.apps_rows import Webhook

_UNROLLED_NAMES = frozenset(NAMES[fact][0] for fact in UNROLLED)


@dataclass(frozen=True, slots=True)
class News:
    """One event to tell of. ``name``: the event's own, or ``delivery.…`` where ``deliveries`` are the devices of one
    chunk of which it says that."""

    name: str
    entry: Entry
    deliveries: tuple[DeliveryFact, ...] = ()


Renderer = Callable[[News, Webhook, Record], Sequence[bytes]]
"""The bodies in which one API tells of an event, each sent by itself; none: there is nothing to tell. The record, and
the read models beside it, are there for what else is to be said."""


def calls_of(event: StoredEvent, webhooks: Iterable[Webhook], decode: Callable[[StoredEvent], Entry]) -> list[Call]:
    """The calls an event brings about, of ``webhooks`` that are its app's and older than it."""
    listening = [webhook for webhook in webhooks if webhook.created_position < event.position]
    if event.topic not in _UNROLLED_NAMES:
        names: Sequence[tuple[int, str]] = [(0, event.topic)]
    elif any(is_meant(name, webhook.events) for webhook in listening for name in DELIVERY_NAMES):
        names = _outcomes(decode(event))
    else:
        return []
    return [
        Call(webhook.webhook_id, event.position, part, event.app_id, name)
        for webhook in listening
        for part, name in names
        if is_meant(name, webhook.events)
    ]


def _outcomes(entry: Entry) -> list[tuple[int, str]]:
    """The names of deliveries an event of a chunk unrolls to, numbered for ever by their place in the list of all."""
    found = {fact.name for fact in unroll(entry, _Nameless())}
    return [(part, name) for part, name in enumerate(DELIVERY_NAMES) if name in found]


class _Devices(tuple[Any, ...]):
    """Whatever device is asked for."""

    def __getitem__(self, index: Any) -> Any:
        return Entry.NO_APP


class _Nameless:
    """A chunk whose devices are of no interest."""

    send_id = Entry.NO_APP
    provider = ""
    devices = _Devices()


def news(record: Record, call: Call) -> News:
    """What a call is to tell, read from the record."""
    stored = record.read(call.position - 1, 1)
    entry = record.codec.decode(stored)[0]
    if not isinstance(entry.fact, UNROLLED):
        return News(call.name, entry)
    plan = record.load(entry.originator_id, upto=1)[0].fact
    assert isinstance(plan, ChunkPlanned)
    return News(call.name, entry, tuple(fact for fact in unroll(entry, plan) if fact.name == call.name))


def native(news: News, _: Webhook, __: Record) -> Sequence[bytes]:
    """An event as the Standard Webhooks specification lays it out: ``type``, ``timestamp`` and ``data``.

    What ``data`` says of the event itself has the names that it has in the feed, so that one can be found in the other.
    """
    entry = news.entry
    data: dict[str, Any] = {
        "app": entry.app_id,
        "root": entry.root_id,
        "stream": entry.originator_id,
        "streamversion": entry.originator_version,
        "position": entry.position,
        "actor": msgspec.structs.asdict(entry.actor),
        "command": entry.command_id,
        "correlation": entry.correlation_id,
        "causation": entry.causation_id,
    }
    if news.deliveries:
        data["deliveries"] = news.deliveries
    else:
        data["event"] = entry.fact
    body = {"type": news.name, "timestamp": entry.recorded_at, "data": data}
    return [msgspec.json.encode(body, enc_hook=_clear)]


def _clear(value: Any) -> Any:
    if isinstance(value, Personal):
        return value.value
    raise TypeError(f"{type(value).__name__} cannot be told")


NATIVE: Mapping[str, Renderer] = {"native": native}
