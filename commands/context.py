"""Who asks for a command, in answer to what, and under which idempotency key."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from tocsin.commands.ids import new_id
from tocsin.domain.entry import Actor


@dataclass(frozen=True, slots=True)
class Once:
    """An idempotency key: within ``scope`` (the caller's credential) ``key`` is carried out once.

    ``request``: digest of what was asked, so that the key with another request is refused. ``answer``: renders what the
    command will answer, from the handler's result, before anything is appended; it is kept for 30 days, sealed under
    ``key``, and must hold no secret.
    """

    scope: UUID
    key: str
    request: bytes
    answer: Callable[[Any], bytes]

    @property
    def key_digest(self) -> bytes:
        """What the record keeps of the key."""
        return hashlib.sha256(self.key.encode()).digest()


@dataclass(frozen=True, slots=True)
class Context:
    """What every event of a command carries. ``correlation_id`` groups all that one request set off."""

    actor: Actor
    command_id: UUID = field(default_factory=new_id)
    correlation_id: UUID = field(default_factory=new_id)
    causation_id: UUID | None = None
    once: Once | None = None
