"""The key ring: a data key for every person, and the instance's own digest keys."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import msgspec
from psycopg import Connection
from psycopg_pool import ConnectionPool

from tocsin.eventlog.keys import KEY, DigestKey, MasterKeys, nonces
from tocsin.eventlog.packed import Packed, uuids, uuids_of

CACHE_SECONDS = 60
"""How long an unwrapped key is remembered: the longest a process may still read a person erased elsewhere."""
CACHE_KEYS = 50_000
"""How many are remembered at most: one takes 0.4 kB."""


class _ClearKey(msgspec.Struct, frozen=True):
    """A person's key, ready for use. Logs and tracebacks show whose it is, and never the key."""

    subject: UUID

    def __repr__(self) -> str:
        return f"{type(self).__name__}(subject={self.subject}, key=…)"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [("subject", self.subject)]


class SubjectKey(_ClearKey, frozen=True):
    """A person's key of one generation. ``kid`` stands beside every ciphertext it made."""

    generation: int
    key: bytes
    kid: str


class ReadingKey(_ClearKey, frozen=True):
    """Whose key it is, and the key; None: it was destroyed."""

    key: bytes | None


class NewKey(msgspec.Struct, frozen=True):
    """A key made for an append, which must commit with it."""

    subject: UUID
    generation: int
    wrapped: bytes


@dataclass(frozen=True, slots=True)
class WritingKeys:
    """The keys to seal an append with: ``made`` are those that have to commit with it.

    ``erasures``: how often the record had seen keys destroyed when these were looked up; None where there are none.
    """

    by_subject: Mapping[UUID, SubjectKey]
    made: Sequence[NewKey]
    erasures: int | None


_KEYS_OF = "select * from record.keys_of(%b::uuid[])"

_Stored = tuple[int, UUID, int, bytes | None]
"""The count of erasures, a subject, a generation, and the wrapped key; None: it was destroyed."""

_SUBJECT = 36
"""Characters of the subject in the name of a key."""


@dataclass(frozen=True, slots=True)
class _Writable:
    """Keys found at one count of erasures."""

    erasures: int
    keys: dict[UUID, SubjectKey] = field(default_factory=dict)


def kid_of(subject: UUID, generation: int) -> str:
    """The name of a key in a ciphertext: the subject, and from the second generation on its number."""
    name: str = msgspec.to_builtins(subject)
    return name if generation == 1 else f"{name}.{generation}"


def instance_binding(purpose: str) -> bytes:
    """What the seal of an instance's key is bound to."""
    return b"instance:" + purpose.encode()


