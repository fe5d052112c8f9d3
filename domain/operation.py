"""What operators and auditors do: begun with what was asked, finished with how it went."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec
from msgspec.structs import replace

from tocsin.domain.entry import Fact
from tocsin.domain.errors import Conflict, NotFound
from tocsin.domain.events.operation import OperationFinished, OperationKind, OperationStarted
from tocsin.domain.rules import Command, OutOfPlace, json_object, one_of

MAX_DETAILS = 16_384
"""Bytes of JSON."""


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """``outcome`` None: still under way, or cut off."""

    kind: OperationKind
    parameters: dict[str, Any] = {}
    outcome: str | None = None
    result: dict[str, Any] = {}


class StartOperation(Command, frozen=True, kw_only=True):
    kind: OperationKind
    parameters: dict[str, Any] = {}


class FinishOperation(Command, frozen=True, kw_only=True):
    """``outcome``: ``succeeded`` or ``failed``."""

    outcome: str
    result: dict[str, Any] = {}


OperationCommand = StartOperation | FinishOperation


def decide(state: Operation | None, command: OperationCommand) -> list[Fact]:
    """The fact of a start or of the one finish. Errors: Conflict, NotFound, Invalid."""
    if isinstance(command, StartOperation):
        if state is not None:
            raise Conflict("this operation was started already")
        json_object(command.parameters, "parameters", MAX_DETAILS)
        return [OperationStarted(kind=command.kind, parameters=command.parameters)]
    if state is None:
        raise NotFound("there is no such operation")
    if state.outcome is not None:
        raise Conflict(f"this operation has {state.outcome} already")
    one_of(command.outcome, "outcome", ("succeeded", "failed"))
    json_object(command.result, "result", MAX_DETAILS)
    return [OperationFinished(outcome=command.outcome, result=command.result)]


def fold(facts: Iterable[Fact], state: Operation | None = None) -> Operation | None:
    """The state after ``facts``, from ``state`` or from nothing."""
    for fact in facts:
        state = evolve(state, fact)
    return state


def evolve(state: Operation | None, fact: Fact) -> Operation:
    """The state after ``fact``. Errors: OutOfPlace for a fact that cannot stand there."""
    if state is None and isinstance(fact, OperationStarted):
        return Operation(kind=fact.kind, parameters=fact.parameters)
    if state is not None and isinstance(fact, OperationFinished):
        return replace(state, outcome=fact.outcome, result=fact.result)
    raise OutOfPlace("operation", fact)
