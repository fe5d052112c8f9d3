"""Commands on operations: what operators and auditors do is recorded as they do it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from tocsin.commands.apps import INSTANCE
from tocsin.commands.context import Context
from tocsin.commands.engine import Decision, Done, Engine
from tocsin.commands.ids import new_id
from tocsin.domain import operation
from tocsin.domain.events.operation import OperationKind
from tocsin.domain.operation import FinishOperation, Operation, StartOperation


@dataclass(frozen=True, slots=True)
class OperationResult:
    """An operation as it stands."""

    operation_id: UUID
    operation: Operation


def start_operation(
    engine: Engine, context: Context, operation_id: UUID, kind: OperationKind, parameters: dict[str, Any]
) -> Done[OperationResult]:
    """Record that somebody begins a rebuild, an export, a restore or an audit read. Raises Conflict, Invalid."""
    return _carry_out(engine, context, operation_id, StartOperation(kind=kind, parameters=parameters))


def finish_operation(
    engine: Engine, context: Context, operation_id: UUID, outcome: str, result: dict[str, Any] | None = None
) -> Done[OperationResult]:
    """Record how it ended: ``succeeded`` or ``failed``, with counts and positions. Raises NotFound, Conflict."""
    again = replace(context, command_id=new_id())
    return _carry_out(engine, again, operation_id, FinishOperation(outcome=outcome, result=result or {}))


def _carry_out(engine: Engine, context: Context, operation_id: UUID, command: Any) -> Done[OperationResult]:
    def decide() -> Decision[OperationResult]:
        loaded = engine.load(operation_id, operation)
        facts, state = loaded.decide(command)
        assert state is not None
        return Decision(OperationResult(operation_id, state), [loaded.change(INSTANCE, facts)])

    return engine.carry_out(context, decide)
