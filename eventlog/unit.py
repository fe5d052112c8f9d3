"""What is appended together: one command's events and all that must commit with them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from tocsin.eventlog.keyring import NewKey
from tocsin.eventlog.stored import StoredEvent


@dataclass(frozen=True, slots=True)
class Claim:
    """``stream_id`` takes what ``kind`` and ``digest`` name in an app; None: ``moved_from`` lets go of it.

    A claim that another stream holds is refused, unless that stream is ``moved_from``.
    """

    app_id: UUID
    kind: str
    digest: bytes
    stream_id: UUID | None
    moved_from: UUID | None = None


@dataclass(frozen=True, slots=True)
class Secret:
    """A secret for the vault, sealed."""

    secret_id: UUID
    app_id: UUID
    kind: str
    sealed: bytes


@dataclass(frozen=True, slots=True)
class CommandRecord:
    """That a command was carried out: the same ``key_digest`` in the same ``scope`` is refused afterwards."""

    scope: UUID
    key_digest: bytes
    request_digest: bytes
    answer: bytes


@dataclass(frozen=True, slots=True)
class Unit:
    """Appended whole or not at all."""

    events: Sequence[StoredEvent]
    claims: Sequence[Claim] = ()
    keys: Sequence[NewKey] = ()
    secrets: Sequence[Secret] = ()
    command: CommandRecord | None = None


@dataclass(frozen=True, slots=True)
class Appended:
    """Where a unit's events stand: positions ``first`` to ``last``, both included (last < first: it had none)."""

    first: int
    last: int
    recorded_at: datetime


class Refused(Exception):
    """A unit that was not appended; nothing of it was kept."""


@dataclass
class VersionConflict(Refused):
    """Somebody appended to the stream since it was loaded: load it again and decide anew."""

    stream_id: UUID


@dataclass
class ClaimRefused(Refused):
    """``owner`` holds the claim; None where a claim to be moved was nobody's any more."""

    kind: str
    owner: UUID | None


@dataclass
class KeyConflict(Refused):
    """Somebody made this subject's key meanwhile: encode again."""

    subject: UUID


@dataclass
class Repeated(Refused):
    """The command was carried out before: its answer is in the record."""

    scope: UUID = field(default_factory=lambda: UUID(int=0))
    key_digest: bytes = b""
