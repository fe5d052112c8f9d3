"""Between an Entry and the bytes the record keeps: stable names, upcasting, and personal data as ciphertext.

The body is JSON in a fixed order of keys. A personal value stands in it as ``{"kid", "ciphertext"}``, sealed under the
data subject's key with the stream's id and version and its own path in the fact as associated data, so that it opens
nowhere else, another field of the same event included.
"""

from __future__ import annotations

import base64
import re
import threading
from binascii import a2b_base64
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cache
from typing import Any, Generic, TypeVar, get_args
from uuid import UUID

import msgspec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tocsin.domain.catalog import CATALOG, NAMES, UPCASTS
from tocsin.domain.described import described
from tocsin.domain.entry import Actor, Entry, Fact
from tocsin.domain.personal import Personal, erased
from tocsin.eventlog.keyring import KeyRing, ReadingKey, SubjectKey, WritingKeys
from tocsin.eventlog.keys import decrypt, encrypt, nonces
from tocsin.eventlog.stored import StoredEvent

F = TypeVar("F")
# The values clients choose may look the same: whatever this finds is a key only if the key ring knows it.
_KID = re.compile(rb'"kid":"([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}(?:\.[1-9][0-9]{0,8})?)","ciphertext":"')


@described
class _Sealed(msgspec.Struct, frozen=True):
    kid: str
    ciphertext: bytes


class _Body(msgspec.Struct, Generic[F], frozen=True, omit_defaults=True):
    fact: F
    actor: Actor
    command_id: UUID
    correlation_id: UUID
    causation_id: UUID | None = None


@cache
def _body_of(fact: type[Fact]) -> type[_Body[Fact]]:
    return described(_Body[fact])  # type: ignore[valid-type]


for _fact, _ in CATALOG.values():
    _body_of(_fact)


class UnknownEvent(Exception):
    """The record holds an event this version of Tocsin does not know: a newer one wrote it. Upgrade this process."""


class _Reading(threading.local):
    """What the decoding hook needs to know of the event being decoded, one for each thread."""

    keys: Mapping[str, ReadingKey] = {}

    def __init__(self) -> None:
        self.decoders: dict[str, msgspec.json.Decoder[Any]] = {}


_VERSION, _MADE = 6, 7
"""Which byte of a UUID begins with its version, and the version of those that are made for a new stream."""

NOTHING_MOVED: Mapping[bytes, bytes] = {}


def _place(event: Entry | StoredEvent) -> bytes:
    """The start of the associated data of everything in an event; the path follows."""
    return event.originator_id.bytes + event.originator_version.to_bytes(4, "big")


class Codec:
    """Encodes and decodes entries. Threads share one."""

    def __init__(self, keyring: KeyRing) -> None:
        self._keyring = keyring
        self._reading = _Reading()

    def encode(self, entries: Sequence[Entry], *, careful: bool = False) -> tuple[list[StoredEvent], WritingKeys]:
        """The stored form of ``entries``, and the keys they were sealed with, which hold only as the append checks.

        ``careful``: keys are looked up of those too who cannot have one yet.
        """
        found = [_personal(entry.fact) for entry in entries]
        subjects = {value.subject for each in found for _, value in each}
        keys = self._keyring.for_writing(subjects, () if careful else subjects & _born(entries))
        writer = _Writer(keys.by_subject, nonces(sum(map(len, found))))
        return [writer.encode(entry, personal) for entry, personal in zip(entries, found, strict=True)], keys

    def decode(self, events: Sequence[StoredEvent]) -> list[Entry]:
        """The entries of stored events, in order. Erased values read as tombstones.

        Raises UnknownEvent, WrongKey where a ciphertext was altered or moved from another event or field, and
        LookupError where a key is neither there nor destroyed.
        """
        kids = {kid.decode() for event in events for kid in _KID.findall(event.state)}
        self._reading.keys = self._keyring.for_reading(kids)
        return [self._decode(event) for event in events]

    def _decode(self, event: StoredEvent) -> Entry:
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
            body: _Body[Fact] = decoder.decode(event.state)
            _open(body.fact, _place(event))
            return body
        raw = msgspec.json.decode(event.state)
        places = {ciphertext: path for path, ciphertext in _sealed_in(raw["fact"])}
        for older in range(version, known[1]):
            raw["fact"] = UPCASTS[name, older](raw["fact"])
        body = msgspec.convert(raw, decoder.type, dec_hook=self._take, builtin_types=(bytes,), str_keys=True)
        _open(body.fact, _place(event), places)
        return body

    def _decoder(self, name: str) -> msgspec.json.Decoder[Any]:
        decoder = self._reading.decoders.get(name)
        if decoder is None:
            decoder = msgspec.json.Decoder(_body_of(CATALOG[name][0]), dec_hook=self._take)
            self._reading.decoders[name] = decoder
        return decoder

    def _take(self, kind: type, raw: Any) -> Personal:
        """A personal value that is not opened yet, as it is not known here where it stands."""
        if kind is not Personal:
            raise TypeError(f"no codec for {kind.__name__}")
        kid = raw["kid"]
        key = self._reading.keys.get(kid)
        if key is None:
            raise LookupError(
                f"the record names a data key that is not in this database ({kid}): "
                "restore record.subject_keys from the same backup as record.events"
            )
        if key.key is None:
            return erased(key.subject)
        return Personal(key.subject, (key.key, a2b_base64(raw["ciphertext"])))


