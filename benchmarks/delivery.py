"""What one delivery worker does: pushes claimed, sent and recorded, beside a Go client that sends as many.

    python benchmarks/delivery.py [--devices 20000] [--rounds 3] [--project]

A record with that many Apple devices in an embedded PostgreSQL with fsync, `tocsin deliver --provider apns` as a
process, and the Go stand-in for Apple. Each round is a send to all of them: it is planned first, then the worker is
let loose on it. Its time runs from the first claim to the last outcome, by the record's own clock; its CPU is the
process's. In turn with it the Go client sends as many pushes and records nothing. With ``--project`` the read models
follow meanwhile, as in production, on the same cores.

A round counts only if the stand-in took every push once and the record has an outcome for every device. Needs Go 1.26
and openssl.
"""

from __future__ import annotations

import argparse
import json
import ssl
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.request import urlopen
from uuid import UUID

from fresh import Fresh, cpu, fresh_database, role
from rich.console import Console
from rich.progress import track
from rich.table import Table
from transport import ADVICE, GO, KEY_ID, TEAM_ID, TOPIC, alarm, device, measure, stand_in

from tocsin.commands.apps import create_app
from tocsin.commands.context import Context
from tocsin.commands.devices import Registration, register_devices
from tocsin.commands.engine import Engine
from tocsin.commands.providers import configure_provider
from tocsin.commands.sends import request_send
from tocsin.domain.audience import Audience
from tocsin.domain.entry import Entry, system
from tocsin.domain.events.chunk import OutcomeKind, OutcomesRecorded
from tocsin.domain.send import RequestSend
from tocsin.eventlog.record import Record

ACTOR = system("benchmark")
AT_ONCE = 1000
PATIENCE = 120.0


@dataclass(frozen=True)
class StandIn:
    """Where the stand-in answers, and where its keys are."""

    url: str
    made: Path

    @property
    def certs(self) -> Path:
        return self.made / "certs"

    def ask(self, path: str) -> bytes:
        context = ssl.create_default_context(cafile=str(self.certs / "ca.pem"))
        with urlopen(self.url + path, context=context) as answer:
            body: bytes = answer.read()
        return body


def prepared(record: Record, stand_in: StandIn, devices: int) -> UUID:
    """An app that reaches the stand-in, with so many devices."""
    engine = Engine(record)
    app_id = create_app(engine, Context(ACTOR), "Benchmark").result.app_id
    configuration = {
        "authentication": "token",
        "topic": TOPIC,
        "key_id": KEY_ID,
        "team_id": TEAM_ID,
        "base_url": stand_in.url,
        "ca_path": str(stand_in.certs / "ca.pem"),
    }
    configure_provider(engine, Context(ACTOR), app_id, "apns", configuration, (stand_in.certs / "apns.p8").read_bytes())
    for start in track(range(0, devices, AT_ONCE), "Registering"):
        batch = [Registration(platform="ios", token=device(n)) for n in range(start, min(start + AT_ONCE, devices))]
        register_devices(engine, Context(ACTOR), app_id, batch)
    return app_id


def planned(fresh: Fresh, record: Record, app_id: UUID, devices: int) -> int:
    """A send to every device, all of whose chunks are due; how many those are."""
    now = datetime.now(UTC)
    request = RequestSend(
        message=alarm(len(ADVICE)), audience=Audience(everyone=True), now=now, expires_at=now + timedelta(hours=1)
    )
    after = record.head().position
    request_send(Engine(record), Context(ACTOR), app_id, request)
    with role(fresh, "plan"):
        await_that(lambda: sum(len(entry.fact.devices) for entry in told(record, after, "chunk.planned")) == devices)
        chunks = len(told(record, after, "chunk.planned"))
        await_that(lambda: len(told(record, after, "chunk.due")) == chunks)
    return chunks


def told(record: Record, after: int, *types: str) -> list[Any]:
    """What the record says of these types above a position."""
    return record.codec.decode(record.read(after, 1_000_000, types=types))


