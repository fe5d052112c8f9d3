"""The read model of operations: who rebuilt, exported, restored or read what, and how it ended."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from msgspec.structs import replace
from psycopg import Connection

from tocsin.domain.entry import Entry
from tocsin.domain.events.operation import OperationFinished, OperationKind, OperationStarted
from tocsin.projections.cursors import settled
from tocsin.projections.pages import Conditions, Page, page
from tocsin.projections.projection import Projection, Target, of_streams
from tocsin.projections.tables import Table

SCHEMA = "operations_v1"


class Operation(msgspec.Struct, frozen=True):
    """``started_by``: the principal. ``outcome``: ``succeeded`` or ``failed``, None while it runs or after it was
    killed. ``app_id``: ``Entry.NO_APP`` where it is the whole instance's."""

    operation_id: UUID
    app_id: UUID
    kind: str
    parameters: dict[str, Any]
    started_by: str
    started_at: datetime
    outcome: str | None
    result: dict[str, Any] | None
    finished_at: datetime | None
    created_position: int
    position: int


_OPERATIONS = Table(SCHEMA, "operation", Operation, "operation_id")


class OperationsProjection(Projection):
    """Folds the Operation streams."""

    name = "operations"
    wanted = of_streams("operation")

    def fold(self, target: Target, entries: Sequence[Entry]) -> None:
        before = _OPERATIONS.load(target, {entry.originator_id for entry in entries})
        rows = dict(before)
        for entry in entries:
            rows[entry.originator_id] = _evolved(rows.get(entry.originator_id), entry)
        _OPERATIONS.save(target, before, rows)


def _evolved(row: Operation | None, entry: Entry) -> Operation:
    fact = entry.fact
    if isinstance(fact, OperationStarted):
        return _started(fact, entry)
    if row is None or not isinstance(fact, OperationFinished):
        raise LookupError(f"operation {entry.originator_id} was never started")
    return replace(
        row, outcome=fact.outcome, result=fact.result, finished_at=entry.recorded_at, position=entry.position
    )


def _started(fact: OperationStarted, entry: Entry) -> Operation:
    assert entry.recorded_at is not None
    return Operation(
        operation_id=entry.originator_id,
        app_id=entry.app_id,
        kind=fact.kind.value,
        parameters=fact.parameters,
        started_by=entry.actor.principal,
        started_at=entry.recorded_at,
        outcome=None,
        result=None,
        finished_at=None,
        created_position=entry.position,
        position=entry.position,
    )


def operation(connection: Connection[Any], operation_id: UUID) -> Operation | None:
    """One operation."""
    return _OPERATIONS.first(connection, "where operation_id = %s", operation_id)


def list_operations(
    connection: Connection[Any], *, kind: OperationKind | None = None, before: int | None = None, limit: int = 100
) -> Page[Operation, int]:
    """Operations, the newest first, from those whose ``created_position`` is below ``before``."""
    conditions = Conditions.of("created_position <= %s", settled(connection, SCHEMA))
    conditions.add(kind, "kind = %s")
    conditions.add(before, "created_position < %s")
    found = _OPERATIONS.select(
        connection, f"{conditions.where} order by created_position desc limit %s", *conditions.parameters, limit + 1
    )
    return page(found, limit, lambda row: row.created_position)
