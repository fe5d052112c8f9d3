"""The native API under load: registrations through gunicorn, and bulk import.

    python benchmarks/api.py
    python benchmarks/api.py --rounds 3 --devices 200000 --clients 1,4,8 --workers 2
    python benchmarks/api.py --only import --no-project

`tocsin api` and `tocsin project` as processes of their own, on an embedded PostgreSQL with fsync. Clients are processes
too, each with one connection that stays open. What is shown are medians over the rounds.

registrations        POST /devices of new devices, each answered when it can be read
at once              the same with `Prefer: respond-async`: answered when it is recorded
import               POST /devices/import of new devices in one request, until the last answer came: first of devices
                     that have a token and no more, then of such as an SDK reports them, with a user and a tag
until readable       from the start of the import until every read model has all of it
CPU                  of the API, the projector and the database server, for each device of the imports
"""

from __future__ import annotations

import argparse
import http.client
import json
import socket
import statistics
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.request import urlopen
from uuid import uuid4

from fresh import Fresh, cpu, fresh_database, role, server_process
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from tocsin.commands.apps import INSTANCE, create_app, ensure_instance
from tocsin.commands.context import Context
from tocsin.commands.credentials import issue_credential
from tocsin.commands.engine import Engine
from tocsin.domain.entry import system
from tocsin.eventlog.record import Record
from tocsin.projections.registry import NAMES, passed

SECONDS = 4.0
"""How long each round of registrations lasts."""

PIECE = 1000
"""Lines the client sends at a time."""


@dataclass(frozen=True)
class Target:
    """Where an app's API is, and the token for it."""

    port: int
    app_id: str
    token: str

    def address(self, path: str) -> str:
        return f"/v1/apps/{self.app_id}{path}"

    def headers(self, kind: str = "application/json") -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}", "Content-Type": kind}


def registration() -> bytes:
    """A new device such as an SDK reports it."""
    token = uuid4().hex + uuid4().hex
    return (
        f'{{"platform":"ios","token":"{token}","user":"{token[:12]}@university.example","environment":"production",'
        f'"attributes":{{"model":"iPhone17,1","os_version":"19.2"}},"tags":["all"]}}'
    ).encode()


def register(target: Target, prefer: str | None, seconds: float) -> int:
    """Register devices one after the other for so long; how many."""
    connection = http.client.HTTPConnection("127.0.0.1", target.port)
    headers = target.headers() | ({"Prefer": prefer} if prefer else {})
    until = time.perf_counter() + seconds
    count = 0
    while time.perf_counter() < until:
        connection.request("POST", target.address("/devices"), registration(), headers)
        answer = connection.getresponse()
        body = answer.read()
        assert answer.status == 201, body
        count += 1
    return count


def registrations(target: Target, clients: int, prefer: str | None) -> float:
    """Registrations a second of so many clients."""
    start = time.perf_counter()
    with ProcessPoolExecutor(clients) as pool:
        counts = list(pool.map(register, [target] * clients, [prefer] * clients, [SECONDS] * clients))
    return sum(counts) / (time.perf_counter() - start)


def token_alone() -> bytes:
    """A new device of which no more is known than how to reach it."""
    return f'{{"platform":"ios","token":"{uuid4().hex}{uuid4().hex}"}}'.encode()


KINDS = {"of a token alone": token_alone, "with a user and a tag": registration}


def bulk_import(target: Target, line: Callable[[], bytes], devices: int) -> tuple[float, float, int]:
    """When an import began, the seconds it took, and the position of its last event."""
    lines = [line() + b"\n" for _ in range(devices)]
    pieces = [b"".join(lines[start : start + PIECE]) for start in range(0, devices, PIECE)]
    connection = http.client.HTTPConnection("127.0.0.1", target.port)
    start = time.perf_counter()
    headers = target.headers("application/x-ndjson")
    connection.request("POST", target.address("/devices/import"), iter(pieces), headers, encode_chunked=True)
    answer = connection.getresponse()
    *_, last = answer.read().splitlines()
    taken = time.perf_counter() - start
    summary = json.loads(last)["summary"]
    assert summary["created"] == devices, summary
    return start, taken, summary["position"]


