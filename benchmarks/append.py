"""Appending to the record, one event at a time and in batches, against the eventsourcing package's own recorder.

    python benchmarks/append.py
    python benchmarks/append.py --rounds 9 --sizes 1,1000

One embedded PostgreSQL with fsync for all of them. In every round each contender has its turn with as many events of as
many bytes; what is shown are medians over the rounds, and the median of the ratios within a round.

stock      PostgresApplicationRecorder of the eventsourcing package, with its table lock: events ready to be stored
recorder   the record's recorder: the same events, ready to be stored
record     Record.append: entries without personal data, encoded on the way
encrypted  Record.append: registrations with a token and a user, encrypted under two new keys for each device
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID, uuid4

from eventsourcing.persistence import StoredEvent as LibraryEvent
from eventsourcing.postgres import PostgresApplicationRecorder, PostgresDatastore
from fresh import fresh_database
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from tocsin.commands.ids import new_id
from tocsin.domain.entry import Entry, Fact, system
from tocsin.domain.events.device import DeviceRegistered
from tocsin.domain.personal import Personal
from tocsin.eventlog.record import Record
from tocsin.eventlog.stored import StoredEvent
from tocsin.eventlog.unit import Unit

APP = new_id()
ACTOR = system("benchmark")
NOT_YET = datetime.min.replace(tzinfo=UTC)
ATTRIBUTES = {"model": "iPhone17,1", "os_version": "19.2", "app_version": "4.1.0", "language": "en-GB"}

STOCK_AT_ONCE = 2000
"""Events of one save of the stock recorder, about its best: its pipeline can wait for ever on much larger ones."""

THREADS = (1, 2, 4, 8, 16)

Contender = Callable[[Sequence[Any]], None]


def bare(_device: UUID) -> Fact:
    """A registration that names nobody."""
    return DeviceRegistered(platform="ios", environment="production", attributes=ATTRIBUTES)


def personal(device: UUID) -> Fact:
    """A registration with a token and a user."""
    return DeviceRegistered(
        platform="ios",
        token=Personal(device, device.hex * 2),
        user=Personal(uuid4(), f"{device.hex}@university.example"),
        environment="production",
        attributes=ATTRIBUTES,
    )


def entry(fact: Callable[[UUID], Fact]) -> Entry:
    """The first entry of a new device."""
    device = new_id()
    return Entry(
        originator_id=device,
        originator_version=1,
        app_id=APP,
        root_id=device,
        fact=fact(device),
        actor=ACTOR,
        command_id=new_id(),
        correlation_id=new_id(),
    )


def stored(body: bytes) -> StoredEvent:
    """An event of a new device as the record's recorder takes it."""
    device = new_id()
    return StoredEvent(device, 1, "device.registered", body, 0, 1, APP, device, NOT_YET)


def library_event(body: bytes) -> LibraryEvent:
    """An event of a new device as the stock recorder takes it."""
    return LibraryEvent(new_id(), 1, "device.registered", body)


@contextmanager
def stock_recorder(url: str) -> Iterator[PostgresApplicationRecorder]:
    """The package's recorder as its factory sets it up, in a table of its own."""
    at = urlsplit(url)
    datastore = PostgresDatastore(
        dbname=at.path[1:],
        host=at.hostname or "",
        port=str(at.port),
        user=at.username or "",
        password=at.password or "",
        schema="public",
        originator_id_type="uuid",
    )
    recorder = PostgresApplicationRecorder(datastore, events_table_name="stock_events")
    recorder.create_table()
    yield recorder
    datastore.close()


def contenders(record: Record, stock: PostgresApplicationRecorder, body: bytes) -> dict[str, tuple[Any, Contender]]:
    """By name: what makes one event ready, and what appends a batch of them."""

    def stock_append(batch: Sequence[Any]) -> None:
        for start in range(0, len(batch), STOCK_AT_ONCE):
            stock.insert_events(batch[start : start + STOCK_AT_ONCE])

    return {
        "stock": (lambda: library_event(body), stock_append),
        "recorder": (lambda: stored(body), lambda batch: record.recorder.append([Unit(batch)])),
        "record": (lambda: entry(bare), record.append),
        "encrypted": (lambda: entry(personal), record.append),
    }


