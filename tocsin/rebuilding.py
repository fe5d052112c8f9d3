"""Long work an operator starts from the command line, with its progress shown and its doing recorded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from tocsin.administration import administering
from tocsin.commands.claims import claims_of
from tocsin.commands.context import Context
from tocsin.commands.engine import Engine
from tocsin.commands.ids import new_id
from tocsin.commands.operations import finish_operation, start_operation
from tocsin.domain.events.operation import OperationKind
from tocsin.eventlog import claims_check
from tocsin.eventlog.record import Record
from tocsin.eventlog.rotation import rotate
from tocsin.projections.fingerprint import fingerprint
from tocsin.projections.rebuild import Rebuilt, rebuild
from tocsin.projections.registry import NAMES, chosen
from tocsin.settings import Settings


def rebuild_with_progress(settings: Settings, names: Sequence[str], console: Console) -> list[Rebuilt]:
    """Rebuild these read models (none named: all), with a progress bar. Raises UnknownProjection, NotReady."""
    wanted = tuple(names) or NAMES
    chosen(wanted)
    with administering(settings) as (engine, context), _recorded(engine, context, wanted) as result:
        with _bars(console) as bars:
            tasks = {name: bars.add_task(name, total=None) for name in wanted}
            rebuilt = rebuild(
                engine.record,
                wanted,
                lambda name, done, total: bars.update(tasks[name], completed=done, total=total),
            )
        result.update({one.name: one.position for one in rebuilt})
    return rebuilt


@contextmanager
def _recorded(engine: Engine, context: Context, names: Sequence[str]) -> Iterator[dict[str, int]]:
    """A rebuild is history too: that it began, by whom, and how it ended."""
    operation = new_id()
    start_operation(engine, context, operation, OperationKind.REBUILD, {"read_models": list(names)})
    result: dict[str, int] = {}
    try:
        yield result
    except BaseException:
        finish_operation(engine, context, operation, "failed")
        raise
    finish_operation(engine, context, operation, "succeeded", {"positions": result})


def fingerprints(record: Record, names: Sequence[str] = NAMES) -> dict[str, str]:
    """A digest of the content of each of these read models."""
    with record.sessions.connection() as connection:
        return {name: fingerprint(connection, name) for name in names}


def check_claims(settings: Settings, console: Console, *, repair: bool) -> bool:
    """Compare the claims with the record, or make them follow it; True where nothing is left that differs."""
    with administering(settings) as (engine, _), _bars(console) as bars:
        task = bars.add_task("events", total=None)
        derive = partial(claims_of, engine)

        def show(done: int, total: int) -> None:
            bars.update(task, completed=done, total=total)

        if repair:
            repaired = claims_check.repair(engine.record, derive, progress=show)
            left, changed = repaired.contested, repaired.changed
        else:
            left, changed = list(claims_check.differences(engine.record, derive, progress=show)), 0
    for difference in left:
        console.print(
            f"app {difference.app_id}, {difference.kind} {difference.digest.hex()[:16]}: "
            f"held by {difference.held_by}, by the record {difference.derived_for}",
            soft_wrap=True,
        )
    console.print(f"{changed} put right, {len(left)} differ." if repair else f"{len(left)} claims differ.")
    return not left


def rotate_with_progress(settings: Settings, console: Console) -> int:
    """Wrap everything under the newest master key; returns how much was."""
    with administering(settings) as (engine, _), _bars(console) as bars:
        task = bars.add_task("keys", total=None)
        return rotate(engine.record, lambda done, total: bars.update(task, completed=done, total=total))


def _bars(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description:<14}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), console=console
    )
