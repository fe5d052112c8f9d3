"""The Operation stream: what operators and auditors did is history too."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from tocsin.domain.entry import Fact


class OperationKind(StrEnum):
    REBUILD = "rebuild"
    EXPORT = "export"
    RESTORE = "restore"
    AUDIT_READ = "audit-read"


class OperationStarted(Fact, frozen=True, kw_only=True):
    kind: OperationKind
    parameters: dict[str, Any] = {}


class OperationFinished(Fact, frozen=True, kw_only=True):
    """``outcome``: ``succeeded`` or ``failed``. ``result``: counts and positions, never content."""

    outcome: str
    result: dict[str, Any] = {}
