"""A process that stops itself in the middle of an append, with the record locked, and tells what it met then.

``python frozen_writer.py DATABASE_URL MASTER_KEY_FILE WHERE``; WHERE is ``copy``, ``reserved`` or ``transaction``.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
from eventsourcing.persistence import OperationalError
from record_builders import subscription, unit_of

from tocsin.eventlog import database, recorder
from tocsin.eventlog.copying import copy_data
from tocsin.eventlog.record import Record

WRITE_TIMEOUT = 1.5


def freeze() -> None:
    print("frozen", flush=True)
    os.kill(os.getpid(), signal.SIGSTOP)


def frozen_in_copy(record: Record, parts: int) -> None:
    """Send so many parts of an append's COPY and stop."""

    def freezing(*arguments: Any) -> Iterator[bytes]:
        for number, part in enumerate(copy_data(*arguments)):
            if number == parts:
                freeze()
            yield part

    recorder.copy_data = freezing
    record.recorder.append([unit_of(20_000)])
    recorder.copy_data = copy_data


def frozen_in_a_transaction(record: Record, url: str) -> None:
    with database.connect(url, write_timeout=WRITE_TIMEOUT) as connection, connection.transaction():
        record.append_with(connection, [subscription()])
        freeze()


def main(database_url: str, master_key_file: str, where: str) -> None:
    record = Record.open(database_url, Path(master_key_file), write_timeout=WRITE_TIMEOUT)
    attempts: dict[str, Any] = {
        "copy": lambda: frozen_in_copy(record, 20),
        "reserved": lambda: frozen_in_copy(record, 0),
        "transaction": lambda: frozen_in_a_transaction(record, database_url),
    }
    try:
        attempts[where]()
    except (OperationalError, psycopg.Error) as error:
        print(f"refused: {error}".replace("\n", " "), flush=True)
    record.append([subscription("afterwards")])
    record.close()
    print("appended again", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
