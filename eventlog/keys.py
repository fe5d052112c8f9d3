"""Keys: the master key file outside the database, and what is wrapped under it.

AES-256-GCM throughout (NIST SP 800-38D), with a random 96-bit nonce before each ciphertext.
"""

from __future__ import annotations

import base64
import binascii
import os
import secrets
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

NONCE = 12
KEY = 32


class KeyFileError(Exception):
    """The master key file is missing, unreadable, or not what ``tocsin keys new`` writes. Says what to do."""


class WrongKey(Exception):
    """A ciphertext does not open under the key it names: another master key sealed it, or it was altered."""


def encrypt(cipher: AESGCM, plaintext: bytes, associated: bytes) -> bytes:
    """Nonce and ciphertext of ``plaintext``, bound to ``associated``."""
    nonce = os.urandom(NONCE)
    return nonce + cipher.encrypt(nonce, plaintext, associated)


def decrypt(cipher: AESGCM, sealed: bytes, associated: bytes) -> bytes:
    """The reverse of ``encrypt``; raises WrongKey."""
    try:
        return cipher.decrypt(sealed[:NONCE], sealed[NONCE:], associated)
    except (InvalidTag, ValueError) as error:
        raise WrongKey("a sealed value does not open: was the master key file replaced?") from error


class MasterKeys:
    """The master keys of one instance, newest first: the newest wraps, every one of them unwraps.

    The file has one key a line, ``<number>:<base64 of 32 bytes>``, and belongs to its owner alone (mode 0600).
    """

    def __init__(self, keys: dict[int, bytes]) -> None:
        if not keys:
            raise KeyFileError("the master key file holds no key: write one with `tocsin keys new FILE`")
        self._ciphers = {number: AESGCM(key) for number, key in keys.items()}
        self.current = max(keys)

    @classmethod
    def load(cls, file: Path) -> MasterKeys:
        """Read the key file; raises KeyFileError."""
        try:
            lines = file.read_text(encoding="ascii").split()
        except FileNotFoundError as error:
            raise KeyFileError(f"there is no master key file at {file}: write one with `tocsin keys new {file}`") from (
                error
            )
        except OSError as error:
            raise KeyFileError(f"the master key file {file} cannot be read: {error.strerror}") from error
        return cls(dict(_parse(line, file) for line in lines))

    @classmethod
    def create(cls, file: Path) -> MasterKeys:
        """Write a new key file with one key, or add a key to an existing one, and load it."""
        number = max(cls.load(file)._ciphers) + 1 if file.exists() else 1
        key = base64.b64encode(secrets.token_bytes(KEY)).decode()
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        with os.fdopen(descriptor, "a", encoding="ascii") as stream:
            stream.write(f"{number}:{key}\n")
            stream.flush()
            os.fsync(stream.fileno())
        return cls.load(file)

    def wrap(self, plaintext: bytes, associated: bytes) -> bytes:
        """Seal under the newest key; the key's number leads the result."""
        return self.current.to_bytes(2, "big") + encrypt(self._ciphers[self.current], plaintext, associated)

    def unwrap(self, wrapped: bytes, associated: bytes) -> bytes:
        """Open what any of the keys sealed; raises WrongKey."""
        number = int.from_bytes(wrapped[:2], "big")
        cipher = self._ciphers.get(number)
        if cipher is None:
            raise WrongKey(f"master key {number} is not in the key file: put it back beside the newer ones")
        return decrypt(cipher, wrapped[2:], associated)

    def is_current(self, wrapped: bytes) -> bool:
        """Whether the newest key sealed it; if not, a rotation has still to wrap it again."""
        return int.from_bytes(wrapped[:2], "big") == self.current


def _parse(line: str, file: Path) -> tuple[int, bytes]:
    number, _, encoded = line.partition(":")
    try:
        key = base64.b64decode(encoded, validate=True)
        if len(key) != KEY:
            raise ValueError
        return int(number), key
    except (ValueError, binascii.Error) as error:
        # The line itself is never shown: it may be a key with a typing error.
        raise KeyFileError(f"{file} has a line that is not NUMBER:BASE64-OF-32-BYTES") from error