def await_that(comes_true: Callable[[], bool], every: float = 0.1) -> None:
    deadline = time.monotonic() + PATIENCE
    while not comes_true():
        if time.monotonic() > deadline:
            raise SystemExit("it did not come to that in time")
        time.sleep(every)


def delivered(fresh: Fresh, record: Record, stand_in: StandIn, devices: int, chunks: int) -> tuple[float, float]:
    """Seconds and CPU seconds of a worker from its first claim to its last outcome. SystemExit where one is wrong."""
    stand_in.ask("/reset")
    after = record.head().position
    with role(fresh, "deliver", "--provider", "apns") as worker:
        await_that(lambda: record.head().position > after, every=0.005)
        used = cpu(worker)
        await_that(lambda: len(told(record, after, "chunk.completed")) == chunks)
        used = cpu(worker) - used
    claims, outcomes = told(record, after, "chunk.attempt_started"), told(record, after, "chunk.outcomes_recorded")
    check(outcomes, devices, json.loads(stand_in.ask("/stats")))
    return (outcomes[-1].recorded_at - claims[0].recorded_at).total_seconds(), used


def check(recorded: list[Entry], devices: int, stats: dict[str, Any]) -> None:
    """Every device has one outcome, and had one push."""
    kinds: Counter[OutcomeKind] = Counter()
    seen: set[tuple[UUID, int]] = set()
    for entry in recorded:
        assert isinstance(entry.fact, OutcomesRecorded)
        kinds.update(outcome.kind for outcome in entry.fact.outcomes)
        seen.update((entry.originator_id, outcome.index) for outcome in entry.fact.outcomes)
    if kinds != {OutcomeKind.DELIVERED: devices} or len(seen) != devices or stats["ok"] != devices:
        raise SystemExit(f"of {devices} devices {dict(kinds)} are recorded, the stand-in has {stats}")


def report(console: Console, rounds: dict[str, list[tuple[float, float]]], devices: int) -> None:
    reference = statistics.median(used for _, used in rounds[GO])
    table = Table("", "pushes/s", "µs CPU a push", "of Go's", title=f"{devices:,} pushes, medians")
    for name, runs in rounds.items():
        rate = statistics.median(devices / seconds for seconds, _ in runs)
        used = statistics.median(used for _, used in runs)
        table.add_row(name, f"{rate:,.0f}", f"{used / devices * 1e6:.0f}", f"{used / reference:.2f}")
    console.print(table)


def one_round(
    fresh: Fresh, record: Record, stand_in: StandIn, app_id: UUID, options: argparse.Namespace
) -> tuple[float, float]:
    """Plan a send, and let the worker loose on it."""
    with ExitStack() as projecting:
        projecting.enter_context(role(fresh, "project"))
        chunks = planned(fresh, record, app_id, options.devices)
        if not options.project:
            projecting.close()
        return delivered(fresh, record, stand_in, options.devices, chunks)


def go(stand_in: StandIn, devices: int) -> tuple[float, float]:
    """The Go client's seconds and CPU seconds for as many pushes."""
    cost = measure(GO, stand_in.url, stand_in.made, devices, len(ADVICE))
    return cost["seconds"], cost["cpu"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--devices", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--project", action="store_true", help="keep the read models up to date meanwhile")
    options = parser.parse_args()
    rounds: dict[str, list[tuple[float, float]]] = {GO: [], "tocsin deliver": []}
    with tempfile.TemporaryDirectory() as made, stand_in(Path(made)) as url, fresh_database() as fresh:
        apple = StandIn(url, Path(made))
        with closing(fresh.open()) as record:
            app_id = prepared(record, apple, options.devices)
            for _ in track(range(options.rounds), "Sending"):
                rounds[GO].append(go(apple, options.devices))
                rounds["tocsin deliver"].append(one_round(fresh, record, apple, app_id, options))
    report(Console(), rounds, options.devices)


if __name__ == "__main__":
    main()