def await_readable(record: Record, position: int) -> None:
    """Wait until every read model has passed a position."""
    while True:
        with record.sessions.connection() as connection:
            if passed(connection, NAMES) >= position:
                return
        time.sleep(0.05)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def serving(fresh: Fresh, port: int, workers: int) -> Iterator[int]:
    """`tocsin api`, from when it answers; the number of its process."""
    with role(fresh, "api", "--port", str(port), "--workers", str(workers)) as process:
        while True:
            try:
                with urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5):
                    break
            except OSError:
                time.sleep(0.1)
        yield process


def prepared(record: Record, port: int) -> Target:
    """An app of its own, and a token for it."""
    engine, context = Engine(record), Context(system("benchmark"))
    ensure_instance(engine, context)
    app_id = create_app(engine, Context(context.actor), "Benchmark").result.app_id
    issued = issue_credential(
        engine, Context(context.actor), INSTANCE, kind="bearer", dialect="native", name="b", roles=["admin"]
    )
    await_readable(record, issued.position)
    return Target(port, str(app_id), issued.result.secret)


def measure_registrations(target: Target, clients: list[int], rounds: int, progress: Progress) -> Table:
    table = Table("clients", "registrations/s", "at once/s", title="POST /devices, medians")
    for column in table.columns:
        column.justify = "right"
    task = progress.add_task("registrations", total=len(clients) * rounds * 2)
    for number in clients:
        rates: dict[str | None, list[float]] = {None: [], "respond-async": []}
        for _ in range(rounds):
            for prefer, found in rates.items():
                found.append(registrations(target, number, prefer))
                progress.advance(task)
        table.add_row(str(number), *(f"{statistics.median(found):,.0f}" for found in rates.values()))
    return table


def measure_import(
    target: Target, record: Record, kind: str, processes: dict[str, int], options: argparse.Namespace,
    progress: Progress,
) -> Table:  # fmt: skip
    title = f"POST /devices/import of {options.devices:,} devices {kind}, medians"
    table = Table("", "devices/s", "seconds", title=title)
    for column in table.columns[1:]:
        column.justify = "right"
    used = {name: -cpu(pid) for name, pid in processes.items()}
    task = progress.add_task(f"import {kind}", total=options.rounds)
    answered, readable = [], []
    for _ in range(options.rounds):
        start, taken, position = bulk_import(target, KINDS[kind], options.devices)
        answered.append(taken)
        if options.project:
            await_readable(record, position)
            readable.append(time.perf_counter() - start)
        progress.advance(task)
    for name, found in (("import", answered), ("until readable", readable)):
        if found:
            seconds = statistics.median(found)
            table.add_row(name, f"{options.devices / seconds:,.0f}", f"{seconds:.1f}")
    for name, pid in processes.items():
        each = (used[name] + cpu(pid)) / options.rounds / options.devices
        table.add_row(f"CPU of {name}", "", f"{each * 1e6:.0f} µs a device")
    return table


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--devices", type=int, default=200_000, help="of one import (200000)")
    parser.add_argument("--clients", default="1,4,8", help="client processes, one table row each (1,4,8)")
    parser.add_argument("--workers", type=int, default=2, help="processes of the API (2)")
    parser.add_argument("--only", choices=("registrations", "import"))
    parser.add_argument("--project", action=argparse.BooleanOptionalAction, default=True,
                        help="keep the read models up to date meanwhile, as in production")  # fmt: skip
    options = parser.parse_args()
    if not options.project and options.only != "import":
        parser.error("--no-project goes with --only import: a registration is answered when it can be read")
    return options


def main() -> None:
    options, console, port = parsed(), Console(), free_port()
    tables: list[Any] = []
    with fresh_database() as fresh, closing(fresh.open()) as record, serving(fresh, port, options.workers) as api:
        processes = {"the API": api, "PostgreSQL": server_process(record)}
        with role(fresh, "project") as projector:
            target = prepared(record, port)
            with Progress(console=console, transient=True) as progress:
                if options.only != "import":
                    clients = [int(number) for number in options.clients.split(",")]
                    tables.append(measure_registrations(target, clients, options.rounds, progress))
                if options.only != "registrations" and options.project:
                    everybody = {**processes, "the projector": projector}
                    tables += [measure_import(target, record, kind, everybody, options, progress) for kind in KINDS]
        if not options.project:
            with Progress(console=console, transient=True) as progress:
                tables += [measure_import(target, record, kind, processes, options, progress) for kind in KINDS]
    for table in tables:
        console.print(table)


if __name__ == "__main__":
    main()
