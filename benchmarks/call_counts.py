"""What counting a call costs: from one address that everybody calls from, and from addresses of their own.

    python benchmarks/call_counts.py

On an embedded PostgreSQL with fsync; each caller is a thread with a connection of its own, as in the API's processes.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import psycopg
from fresh import Fresh, fresh_database
from rich.console import Console
from rich.table import Table

from tocsin.eventlog.call_counts import count

WINDOW = timedelta(minutes=1)
CALLS = 4000
"""Of each caller."""


def run(database: Fresh, callers: int, addresses: int) -> float:
    """Calls counted in a second."""

    def call(number: int) -> None:
        with psycopg.connect(database.url, autocommit=True) as connection:
            address = f"{callers} {number % addresses}".encode()
            for _ in range(CALLS):
                count(connection, address, 10**9, WINDOW)

    began = time.perf_counter()
    with ThreadPoolExecutor(callers) as pool:
        list(pool.map(call, range(callers)))
    return callers * CALLS / (time.perf_counter() - began)


def main() -> None:
    """Measure and print."""
    table = Table("callers", "addresses", "calls/s", "µs a call and caller")
    with fresh_database() as database:
        for callers, addresses in ((1, 1), (4, 1), (4, 4)):
            rate = run(database, callers, addresses)
            table.add_row(str(callers), str(addresses), f"{rate:,.0f}", f"{callers / rate * 1e6:,.0f}")
    Console().print(table)


if __name__ == "__main__":
    main()
