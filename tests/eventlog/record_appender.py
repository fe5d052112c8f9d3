"""A process that appends to a record from several threads and says how many events it appended.

``python record_appender.py DATABASE_URL MASTER_KEY_FILE THREADS APPENDS``
"""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from record_builders import registration, subscription

from tocsin.eventlog.record import Record

SIZES = (1, 1, 3, 20, 400)
"""Events an append has, in turn: some go through the function, some through COPY."""


def append_in_turn(record: Record, appends: int) -> int:
    """Append that often, in different sizes, with and without personal data; the number of events."""
    for number in range(appends):
        size = SIZES[number % len(SIZES)]
        record.append([registration() if number % 2 else subscription() for _ in range(size)])
    return sum(SIZES[number % len(SIZES)] for number in range(appends))


def main(database_url: str, master_key_file: str, threads: str, appends: str) -> None:
    record = Record.open(database_url, Path(master_key_file))
    with ThreadPoolExecutor(int(threads)) as pool:
        counts = list(pool.map(lambda _: append_in_turn(record, int(appends)), range(int(threads))))
    record.close()
    print(sum(counts))


if __name__ == "__main__":
    main(*sys.argv[1:])
