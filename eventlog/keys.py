"""Keys: the master key file outside the database, and what is wrapped under it.

AES-256-GCM throughout (NIST SP 800-38D), with a random 96-bit nonce before each ciphertext.
"""

from __future__ import annotations

import base64
import hashlib
import logging
import os
import secrets
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

logger = logging.getLogger(__name__)

NONCE = 12
KEY = 32
MAX_NUMBER = 1 << 16
_MARK = 2
"""Bytes of a master key's number, which lead what it sealed."""


class KeyFileError(Exception):
    """The master key file is missing, unreadable, or not what ``tocsin keys new`` writes. Says what to do."""


class WrongKey(Exception):
    """A ciphertext does not open under the key it names: another master key sealed it, or it was altered."""


def encrypt(cipher: AESGCM, plaintext: bytes, associated: bytes, nonce: bytes | None = None) -> bytes:
    """Nonce and ciphertext of ``plaintext``, bound to ``associated``.

    ``nonce``: where many are sealed, random bytes that were drawn for all of them at once.
    """
    nonce = nonce or os.urandom(NONCE)
    return nonce + cipher.encrypt(nonce, plaintext, associated)


def nonces(count: int) -> Iterator[bytes]:
    """So many nonces, drawn at once: asking the system for each of them takes as long as sealing does."""
    random = os.urandom(NONCE * count)
    return (random[start : start + NONCE] for start in range(0, len(random), NONCE))


def decrypt(cipher: AESGCM, sealed: bytes, associated: bytes, start: int = 0) -> bytes:
    """The reverse of ``encrypt``, for what begins at ``start`` of ``sealed``; raises WrongKey."""
    try:
        return cipher.decrypt(sealed[start : start + NONCE], sealed[start + NONCE :], associated)
    except (InvalidTag, ValueError) as error:
        raise WrongKey("a sealed value does not open: was the master key file replaced?") from error


class DigestKey:
    """A key for digests: HMAC-SHA-256 (RFC 2104).

    The standard library's own function looks its algorithm up each time, for five times what the digest itself takes.
    """

    _BLOCK = 64

    def __init__(self, key: bytes) -> None:
        padded = (hashlib.sha256(key).digest() if len(key) > self._BLOCK else key).ljust(self._BLOCK, b"\0")
        self._inner = bytes(byte ^ 0x36 for byte in padded)
        self._outer = bytes(byte ^ 0x5C for byte in padded)

    def digest(self, message: bytes) -> bytes:
        """32 bytes: equal for equal messages, and no help in guessing one."""
        return hashlib.sha256(self._outer + hashlib.sha256(self._inner + message).digest()).digest()


class MasterKeys:
    """The master keys of one instance, newest first: the newest wraps, every one of them unwraps.

    The file has one key a line, ``<number>:<base64 of 32 bytes>``, and belongs to its owner alone (mode 0600). Keys
    added to it while this process runs are found within a minute, or when something sealed under one is met.
    """

    def __init__(self, file: Path, keys: dict[int, bytes]) -> None:
        if not keys:
            raise KeyFileError(f"{file} holds no master key: write one with `tocsin keys new {file}`")
        self._file = file
        self._ciphers = {_mark(number): AESGCM(key) for number, key in keys.items()}
        self.current = max(keys)

    @classmethod
    def load(cls, file: Path) -> MasterKeys:
        """Read the key file; raises KeyFileError."""
        return cls(file, _read(file))

    @classmethod
    def create(cls, file: Path) -> MasterKeys:
        """Write a new key file with one key, or add a key to an existing one, and load it. Raises KeyFileError."""
        number = max(_read(file), default=0) + 1 if file.exists() else 1
        key = base64.b64encode(secrets.token_bytes(KEY)).decode()
        try:
            _append_line(file, f"{number}:{key}")
        except OSError as error:
            raise KeyFileError(f"no master key can be written to {file}: {error.strerror}") from error
        return cls.load(file)

    def wrap(self, plaintext: bytes, associated: bytes, nonce: bytes | None = None) -> bytes:
        """Seal under the newest key; the key's number leads the result. ``nonce``: as for ``encrypt``."""
        mark = self.mark
        return mark + encrypt(self._ciphers[mark], plaintext, associated, nonce)

    def unwrap(self, wrapped: bytes, associated: bytes) -> bytes:
        """Open what any of the keys sealed; raises WrongKey."""
        cipher = self._ciphers.get(wrapped[:_MARK]) or self._found_since(wrapped[:_MARK])
        return decrypt(cipher, wrapped, associated, _MARK)

    @property
    def mark(self) -> bytes:
        """What everything begins with that the newest key sealed: its number."""
        return _mark(self.current)

    def refresh(self) -> None:
        """Take keys added to the file since. One that is being edited or is gone changes nothing."""
        try:
            newer = MasterKeys.load(self._file)
        except KeyFileError as error:
            logger.warning("going on with the master keys of before: %s", error)
        else:
            self._ciphers, self.current = {**self._ciphers, **newer._ciphers}, newer.current

    def _found_since(self, mark: bytes) -> AESGCM:
        self.refresh()
        cipher = self._ciphers.get(mark)
        if cipher is None:
            number = int.from_bytes(mark, "big")
            raise WrongKey(f"master key {number} is not in {self._file}: put it back beside the others")
        return cipher


def _append_line(file: Path, line: str) -> None:
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
    with os.fdopen(descriptor, "a+b") as stream:
        stream.write(_line_end(stream) + f"{line}\n".encode())
        stream.flush()
        os.fsync(stream.fileno())


def _mark(number: int) -> bytes:
    return number.to_bytes(_MARK, "big")


def _read(file: Path) -> dict[int, bytes]:
    try:
        lines = file.read_text(encoding="ascii").split()
    except FileNotFoundError as error:
        raise KeyFileError(f"there is no master key file at {file}: write one with `tocsin keys new {file}`") from error
    except OSError as error:
        raise KeyFileError(f"the master key file {file} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError:
        raise _malformed(file) from None
    # A container's secrets are mounted for everybody inside it, which are its own processes.
    if file.stat().st_mode & 0o077 and not file.is_relative_to("/run/secrets"):
        logger.warning("others than its owner may read the master key file %s: run `chmod 600 %s`", file, file)
    return _parsed(lines, file)


def _parsed(lines: Iterable[str], file: Path) -> dict[int, bytes]:
    keys: dict[int, bytes] = {}
    for line in lines:
        number, key = _parse(line, file)
        if number in keys:
            raise KeyFileError(f"{file} has two keys of number {number}: number the newer one higher than all others")
        keys[number] = key
    return keys


def _parse(line: str, file: Path) -> tuple[int, bytes]:
    number, _, encoded = line.partition(":")
    try:
        key = base64.b64decode(encoded, validate=True)
        if len(key) != KEY or not 0 < int(number) < MAX_NUMBER:
            raise _malformed(file)
        return int(number), key
    except ValueError:
        # Neither the line nor an error that quotes it is ever shown: it may be a key with a typing error.
        raise _malformed(file) from None


def _malformed(file: Path) -> KeyFileError:
    return KeyFileError(f"{file} has a line that is not NUMBER:BASE64-OF-32-BYTES, with numbers from 1 to 65535")


def _line_end(stream: IO[bytes]) -> bytes:
    """What a file written by hand may lack at its end."""
    if stream.seek(0, os.SEEK_END) == 0:
        return b""
    stream.seek(-1, os.SEEK_END)
    return b"" if stream.read(1) == b"\n" else b"\n"
