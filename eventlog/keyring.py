"""The key ring: a data key for every person, and the instance's own digest keys."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
import time
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from psycopg import Connection
from psycopg_pool import ConnectionPool

from tocsin.eventlog.keys import KEY, MasterKeys

CACHE_SECONDS = 60
"""How long an unwrapped key is remembered: the longest a process may still read a person erased elsewhere."""
CACHE_KEYS = 500_000


@dataclass(frozen=True, slots=True)
class SubjectKey:
    """A person's key of one generation. ``kid`` stands beside every ciphertext it made."""

    subject: UUID
    generation: int
    cipher: AESGCM
    kid: str


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key made for an append, which must commit with it."""

    subject: UUID
    generation: int
    wrapped: bytes


def kid_of(subject: UUID, generation: int) -> str:
    """The name of a key in a ciphertext: the subject, and from the second generation on its number."""
    return str(subject) if generation == 1 else f"{subject}.{generation}"


def _subject_of(kid: str) -> tuple[UUID, int]:
    subject, _, generation = kid.partition(".")
    return UUID(subject), int(generation or 1)


class KeyRing:
    """Finds, makes and destroys data keys. One of them serves all threads of a process."""

    def __init__(self, pool: ConnectionPool[Connection[Any]], master: MasterKeys) -> None:
        self._pool = pool
        self._master = master
        self._readable: dict[str, AESGCM | None] = {}
        self._writable: dict[UUID, SubjectKey] = {}
        self._cached_since = time.monotonic()
        self._digest_keys: dict[str, bytes] = {}
        self._lock = threading.Lock()

    def for_writing(self, subjects: Collection[UUID]) -> tuple[dict[UUID, SubjectKey], list[NewKey]]:
        """The current key of each subject, and those made just now, to be stored by the append that uses them."""
        self._forget_old()
        keys = {subject: key for subject in subjects if (key := self._writable.get(subject))}
        missing = [subject for subject in subjects if subject not in keys]
        if not missing:
            return keys, []
        generations: dict[UUID, int] = {}
        for subject, generation, wrapped in self._select(missing):
            generations[subject] = max(generation, generations.get(subject, 0))
            if wrapped is not None:
                keys[subject] = self._writable[subject] = self._open(subject, generation, wrapped)
        made = [self._make(subject, generations.get(subject, 0) + 1) for subject in missing if subject not in keys]
        keys.update((key.subject, key) for key, _ in made)
        return keys, [new for _, new in made]

    def for_reading(self, kids: Iterable[str]) -> Mapping[str, AESGCM | None]:
        """The cipher of each key named, None where it was destroyed. Raises LookupError for one that never was."""
        self._forget_old()
        # One dictionary from start to end: another thread may begin a new one meanwhile.
        readable = self._readable
        missing = [kid for kid in set(kids) if kid not in readable]
        if missing:
            self._load(missing, readable)
        return readable

    def destroy(self, connection: Connection[Any], subjects: Collection[UUID]) -> None:
        """Destroy every key of these subjects, in the caller's transaction. There is no way back."""
        connection.execute(
            "update record.subject_keys set wrapped = null, destroyed_at = clock_timestamp() "
            "where subject = any(%s) and wrapped is not null",
            (list(subjects),),
        )
        self.forget()

    def forget(self) -> None:
        """Drop every remembered key, as after an erasure."""
        with self._lock:
            self._readable = {}
            self._writable = {}
            self._cached_since = time.monotonic()

    def digest(self, purpose: str, value: str) -> bytes:
        """A keyed digest (HMAC-SHA-256, RFC 2104): equal for equal values, and no help in guessing one."""
        key = self._digest_keys.get(purpose) or self._instance_key(purpose)
        return hmac.digest(key, value.encode(), "sha256")

    def wrap(self, plaintext: bytes, associated: bytes) -> bytes:
        """Seal a secret under the master key, bound to ``associated``."""
        return self._master.wrap(plaintext, associated)

    def unwrap(self, wrapped: bytes, associated: bytes) -> bytes:
        """Open what ``wrap`` sealed."""
        return self._master.unwrap(wrapped, associated)

    def _forget_old(self) -> None:
        if time.monotonic() - self._cached_since > CACHE_SECONDS or len(self._readable) > CACHE_KEYS:
            self.forget()

    def _select(self, subjects: Collection[UUID]) -> list[tuple[UUID, int, bytes | None]]:
        with self._pool.connection() as connection, connection.cursor(binary=True) as cursor:
            return cursor.execute(
                "select subject, generation, wrapped from record.subject_keys where subject = any(%s)",
                (list(subjects),),
            ).fetchall()

    def _open(self, subject: UUID, generation: int, wrapped: bytes) -> SubjectKey:
        kid = kid_of(subject, generation)
        key = self._master.unwrap(wrapped, kid.encode())
        return SubjectKey(subject, generation, AESGCM(key), kid)

    def _make(self, subject: UUID, generation: int) -> tuple[SubjectKey, NewKey]:
        kid = kid_of(subject, generation)
        key = secrets.token_bytes(KEY)
        wrapped = self._master.wrap(key, kid.encode())
        return SubjectKey(subject, generation, AESGCM(key), kid), NewKey(subject, generation, wrapped)

    def _load(self, kids: Collection[str], readable: dict[str, AESGCM | None]) -> None:
        for subject, generation, wrapped in self._select({_subject_of(kid)[0] for kid in kids}):
            kid = kid_of(subject, generation)
            cipher = None if wrapped is None else AESGCM(self._master.unwrap(wrapped, kid.encode()))
            readable[kid] = cipher
        lost = [kid for kid in kids if kid not in readable]
        if lost:
            raise LookupError(
                f"the record names a data key that is not in this database ({lost[0]}): "
                "restore record.subject_keys from the same backup as record.events"
            )

    def _instance_key(self, purpose: str) -> bytes:
        associated = b"instance:" + purpose.encode()
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
        key = self._digest_keys[purpose] = self._master.unwrap(row[0], associated)
        return key


def fingerprint(secret: bytes) -> str:
    """What may be shown of a secret so that people can tell two apart: the start of its SHA-256."""
    return hashlib.sha256(secret).hexdigest()[:16]
