"""What the record is made of: a fact, the stream it belongs to, and who did it, from where, in answer to what."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar
from uuid import UUID

import msgspec


class Fact(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Something that happened, in the past tense, without who and when. Each class has one name in the catalog."""


class Actor(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Who caused an event.

    ``principal``: the caller as the system knows it (``credential:<id>``, ``user:<id>``, ``system:planner``).
    ``dialect``: the API spoken (``native``, ``moxie``, …), or ``system``. ``address``: the caller's IP address, and
    ``proxies`` the trusted proxies it came through, nearest last.
    """

    principal: str
    dialect: str = "native"
    credential: str | None = None
    address: str | None = None
    proxies: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.principal:
            raise ValueError("an actor has a principal")


def system(part: str) -> Actor:
    """The actor of what the engine does by itself, such as ``system("planner")``."""
    return Actor(principal=f"system:{part}", dialect="system")


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One event: a fact in its envelope.

    ``originator_id`` and ``originator_version`` are the stream and the place in it (from 1), by the names the
    eventsourcing package looks for. ``root_id`` is the stream this one belongs under: a chunk's send, a receipt's
    send, otherwise the stream itself. ``position`` and ``recorded_at`` are the record's to give: 0 and None before.
    """

    originator_id: UUID
    originator_version: int
    app_id: UUID
    root_id: UUID
    fact: Fact
    actor: Actor
    command_id: UUID
    correlation_id: UUID
    causation_id: UUID | None = None
    position: int = 0
    recorded_at: datetime | None = None

    NO_APP: ClassVar[UUID] = UUID(int=0)

    def __post_init__(self) -> None:
        if not isinstance(self.actor, Actor):
            raise TypeError("an event has an actor")
        if self.originator_version < 1:
            raise ValueError("the versions of a stream start at 1")

    @property
    def stream_id(self) -> UUID:
        """The stream this event belongs to."""
        return self.originator_id
