"""Between an Entry and the bytes the record keeps: stable names, upcasting, and personal data as ciphertext.

The body is JSON in a fixed order of keys. A personal value stands in it as ``{"kid", "ciphertext"}``, sealed under the
data subject's key with the stream's id and version as associated data, so that it opens nowhere else.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any, Generic, TypeVar, get_args
from uuid import UUID

import msgspec

from tocsin.domain.catalog import CATALOG, NAMES, UPCASTS
from tocsin.domain.entry import Actor, Entry, Fact
from tocsin.domain.personal import Personal, erased
from tocsin.eventlog.keyring import KeyRing, ReadingKey, SubjectKey, WritingKeys
from tocsin.eventlog.keys import decrypt, encrypt
from tocsin.eventlog.stored import StoredEvent

F = TypeVar("F")
# The values clients choose may look the same: whatever this finds is a key only if the key ring knows it.
_KID = re.compile(rb'"kid":"([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}(?:\.[1-9][0-9]{0,8})?)","ciphertext":"')


class _Sealed(msgspec.Struct, frozen=True):
    kid: str
    ciphertext: bytes


class _Body(msgspec.Struct, Generic[F], frozen=True, omit_defaults=True):
    fact: F
    actor: Actor
    command_id: UUID
    correlation_id: UUID
    causation_id: UUID | None = None


class UnknownEvent(Exception):
    """The record holds an event this version of Tocsin does not know: a newer one wrote it. Upgrade this process."""


class _Reading(threading.local):
    """What the decoding hook needs to know of the event being decoded, one for each thread."""

    associated: bytes = b""
    keys: Mapping[str, ReadingKey] = {}

    def __init__(self) -> None:
        self.decoders: dict[str, msgspec.json.Decoder[Any]] = {}


def _associated(stream_id: UUID, version: int) -> bytes:
    return stream_id.bytes + version.to_bytes(4, "big")


class Codec:
    """Encodes and decodes entries. Threads share one."""

    def __init__(self, keyring: KeyRing) -> None:
        self._keyring = keyring
        self._reading = _Reading()

    def encode(self, entries: Sequence[Entry]) -> tuple[list[StoredEvent], WritingKeys]:
        """The stored form of ``entries``, and the keys they were sealed with, which hold only as the append checks."""
        keys = self._keyring.for_writing(_subjects(entries))
        writer = _Writer(keys.by_subject)
        return [writer.encode(entry) for entry in entries], keys

    def decode(self, events: Sequence[StoredEvent]) -> list[Entry]:
        """The entries of stored events, in order. Erased values read as tombstones.

        Raises UnknownEvent, WrongKey where a ciphertext was altered or moved from another event, and LookupError where
        a key is neither there nor destroyed.
        """
        kids = {kid.decode() for event in events for kid in _KID.findall(event.state)}
        self._reading.keys = self._keyring.for_reading(kids)
        return [self._decode(event) for event in events]

    def _decode(self, event: StoredEvent) -> Entry:
        self._reading.associated = _associated(event.originator_id, event.originator_version)
        body = self._body(event)
        return Entry(
            originator_id=event.originator_id,
            originator_version=event.originator_version,
            app_id=event.app_id,
            root_id=event.root_id,
            fact=body.fact,
            actor=body.actor,
            command_id=body.command_id,
            correlation_id=body.correlation_id,
            causation_id=body.causation_id,
            position=event.id,
            recorded_at=event.recorded_at,
        )

    def _body(self, event: StoredEvent) -> _Body[Fact]:
        name, version = event.topic, event.schema_version
        known = CATALOG.get(name)
        if known is None or version > known[1]:
            raise UnknownEvent(f"event {event.id} is {name} v{version}, which this version of Tocsin cannot read")
        decoder = self._decoder(name)
        if version == known[1]:
            return decoder.decode(event.state)  # type: ignore[no-any-return]
        raw = msgspec.json.decode(event.state)
        for older in range(version, known[1]):
            raw["fact"] = UPCASTS[name, older](raw["fact"])
        return msgspec.convert(raw, decoder.type, dec_hook=self._open, builtin_types=(bytes,), str_keys=True)  # type: ignore[no-any-return]

    def _decoder(self, name: str) -> msgspec.json.Decoder[Any]:
        decoder = self._reading.decoders.get(name)
        if decoder is None:
            decoder = msgspec.json.Decoder(_Body[CATALOG[name][0]], dec_hook=self._open)  # type: ignore[misc]
            self._reading.decoders[name] = decoder
        return decoder

    def _open(self, kind: type, raw: Any) -> Personal:
        if kind is not Personal:
            raise TypeError(f"no codec for {kind.__name__}")
        sealed = msgspec.convert(raw, _Sealed)
        key = self._reading.keys.get(sealed.kid)
        if key is None:
            raise LookupError(
                f"the record names a data key that is not in this database ({sealed.kid}): "
                "restore record.subject_keys from the same backup as record.events"
            )
        if key.cipher is None:
            return erased(key.subject)
        return Personal(
            key.subject, msgspec.json.decode(decrypt(key.cipher, sealed.ciphertext, self._reading.associated))
        )


class _Writer:
    def __init__(self, keys: Mapping[UUID, SubjectKey]) -> None:
        self._keys = keys
        self._associated = b""
        self._encoder = msgspec.json.Encoder(enc_hook=self._seal, order="deterministic")

    def encode(self, entry: Entry) -> StoredEvent:
        name, version = NAMES[type(entry.fact)]
        self._associated = _associated(entry.originator_id, entry.originator_version)
        body = _Body(entry.fact, entry.actor, entry.command_id, entry.correlation_id, entry.causation_id)
        return StoredEvent(
            originator_id=entry.originator_id,
            originator_version=entry.originator_version,
            topic=name,
            state=self._encoder.encode(body),
            id=0,
            schema_version=version,
            app_id=entry.app_id,
            root_id=entry.root_id,
            recorded_at=entry.recorded_at,  # type: ignore[arg-type]
        )

    def _seal(self, value: Any) -> _Sealed:
        if not isinstance(value, Personal):
            raise TypeError(f"{type(value).__name__} cannot be recorded")
        if value.erased:
            raise ValueError("an erased value cannot be recorded again")
        key = self._keys[value.subject]
        return _Sealed(key.kid, encrypt(key.cipher, msgspec.json.encode(value.value), self._associated))


def _subjects(entries: Sequence[Entry]) -> set[UUID]:
    found: set[UUID] = set()
    for entry in entries:
        _collect(entry.fact, found)
    return found


def _collect(struct: msgspec.Struct, found: set[UUID]) -> None:
    for field in _personal_fields(type(struct)):
        held = getattr(struct, field)
        for value in held if isinstance(held, tuple) else (held,):
            if isinstance(value, Personal):
                found.add(value.subject)
            elif isinstance(value, msgspec.Struct):
                _collect(value, found)


@cache
def _personal_fields(struct: type[msgspec.Struct]) -> tuple[str, ...]:
    """The fields of a struct whose type can hold a personal value: a chunk's thousand outcomes need no look."""
    return tuple(field.name for field in msgspec.structs.fields(struct) if _can_hold_personal(field.type))


def _can_hold_personal(kind: Any) -> bool:
    if kind is Personal:
        return True
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return bool(_personal_fields(kind))
    return any(_can_hold_personal(part) for part in get_args(kind))


def subjects_of(events: Iterable[StoredEvent]) -> set[UUID]:
    """The data subjects whose ciphertext stands in these events, read without opening anything."""
    kids = (kid.decode() for event in events for kid in _KID.findall(event.state))
    return {UUID(kid.partition(".")[0]) for kid in kids}
