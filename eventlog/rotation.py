"""Rotation of the master key: everything sealed under an older one is sealed again under the newest.

The log itself is not touched: what a master key seals are the data keys, the instance's keys and the vault's secrets.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import Connection

from tocsin.eventlog.keyring import KeyRing, instance_binding, kid_of
from tocsin.eventlog.keys import KeyFileError, WrongKey
from tocsin.eventlog.record import Record
from tocsin.eventlog.vault import secret_binding

BATCH = 1000

Progress = Callable[[int, int], None]


def _unwatched(_done: int, _total: int) -> None:
    pass


@dataclass(frozen=True, slots=True)
class _Table:
    """``keys`` name a row, ``sealed`` is its sealed column, and ``binding`` what the seal is bound to."""

    name: str
    keys: Sequence[str]
    sealed: str
    binding: Callable[..., bytes]

    def batch(self, connection: Connection[Any], newest: bytes, after: Sequence[Any] | None) -> list[tuple[Any, ...]]:
        """Rows after ``after`` that an older key sealed. One that somebody destroys at this moment is passed over."""
        keys = ", ".join(self.keys)
        beyond = f"and ({keys}) > ({', '.join(['%s'] * len(self.keys))})" if after else ""
        return connection.execute(
            f"select {keys}, {self.sealed} from record.{self.name} where substr({self.sealed}, 1, 2) <> %s {beyond} "
            f"order by {keys} limit {BATCH} for update skip locked".encode(),
            [newest, *(after or ())],
        ).fetchall()

    def replace(self, connection: Connection[Any], rows: Sequence[tuple[Any, ...]], keyring: KeyRing) -> None:
        """Seal these rows again."""
        condition = " and ".join(f"{key} = %s" for key in self.keys)
        connection.cursor().executemany(
            f"update record.{self.name} set {self.sealed} = %s where {condition}".encode(),
            [(keyring.rewrap(sealed, self.binding(*key)), *key) for *key, sealed in rows],
        )

    def first(self, connection: Connection[Any]) -> tuple[Any, ...] | None:
        """A row that holds something sealed, if there is one."""
        return connection.execute(
            f"select {', '.join(self.keys)}, {self.sealed} from record.{self.name} "
            f"where {self.sealed} is not null limit 1".encode()
        ).fetchone()

    def count(self, connection: Connection[Any], newest: bytes) -> int:
        """How many rows an older key sealed."""
        query = f"select count(*) from record.{self.name} where substr({self.sealed}, 1, 2) <> %s"
        ((count,),) = connection.execute(query.encode(), (newest,)).fetchall()
        return int(count)


_TABLES = (
    _Table("subject_keys", ("subject", "generation"), "wrapped", lambda *key: kid_of(*key).encode()),
    _Table("instance_keys", ("purpose",), "wrapped", instance_binding),
    _Table("vault", ("secret_id",), "sealed", secret_binding),
)


def check_key_file(record: Record) -> None:
    """Look whether the master key file is the one that goes with this database, by a sample of what is sealed in it.

    With another, nothing in it could be read, and what is added would be lost with the right one put back. Raises
    KeyFileError.
    """
    with record.sessions.connection() as connection:
        samples = [(table, row) for table in _TABLES if (row := table.first(connection)) is not None]
    for table, (*key, sealed) in samples:
        try:
            record.keyring.rewrap(sealed, table.binding(*key))
        except WrongKey as error:
            raise KeyFileError(
                f"the master key file {record.address[1]} does not open what this database holds: put back the file"
                " that belongs to it, with every key in it"
            ) from error


def rotate(record: Record, progress: Progress = _unwatched) -> int:
    """Seal everything again that an older master key sealed, and return how much that was.

    Works while Tocsin runs, in batches that commit one by one: cut off, it goes on where it was when it is run again.
    ``progress`` is told how much is done of how much. Processes that run learn of a newer key within a minute, so an
    older one may leave the key file once ``outdated`` has answered 0 a minute after the rotation. Raises WrongKey
    where a key is missing from the file.
    """
    total, done = outdated(record), 0
    progress(0, total)
    for table in _TABLES:
        for size in _batches(record, table):
            done += size
            progress(done, max(done, total))
    return done


def outdated(record: Record) -> int:
    """How many keys and secrets are still sealed under a master key other than the newest."""
    with record.sessions.connection() as connection:
        return sum(table.count(connection, record.keyring.newest_master_key) for table in _TABLES)


def _batches(record: Record, table: _Table) -> Iterator[int]:
    after: Sequence[Any] | None = None
    while True:
        with record.sessions.connection() as connection, connection.transaction():
            rows = table.batch(connection, record.keyring.newest_master_key, after)
            table.replace(connection, rows, record.keyring)
        if not rows:
            return
        yield len(rows)
        after = rows[-1][:-1]
