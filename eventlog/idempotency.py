"""The answers of commands: how they are kept, and for how long."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from psycopg import Connection

from tocsin.eventlog.keyring import KeyRing
from tocsin.eventlog.keys import decrypt, encrypt

KEPT = timedelta(days=30)
BATCH = 10_000

_PURPOSE = "kept-answer"


def sealed(keyring: KeyRing, key: str, request_digest: bytes, answer: bytes) -> bytes:
    """An answer as it is kept: it opens for who knows the idempotency key ``key``, which is kept nowhere.

    Answers name people. Here they would outlive the erasure of these by a month, in the table and in its backups.
    """
    return encrypt(AESGCM(keyring.digest(_PURPOSE, key)), answer, request_digest)


def opened(keyring: KeyRing, key: str, request_digest: bytes, kept: bytes) -> bytes:
    """The reverse of ``sealed``. Raises WrongKey."""
    return decrypt(AESGCM(keyring.digest(_PURPOSE, key)), kept, request_digest)


def prune(connection: Connection[Any]) -> int:
    """Forget the commands carried out more than 30 days ago, by the database's clock; returns how many.

    In batches, each a transaction of its own on a session in autocommit: nobody waits for a month's worth of them.
    """
    pruned = 0
    while True:
        batch = connection.execute(
            "delete from record.commands where ctid = any(array(select ctid from record.commands "
            "where recorded_at < clock_timestamp() - %s order by recorded_at limit %s))",
            (KEPT, BATCH),
        ).rowcount
        pruned += batch
        if batch < BATCH:
            return pruned
