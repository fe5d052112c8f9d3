"""Units as the parallel arrays that the append functions of the database take: one round trip for all of them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from tocsin.eventlog.unit import Unit


class Arrays:
    """The columns of several units, each row led by the number of its unit."""

    def __init__(self, units: Sequence[Unit]) -> None:
        self._units = units
        self._claims = _columns(
            6,
            (
                (number, claim.app_id, claim.kind, claim.digest, claim.stream_id, claim.moved_from)
                for number, unit in enumerate(units)
                for claim in unit.claims
            ),
        )
        self._keys = _columns(
            4,
            (
                (number, key.subject, key.generation, key.wrapped)
                for number, unit in enumerate(units)
                for key in unit.keys
            ),
        )
        self._commands = _columns(
            5,
            (
                (number, command.scope, command.key_digest, command.request_digest, command.answer)
                for number, unit in enumerate(units)
                if (command := unit.command) is not None
            ),
        )
        self._secrets = _columns(
            5,
            (
                (number, secret.secret_id, secret.app_id, secret.kind, secret.sealed)
                for number, unit in enumerate(units)
                for secret in unit.secrets
            ),
        )
        self.event_count = sum(len(unit.events) for unit in units)

    def append_parameters(self) -> list[Any]:
        """For ``record.append``."""
        events = _columns(
            8,
            (
                (
                    number,
                    event.originator_id,
                    event.originator_version,
                    event.app_id,
                    event.root_id,
                    event.topic,
                    event.schema_version,
                    event.state,
                )
                for number, unit in enumerate(self._units)
                for event in unit.events
            ),
        )
        return [*events, *self._claims, *self._keys, *self._commands, *self._secrets]

    def admit_parameters(self) -> list[Any]:
        """For ``record.admit``."""
        events = _columns(
            3,
            (
                (number, event.originator_id, event.originator_version)
                for number, unit in enumerate(self._units)
                for event in unit.events
            ),
        )
        return [*events, *self._claims, *self._keys[:3], *self._commands[:3]]

    def accompany_parameters(self, refused: list[int], appended_to: int, at: datetime) -> list[Any]:
        """For ``record.accompany``."""
        return [refused, appended_to, at, *self._claims, *self._keys, *self._commands, *self._secrets]


def _columns(width: int, rows: Any) -> list[list[Any]]:
    columns = [list(column) for column in zip(*rows, strict=True)]
    return columns or [[] for _ in range(width)]
