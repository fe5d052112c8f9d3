"""One reader at the end of the record while many processes append to it: what it misses, and how fast it is.

    python benchmarks/tail.py
    python benchmarks/tail.py --writers 8 --seconds 20

The reader asks for what stands after the last position it saw, as every consumer does, and never looks back. Afterwards
the record is compared with what the reader saw. Writers append 1, 1, 10 and 500 events in turn, some of them encrypted.
An embedded PostgreSQL of its own, with fsync as in production. Exits with 1 if anything was missed.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import time
from collections.abc import Sequence
from itertools import cycle
from multiprocessing.synchronize import Barrier, Event
from pathlib import Path

from append import bare, entry, personal
from fresh import Fresh, fresh_database
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from tocsin.eventlog.record import Record

SIZES = (1, 1, 10, 500)
READ_AT_ONCE = 5000


def write(database_url: str, master_key_file: Path, begin: Barrier, end: Event) -> None:
    """Append until told to stop."""
    record = Record.open(database_url, master_key_file)
    record.head()
    begin.wait()
    for size, fact in zip(cycle(SIZES), cycle((bare, personal, bare)), strict=False):
        if end.is_set():
            break
        record.append([entry(fact) for _ in range(size)])
    record.close()


class Reader:
    """Follows the record from its beginning."""

    def __init__(self, record: Record) -> None:
        self._record = record
        self.seen: list[int] = []

    def read_on(self) -> int:
        """Read what is there now; how many events."""
        last = self.seen[-1] if self.seen else 0
        events = self._record.read(last, READ_AT_ONCE)
        self.seen += [event.position for event in events]
        return len(events)


def follow(reader: Reader, seconds: float) -> None:
    """Read for so long, with a progress bar."""
    with Progress(transient=True) as progress:
        task = progress.add_task("reading", total=seconds)
        start = time.perf_counter()
        while (passed := time.perf_counter() - start) < seconds:
            if not reader.read_on():
                time.sleep(0.001)
            progress.update(task, completed=passed)


def every_position(record: Record) -> set[int]:
    """What stands in the record in the end."""
    with record.sessions.connection() as connection:
        return {position for (position,) in connection.execute("select position from record.events")}


def run(database: Fresh, writers: int, seconds: float) -> tuple[Reader, set[int], float]:
    """The reader, every position there is, and the seconds that the writers wrote."""
    spawn = multiprocessing.get_context("spawn")
    begin, end = spawn.Barrier(writers + 1), spawn.Event()
    processes = [
        spawn.Process(target=write, args=(database.url, database.master_key_file, begin, end)) for _ in range(writers)
    ]
    for process in processes:
        process.start()
    record = database.open()
    reader = Reader(record)
    begin.wait()
    start = time.perf_counter()
    follow(reader, seconds)
    end.set()
    for process in processes:
        process.join()
    taken = time.perf_counter() - start
    while reader.read_on():
        pass
    positions = every_position(record)
    record.close()
    return reader, positions, taken


def alone(database: Fresh, seen: Sequence[int]) -> float:
    """Events a second of a reader that starts anew, with nobody writing."""
    record = database.open()
    reader = Reader(record)
    start = time.perf_counter()
    while reader.read_on():
        pass
    record.close()
    return len(seen) / (time.perf_counter() - start)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--writers", type=int, default=8, help="processes that append at the same time (8)")
    parser.add_argument("--seconds", type=float, default=15.0, help="how long they append (15)")
    wanted, console = parser.parse_args(), Console()
    with fresh_database() as database:
        reader, positions, taken = run(database, wanted.writers, wanted.seconds)
        anew = alone(database, reader.seen)
    missed = positions - set(reader.seen)
    table = Table("", "", show_header=False, title=f"{wanted.writers} writers, one tail, {taken:.0f} s")
    table.add_row("events appended", f"{len(positions):,}")
    table.add_row("missed by the tail", f"{len(missed):,}")
    table.add_row("seen out of order or twice", f"{len(reader.seen) - len(set(reader.seen)):,}")
    table.add_row("holes in the positions", f"{max(positions) - len(positions):,}")
    table.add_row("appended and read", f"{len(positions) / taken:,.0f} events/s")
    table.add_row("read anew, nobody writing", f"{anew:,.0f} events/s")
    console.print(table)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