class KeyRing:
    """Finds, makes and destroys data keys. One of them serves all threads of a process."""

    def __init__(self, pool: ConnectionPool[Connection[Any]], master: MasterKeys) -> None:
        self._pool = pool
        self._master = master
        self._readable: dict[str, ReadingKey] = {}
        self._writable: _Writable | None = None
        self._cached_since = time.monotonic()
        self._digest_keys: dict[str, DigestKey] = {}
        self._lock = threading.Lock()

    def for_writing(self, subjects: Collection[UUID], born: Collection[UUID] = ()) -> WritingKeys:
        """The current key of each subject, those made just now among them.

        ``born``: of them those that can have none yet. The append tells where one has.
        """
        known = self._of_known([subject for subject in subjects if subject not in born] if born else subjects)
        if not born:
            return known
        made = self._made(dict.fromkeys(born, 1))
        keys = {subject: known.by_subject[subject] for subject in subjects if subject not in born}
        keys |= {key.subject: key for key, _ in made}
        return WritingKeys(keys, [*known.made, *(new for _, new in made)], known.erasures)

    def _of_known(self, subjects: Collection[UUID]) -> WritingKeys:
        if not subjects:
            return WritingKeys({}, (), None)
        self._forget_old()
        # One set of keys from start to end: another thread may begin a new one meanwhile.
        writable = self._writable or _Writable(-1)
        missing = [subject for subject in subjects if subject not in writable.keys]
        if not missing:
            return WritingKeys(writable.keys, (), writable.erasures)
        erasures, stored = self._stored(uuids(missing))
        if erasures != writable.erasures:
            writable = self._writable = _Writable(erasures)
            if len(missing) < len(subjects):
                return self._of_known(subjects)
        return self._completed(writable, subjects, missing, stored)

    def _completed(
        self, writable: _Writable, subjects: Collection[UUID], missing: Sequence[UUID], stored: Sequence[_Stored]
    ) -> WritingKeys:
        generations: dict[UUID, int] = {}
        for _, subject, generation, wrapped in stored:
            generations[subject] = max(generation, generations.get(subject, 0))
            if wrapped is not None:
                writable.keys[subject] = self._open(subject, generation, wrapped)
        new = [subject for subject in missing if subject not in writable.keys]
        made = self._made({subject: generations.get(subject, 0) + 1 for subject in new})
        if not made:
            return WritingKeys(writable.keys, (), writable.erasures)
        # What was made is not stored yet, and may never be: it is for this append alone.
        fresh = {key.subject: key for key, _ in made}
        keys = {subject: fresh.get(subject) or writable.keys[subject] for subject in subjects}
        return WritingKeys(keys, [new for _, new in made], writable.erasures)

    def for_reading(self, kids: Iterable[str]) -> Mapping[str, ReadingKey]:
        """Each of the keys named, destroyed ones too; one that never was is not in the answer."""
        self._forget_old()
        # One dictionary from start to end: another thread may begin a new one meanwhile.
        readable = self._readable
        missing = [kid for kid in set(kids) if kid not in readable]
        if missing:
            self._load(missing, readable)
        return readable

    def destroy(self, connection: Connection[Any], subjects: Collection[UUID]) -> None:
        """Destroy every key of these subjects, in the caller's transaction. There is no way back."""
        connection.execute("select record.destroy_keys(%s)", (list(subjects),))
        self.forget()

    def forget(self) -> None:
        """Drop every remembered key, as after an erasure."""
        with self._lock:
            self._readable = {}
            self._writable = None
            self._cached_since = time.monotonic()

    def digest(self, purpose: str, value: str) -> bytes:
        """A keyed digest, of a key for each purpose: equal for equal values, and no help in guessing one."""
        key = self._digest_keys.get(purpose) or self._instance_key(purpose)
        return key.digest(value.encode())

    def fingerprint(self, secret: bytes) -> str:
        """What may be shown of a secret so that people can tell two apart: the start of a keyed digest."""
        return self.digest("fingerprint", secret.hex())[:8].hex()

    def wrap(self, plaintext: bytes, associated: bytes) -> bytes:
        """Seal a secret under the master key, bound to ``associated``."""
        return self._master.wrap(plaintext, associated)

    def unwrap(self, wrapped: bytes, associated: bytes) -> bytes:
        """Open what ``wrap`` sealed."""
        return self._master.unwrap(wrapped, associated)

    def rewrap(self, wrapped: bytes, associated: bytes) -> bytes:
        """The same secret, sealed under the newest master key."""
        return self._master.wrap(self._master.unwrap(wrapped, associated), associated)

    @property
    def newest_master_key(self) -> bytes:
        """What everything begins with that the newest master key sealed."""
        return self._master.mark

    def _forget_old(self) -> None:
        if time.monotonic() - self._cached_since > CACHE_SECONDS:
            self._master.refresh()
            self.forget()
        elif self._remembered() > CACHE_KEYS:
            self.forget()

    def _remembered(self) -> int:
        writable = self._writable
        return len(self._readable) + (len(writable.keys) if writable else 0)

    def _stored(self, subjects: Packed) -> tuple[int, list[_Stored]]:
        """The record's count of erasures and, as of the same moment, the keys of these subjects."""
        with self._pool.connection() as connection, connection.cursor(binary=True) as cursor:
            rows = cursor.execute(_KEYS_OF, (subjects,), prepare=True).fetchall()
        erasures, subject, *_ = rows[0]
        # Where none of them has a key, a row comes for the count alone.
        return erasures, [] if subject is None else rows

    def _open(self, subject: UUID, generation: int, wrapped: bytes) -> SubjectKey:
        kid = kid_of(subject, generation)
        return SubjectKey(subject, generation, self._master.unwrap(wrapped, kid.encode()), kid)

    def _made(self, wanted: Mapping[UUID, int]) -> list[tuple[SubjectKey, NewKey]]:
        """A new key for each of these subjects, of this generation."""
        random = secrets.token_bytes(KEY * len(wanted))
        return [
            self._make(subject, generation, random[at : at + KEY], nonce)
            for (subject, generation), at, nonce in zip(
                wanted.items(), range(0, len(random), KEY), nonces(len(wanted)), strict=True
            )
        ]

    def _make(self, subject: UUID, generation: int, key: bytes, nonce: bytes) -> tuple[SubjectKey, NewKey]:
        kid = kid_of(subject, generation)
        wrapped = self._master.wrap(key, kid.encode(), nonce)
        return SubjectKey(subject, generation, key, kid), NewKey(subject, generation, wrapped)

    def _load(self, kids: Collection[str], readable: dict[str, ReadingKey]) -> None:
        _, stored = self._stored(uuids_of({kid[:_SUBJECT] for kid in kids}))
        unwrap = self._master.unwrap
        for _, subject, generation, wrapped in stored:
            kid = kid_of(subject, generation)
            readable[kid] = ReadingKey(subject, None if wrapped is None else unwrap(wrapped, kid.encode()))

    def _instance_key(self, purpose: str) -> DigestKey:
        associated = instance_binding(purpose)
        fresh = self._master.wrap(secrets.token_bytes(KEY), associated)
        with self._pool.connection() as connection:
            connection.execute(
                "insert into record.instance_keys (purpose, wrapped) values (%s, %s) on conflict do nothing",
                (purpose, fresh),
            )
            row = connection.execute(
                "select wrapped from record.instance_keys where purpose = %s", (purpose,)
            ).fetchone()
        assert row is not None
        key = self._digest_keys[purpose] = DigestKey(self._master.unwrap(row[0], associated))
        return key
