"""Rebuilding the read model of devices from the record: events a second.

    python benchmarks/rebuild.py [--devices N] [--runs N]

An embedded PostgreSQL of its own, with fsync as in production. Each device has a token and a user of its own, each
encrypted under a key of its own, so a rebuild unwraps two keys for each device. The rebuild includes
everything until the new schema is live: indexes, statistics, swap.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from uuid import UUID, uuid4

from rich.console import Console
from rich.progress import Progress

from tocsin.commands.ids import new_id
from tocsin.domain.entry import Entry, system
from tocsin.domain.events.device import DeviceRegistered
from tocsin.domain.personal import Personal
from tocsin.eventlog.embedded import EmbeddedPostgres
from tocsin.eventlog.keys import MasterKeys
from tocsin.eventlog.migrate import migrate
from tocsin.eventlog.record import Record
from tocsin.projections.rebuild import rebuild

COMMIT = 1000
ACTOR = system("benchmark")


@contextmanager
def new_record() -> Iterator[Record]:
    """A record in a server of its own."""
    with tempfile.TemporaryDirectory(prefix="tocsin-benchmark-") as name:
        directory = Path(name)
        directory.chmod(0o711)
        server = EmbeddedPostgres(directory / "data")
        MasterKeys.create(directory / "master.key")
        try:
            url = server.start().url
            migrate(url)
            record = Record.open(url, directory / "master.key")
            yield record
            record.close()
        finally:
            server.stop()
            server.destroy()


def registration(app_id: UUID, number: int) -> Entry:
    """A device of a user of its own."""
    device_id = new_id()
    fact = DeviceRegistered(
        platform=("ios", "android", "windows")[number % 3],
        token=Personal(device_id, f"{number:064x}"),
        user=Personal(uuid4(), f"user-{number}@university.example"),
        environment="production",
        attributes={"model": "iPhone17,1", "os_version": "19.2", "app_version": "4.1.0", "language": "en-GB"},
    )
    return Entry(
        originator_id=device_id,
        originator_version=1,
        app_id=app_id,
        root_id=device_id,
        fact=fact,
        actor=ACTOR,
        command_id=new_id(),
        correlation_id=new_id(),
    )


def register(record: Record, count: int, console: Console) -> None:
    """Append so many devices."""
    app_id = new_id()
    entries: Iterator[Entry] = (registration(app_id, number) for number in range(count))
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task("registering", total=count)
        while chunk := list(islice(entries, COMMIT)):
            record.append_many([([entry], ()) for entry in chunk])
            progress.advance(task, len(chunk))


def rate(record: Record, console: Console) -> float:
    """Events a second of one rebuild."""
    start = time.perf_counter()
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task("rebuilding", total=None)
        (rebuilt,) = rebuild(
            record, ["devices"], lambda _, done, total: progress.update(task, completed=done, total=total)
        )
    return rebuilt.events / (time.perf_counter() - start)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--devices", type=int, default=200_000)
    parser.add_argument("--runs", type=int, default=3)
    arguments = parser.parse_args()
    console = Console()
    with new_record() as record:
        register(record, arguments.devices, console)
        rates = [rate(record, console) for _ in range(arguments.runs)]
    for number, one in enumerate(rates, start=1):
        console.print(f"run {number}: {one:,.0f} events/s")
    console.print(
        f"rebuild of devices, {arguments.devices:,} events: {statistics.median(rates):,.0f} events/s (median)"
    )


if __name__ == "__main__":
    main()
