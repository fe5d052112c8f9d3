"""Secrets that callers prove they have: made here, kept in the vault only as far as checking them needs."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from functools import cache
from typing import Generic, Protocol, TypeVar
from uuid import UUID

import argon2

from tocsin.commands.engine import Engine
from tocsin.eventlog.unit import Secret

HASHED = ("bearer", "client", "app-secret", "api-token", "device-secret")
"""Kinds whose secret is random and long: a plain SHA-256 is kept, which nobody can turn round."""

KEPT = ("hmac", "webhook")
"""Kinds whose secret itself is needed to check a signature: it is kept, sealed."""

PASSWORDS = ("password",)
"""Kinds whose secret a person chose: argon2id is kept (RFC 9106)."""

REMEMBERED_SECONDS = 60
REMEMBERED = 10_000

K = TypeVar("K")
V = TypeVar("V")

_hasher = argon2.PasswordHasher()


class Owner(Protocol):
    """What may need secrets: an app, a user."""

    @property
    def secrets(self) -> frozenset[UUID]:
        """The ids of those it needs."""


def random_secret() -> str:
    """256 random bits as 43 characters that need no escaping in a header or a URL."""
    return secrets.token_urlsafe(32)


def bearer_token(credential_id: UUID, secret: str) -> str:
    """The token a caller of the native API sends: it names its credential, so that no table of tokens is needed."""
    return f"tcn_{credential_id.hex}_{secret}"


def credential_of(token: str) -> UUID | None:
    """The credential a bearer token names, None where it is not one of ours."""
    prefix, _, rest = token.partition("_")
    identifier, _, secret = rest.partition("_")
    if prefix != "tcn" or not secret or len(identifier) != 32:
        return None
    try:
        return UUID(hex=identifier)
    except ValueError:
        return None


def sealed(engine: Engine, secret_id: UUID, app_id: UUID, kind: str, secret: str) -> Secret:
    """A secret in the form its kind is kept in, for the append that tells of it."""
    return engine.record.vault.seal(secret_id, app_id, kind, _kept_form(kind, secret))


def no_longer_needed(engine: Engine, app_id: UUID, before: Owner, after: Owner) -> list[Secret]:
    """The destruction of every secret that an app or a user needed before a command and needs no more.

    Whoever still goes by what was before finds it gone, and has to look again.
    """
    return [engine.record.vault.destruction(secret_id, app_id) for secret_id in before.secrets - after.secrets]


def _kept_form(kind: str, secret: str) -> bytes:
    if kind in PASSWORDS:
        return _hasher.hash(secret).encode()
    if kind in HASHED:
        return hashlib.sha256(secret.encode()).digest()
    return secret.encode()


class Remembered(Generic[K, V]):
    """What was found out in the last ``REMEMBERED_SECONDS``, the newest ``REMEMBERED`` of it; for all threads.

    What is older is let go of whenever it is used: of a secret that was destroyed nothing stays behind in memory.
    ``clock``: seconds that only go forward.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._found: OrderedDict[K, tuple[float, V]] = OrderedDict()

    def __len__(self) -> int:
        """How much is remembered."""
        return len(self._found)

    def get(self, key: K) -> V | None:
        """What was found out, if that is remembered."""
        with self._lock:
            self._let_go()
            found = self._found.get(key)
        return None if found is None else found[1]

    def put(self, key: K, value: V) -> None:
        """Remember from now on."""
        with self._lock:
            self._found.pop(key, None)
            self._found[key] = self._clock() + REMEMBERED_SECONDS, value
            self._let_go()

    def _let_go(self) -> None:
        now = self._clock()
        while self._found and (len(self._found) > REMEMBERED or next(iter(self._found.values()))[0] <= now):
            self._found.popitem(last=False)


class SecretChecks:
    """Checks what callers present. A right password is remembered for a minute, as checking it takes 100 ms of CPU.

    What is remembered is an HMAC under a key of this process. Another password has another id, so nothing that is
    remembered of the one before opens anything.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._key = secrets.token_bytes(32)
        self._stored: Remembered[UUID, bytes] = Remembered()
        self._right: Remembered[bytes, bool] = Remembered()

    def matches(self, kind: str, secret_id: UUID, presented: str) -> bool:
        """Whether ``presented`` is the secret, which is no password. One no longer in the vault matches nothing."""
        stored = self.stored(secret_id)
        return stored is not None and hmac.compare_digest(stored, _kept_form(kind, presented))

    def matches_password(self, secret_id: UUID | None, presented: str) -> bool:
        """Whether ``presented`` is the password; where there is none (None) it takes as long to say no."""
        stored = None if secret_id is None else self.stored(secret_id)
        if secret_id is None or stored is None:
            # Or whoever tries names would be told by the time it takes which of them are somebody's.
            _is_hash_of(_hash_of_nothing(), presented)
            return False
        return self._is_right(secret_id, stored, presented)

    def stored(self, secret_id: UUID) -> bytes | None:
        """The kept form, as for checking a signature; None where there is none."""
        found = self._stored.get(secret_id)
        if found is not None:
            return found
        try:
            stored = self._engine.record.vault.open(secret_id)
        except KeyError:
            return None
        self._stored.put(secret_id, stored)
        return stored

    def _is_right(self, secret_id: UUID, stored: bytes, presented: str) -> bool:
        known = hmac.digest(self._key, secret_id.bytes + stored + presented.encode(), "sha256")
        if self._right.get(known):
            return True
        if not _is_hash_of(stored.decode(), presented):
            return False
        self._right.put(known, True)
        return True


@cache
def _hash_of_nothing() -> str:
    return _hasher.hash(random_secret())


def _is_hash_of(hashed: str, presented: str) -> bool:
    try:
        return _hasher.verify(hashed, presented)
    except (argon2.exceptions.VerificationError, argon2.exceptions.InvalidHashError):
        return False
