"""What is appended together: one command's events and all that must commit with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
    """A secret for the vault, sealed; None: the one of this id is destroyed."""

    secret_id: UUID
    app_id: UUID
    kind: str
    sealed: bytes | None


@dataclass(frozen=True, slots=True)
class CommandRecord:
    """That a command was carried out: the same ``key_digest`` in the same ``scope`` is refused afterwards."""

    scope: UUID
    key_digest: bytes
    request_digest: bytes
    answer: bytes


@dataclass(frozen=True, slots=True)
class Unit:
    """Appended whole or not at all.

    ``unchanged``: streams it appends nothing to, and the version each must stand at still. ``erasures``: the record's
    count of erasures when the keys that sealed the events were looked up; None where nothing is sealed. Raises
    ValueError where the events of a stream do not follow on each other.
    """

    events: Sequence[StoredEvent]
    claims: Sequence[Claim] = ()
    keys: Sequence[NewKey] = ()
    secrets: Sequence[Secret] = ()
    command: CommandRecord | None = None
    erasures: int | None = None
    unchanged: Mapping[UUID, int] = field(default_factory=dict)
    streams: Mapping[UUID, int] = field(init=False)
    """The streams it appends to or relies on, and for each the first version it brings or leaves free."""

    def __post_init__(self) -> None:
        relied_on = {stream: version + 1 for stream, version in self.unchanged.items()}
        object.__setattr__(self, "streams", relied_on | _first_versions(self.events))


def _first_versions(events: Sequence[StoredEvent]) -> dict[UUID, int]:
    first: dict[UUID, int] = {}
    last: dict[UUID, int] = {}
    for event in events:
        stream, version = event.originator_id, event.originator_version
        before = last.get(stream)
        if before is None:
            first[stream] = version
        elif before != version - 1:
            raise ValueError(f"the events of stream {stream} do not follow on each other: {before}, {version}")
        last[stream] = version
    return first


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
    """Somebody made a key of one of the data subjects meanwhile, or ``erased`` somebody: encode again."""

    erased: bool = False


@dataclass
class Repeated(Refused):
    """The command was carried out before: its answer is in the record."""

    scope: UUID = field(default_factory=lambda: UUID(int=0))
    key_digest: bytes = b""