def _born(entries: Iterable[Entry]) -> set[UUID]:
    """The streams that begin here under an id made for them: of those nothing was said before."""
    return {
        entry.originator_id
        for entry in entries
        if entry.originator_version == 1 and entry.originator_id.bytes[_VERSION] >> 4 == _MADE
    }


def _open(fact: msgspec.Struct, place: bytes, moved: Mapping[bytes, bytes] = NOTHING_MOVED) -> None:
    """Open every personal value of a fact. ``moved``: where a ciphertext stood when it was sealed, if elsewhere."""
    for path, value in _personal(fact):
        if not value.erased:
            key, ciphertext = value.value
            # Made for the one value: a cipher kept with each key takes 2.4 kB, and longer to fetch than to make anew.
            clear = decrypt(AESGCM(key), ciphertext, place + (moved.get(ciphertext, path) if moved else path))
            value.value = msgspec.json.decode(clear)


def _sealed_in(raw: Any, path: str = "") -> Iterator[tuple[bytes, bytes]]:
    """The ciphertexts in a fact's JSON, with the path of each. What clients choose may look the same."""
    if isinstance(raw, dict):
        if raw.keys() == {"kid", "ciphertext"} and isinstance(raw["ciphertext"], str):
            with suppress(ValueError):
                yield path.encode(), base64.b64decode(raw["ciphertext"])
        for name, inner in raw.items():
            yield from _sealed_in(inner, f"{path}/{name}")
    elif isinstance(raw, list):
        for index, inner in enumerate(raw):
            yield from _sealed_in(inner, f"{path}/{index}")


class _Writer:
    def __init__(self, keys: Mapping[UUID, SubjectKey], nonces: Iterator[bytes]) -> None:
        self._keys = keys
        self._nonces = nonces
        self._place = b""
        self._personal: Iterator[tuple[bytes, Personal]] = iter(())
        self._encoder = msgspec.json.Encoder(enc_hook=self._seal, order="deterministic")

    def encode(self, entry: Entry, personal: Iterable[tuple[bytes, Personal]]) -> StoredEvent:
        name, version = NAMES[type(entry.fact)]
        self._place, self._personal = _place(entry), iter(personal)
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
        path, expected = next(self._personal)
        if expected is not value:
            raise ValueError(f"a personal value is not where it is looked for, at {path.decode()}")
        key = self._keys[value.subject]
        clear, place = msgspec.json.encode(value.value), self._place + path
        return _Sealed(key.kid, encrypt(AESGCM(key.key), clear, place, next(self._nonces)))


def _personal(struct: msgspec.Struct, path: bytes = b"") -> list[tuple[bytes, Personal]]:
    """The personal values of a fact in the order they are encoded in, with the path of each (RFC 6901)."""
    found: list[tuple[bytes, Personal]] = []
    for field, step in _personal_fields(type(struct)):
        held = getattr(struct, field)
        if type(held) is Personal:
            found.append((path + step, held))
        elif isinstance(held, tuple):
            for index, value in enumerate(held):
                found += _personal_at(value, b"%b/%d" % (path + step, index))
        elif held is not None:
            found += _personal_at(held, path + step)
    return found


def _personal_at(value: Any, path: bytes) -> list[tuple[bytes, Personal]]:
    if isinstance(value, Personal):
        return [(path, value)]
    return _personal(value, path) if isinstance(value, msgspec.Struct) else []


@cache
def _personal_fields(struct: type[msgspec.Struct]) -> tuple[tuple[str, bytes], ...]:
    """The fields of a struct whose type can hold a personal value, with their step in a path: a chunk's thousand
    outcomes need no look."""
    fields = msgspec.structs.fields(struct)
    return tuple((field.name, b"/" + field.name.encode()) for field in fields if _can_hold_personal(field.type))


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
