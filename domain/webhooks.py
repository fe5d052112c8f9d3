"""What webhooks may ask to be told of, and where they may be."""

from __future__ import annotations

from collections.abc import Iterable

from tocsin.domain.catalog import CATALOG
from tocsin.domain.delivery import DELIVERY_NAMES, UNROLLED
from tocsin.domain.errors import Invalid
from tocsin.domain.rules import text, web_address

MAX_EVENTS = 100
MAX_EVENT = 64

TOLD = (*(name for name, (fact, _) in CATALOG.items() if fact not in UNROLLED), *DELIVERY_NAMES)
"""The name of every event a webhook can be told of: what a chunk's event says of single devices has its own names."""


def is_meant(name: str, patterns: Iterable[str]) -> bool:
    """Whether one of ``patterns`` is this event's name, or ends with a ``*`` and is what it begins with."""
    return any(name == one or (one.endswith("*") and name.startswith(one[:-1])) for one in patterns)


def hook_events(patterns: tuple[str, ...]) -> tuple[str, ...]:
    """``patterns`` without repetitions. Errors: Invalid where there are none, or one that no event ever has."""
    if not 0 < len(patterns) <= MAX_EVENTS:
        raise Invalid(f"a webhook names 1 to {MAX_EVENTS} events", field="events")
    for pattern in patterns:
        text(pattern, "events", MAX_EVENT)
        if not any(is_meant(name, [pattern]) for name in TOLD):
            raise Invalid(f"no event is named {pattern}", field="events", event=pattern)
    return tuple(dict.fromkeys(patterns))


def hook_types(types: tuple[str, ...]) -> tuple[str, ...]:
    """``types`` without repetitions. Errors: Invalid."""
    if len(types) > MAX_EVENTS:
        raise Invalid(f"a webhook has at most {MAX_EVENTS} types", field="types")
    return tuple(dict.fromkeys(text(one, "types", MAX_EVENT) for one in types))


def hook_url(url: str) -> str:
    """``url`` where a webhook may be there. Errors: Invalid."""
    return web_address(url, "url", ("http", "https"))
