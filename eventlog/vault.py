"""The vault: provider keys, client secrets, password hashes. Sealed at rest, named by id everywhere else."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from psycopg import Connection
from psycopg_pool import ConnectionPool

from tocsin.eventlog.keyring import KeyRing
from tocsin.eventlog.unit import Secret


class Vault:
    """Seals secrets for an append and opens them for those who must use them."""

    def __init__(self, pool: ConnectionPool[Connection[Any]], keyring: KeyRing) -> None:
        self._pool = pool
        self._keyring = keyring

    def seal(self, secret_id: UUID, app_id: UUID, kind: str, secret: bytes) -> Secret:
        """A secret ready to commit with the event that tells of it. ``kind`` says what it is, for operators."""
        return Secret(secret_id, app_id, kind, self._keyring.wrap(secret, secret_binding(secret_id)))

    def open(self, secret_id: UUID) -> bytes:
        """The secret itself. Raises KeyError where it was never stored or has been destroyed."""
        with self._pool.connection() as connection:
            row = connection.execute("select sealed from record.vault where secret_id = %s", (secret_id,)).fetchone()
        if row is None:
            raise KeyError(secret_id)
        return self._keyring.unwrap(row[0], secret_binding(secret_id))

    @staticmethod
    def destruction(secret_id: UUID, app_id: UUID) -> Secret:
        """Takes a secret out for good, with the event after which nobody needs it: to append like a sealed one."""
        return Secret(secret_id, app_id, "", None)


def secret_binding(secret_id: UUID) -> bytes:
    """What the seal of a secret is bound to, so that it opens under no other id."""
    return b"vault:" + secret_id.bytes