def rate(make: Callable[[], Any], append: Contender, size: int, batches: int) -> float:
    """Events a second."""
    ready = [[make() for _ in range(size)] for _ in range(batches)]
    start = time.perf_counter()
    for batch in ready:
        append(batch)
    return size * batches / (time.perf_counter() - start)


def race(
    entrants: dict[str, tuple[Any, Contender]], size: int, rounds: int, tick: Callable[[], None]
) -> dict[str, list[float]]:
    """Every contender's rates, one a round, in turn."""
    batches = max(1, min(200, 4000 // size))
    rates: dict[str, list[float]] = {name: [] for name in entrants}
    for make, append in entrants.values():
        rate(make, append, size, 1)
    for _ in range(rounds):
        for name, (make, append) in entrants.items():
            rates[name].append(rate(make, append, size, batches))
        tick()
    return rates


def crowd(record: Record, threads: int, seconds: float) -> float:
    """Events a second of so many threads that append one event at a time."""
    until = time.perf_counter() + seconds

    def append_on(_: int) -> int:
        count = 0
        while time.perf_counter() < until:
            record.append([entry(bare)])
            count += 1
        return count

    start = time.perf_counter()
    with ThreadPoolExecutor(threads) as pool:
        count = sum(pool.map(append_on, range(threads)))
    return count / (time.perf_counter() - start)


def shown(name: str, rates: dict[str, list[float]]) -> str:
    """A contender's median, and how many times the stock recorder's it is."""
    median = f"{statistics.median(rates[name]):,.0f}"
    if name == "stock":
        return median
    ratio = statistics.median(own / stock for own, stock in zip(rates[name], rates["stock"], strict=True))
    return f"{median}  ({ratio:.1f}×)"


def report(console: Console, results: dict[int, dict[str, list[float]]]) -> None:
    """What the races came to."""
    names = list(next(iter(results.values())))
    table = Table("events a commit", *names, title="events/s, and times the stock recorder in the same rounds")
    for column in table.columns:
        column.justify = "right"
    for size, rates in results.items():
        table.add_row(f"{size:,}", *(shown(name, rates) for name in names))
    console.print(table)
    best = {name: max(statistics.median(rates[name]) for rates in results.values()) for name in names}
    for name in names[1:]:
        console.print(f"{name} at its best: {best[name] / best['stock']:.1f} times the stock recorder at its best")


def report_crowds(console: Console, rates: dict[int, list[float]]) -> None:
    """What group commit comes to."""
    table = Table("threads", "events/s", "times one thread", title="Record.append of one event at a time")
    for column in table.columns:
        column.justify = "right"
    alone = statistics.median(rates[THREADS[0]])
    for threads, each in rates.items():
        median = statistics.median(each)
        table.add_row(str(threads), f"{median:,.0f}", f"{median / alone:.1f}×")
    console.print(table)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="turns of every contender (5)")
    parser.add_argument("--sizes", default="1,10,100,1000,10000", help="events a commit (1,10,100,1000,10000)")
    parser.add_argument("--seconds", type=float, default=0.5, help="how long each number of threads appends (0.5)")
    return parser.parse_args()


def main() -> None:
    wanted, console = arguments(), Console()
    sizes = [int(size) for size in wanted.sizes.split(",")]
    with fresh_database() as database, stock_recorder(database.url) as stock, Progress(transient=True) as progress:
        task = progress.add_task("appending", total=wanted.rounds * (len(sizes) + len(THREADS)))
        record = database.open()
        (sample,), _ = record.codec.encode([entry(bare)])
        entrants = contenders(record, stock, sample.state)
        results = {size: race(entrants, size, wanted.rounds, lambda: progress.advance(task)) for size in sizes}
        crowds: dict[int, list[float]] = {threads: [] for threads in THREADS}
        for _ in range(wanted.rounds):
            for threads, rates in crowds.items():
                rates.append(crowd(record, threads, wanted.seconds))
                progress.advance(task)
        record.close()
    report(console, results)
    report_crowds(console, crowds)


if __name__ == "__main__":
    main()
