"""Units as the parallel arrays that the append functions of the database take: one round trip for all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from tocsin.eventlog.packed import Packed, byteas, int2s, int4s, int8s, texts, uuids
from tocsin.eventlog.unit import Unit

_PACK: dict[str, Callable[[Iterable[Any]], Packed]] = {
    "int2": int2s,
    "int4": int4s,
    "int8": int8s,
    "uuid": uuids,
    "bytea": byteas,
    "text": texts,
}

_EVENTS = ("int4", "uuid", "int4", "uuid", "uuid", "text", "int2", "bytea")
_COUNTS = ("int4",)
_STREAMS = ("int4", "uuid", "int4")
_CLAIMS = ("int4", "uuid", "text", "bytea", "uuid", "uuid")
_KEYS = ("int4", "uuid", "int4", "bytea")
_SEALED = ("int4", "int8")
_COMMANDS = ("int4", "uuid", "bytea", "bytea", "bytea")
_SECRETS = ("int4", "uuid", "uuid", "text", "bytea")
_BESIDES = (_COUNTS, _STREAMS, _CLAIMS, _KEYS, _SEALED, _COMMANDS, _SECRETS)


def _arrays(*groups: Sequence[str]) -> str:
    return ", ".join(f"%b::{kind}[]" for group in groups for kind in group)


APPEND = f"select * from record.append({_arrays(_EVENTS)}, %s, {_arrays(*_BESIDES)})"
RESERVE = f"select * from record.reserve(%s, {_arrays(*_BESIDES)})"


def append_parameters(units: Sequence[Unit]) -> list[Any]:
    """For ``APPEND``."""
    return [*_columns(_EVENTS, _event_rows(units)), *reserve_parameters(units, careful=True)]


def reserve_parameters(units: Sequence[Unit], *, careful: bool) -> list[Any]:
    """For ``RESERVE``: everything of the units but their events.

    ``careful``: streams and keys that should be new are looked up; otherwise the tables' unique keys have to tell.
    """
    return [
        careful,
        *_columns(_COUNTS, [(len(unit.events),) for unit in units]),
        *_columns(_STREAMS, _stream_rows(units, careful)),
        *_columns(_CLAIMS, _claim_rows(units)),
        *_columns(_KEYS, _key_rows(units)),
        *_columns(_SEALED, _sealed_rows(units)),
        *_columns(_COMMANDS, _command_rows(units)),
        *_columns(_SECRETS, _secret_rows(units)),
    ]


def _columns(kinds: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> list[Packed]:
    columns: Iterable[Iterable[Any]] = zip(*rows, strict=True) if rows else [()] * len(kinds)
    return [_PACK[kind](column) for kind, column in zip(kinds, columns, strict=True)]


def _event_rows(units: Sequence[Unit]) -> list[tuple[Any, ...]]:
    return [
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
        for number, unit in enumerate(units)
        for event in unit.events
    ]


def _stream_rows(units: Sequence[Unit], careful: bool) -> list[tuple[Any, ...]]:
    return [
        (number, stream, first)
        for number, unit in enumerate(units)
        for stream, first in unit.streams.items()
        if careful or first > 1
    ]


def _claim_rows(units: Sequence[Unit]) -> list[tuple[Any, ...]]:
    return [
        (number, claim.app_id, claim.kind, claim.digest, claim.stream_id, claim.moved_from)
        for number, unit in enumerate(units)
        for claim in unit.claims
    ]


def _key_rows(units: Sequence[Unit]) -> list[tuple[Any, ...]]:
    return [
        (number, key.subject, key.generation, key.wrapped) for number, unit in enumerate(units) for key in unit.keys
    ]


def _sealed_rows(units: Sequence[Unit]) -> list[tuple[Any, ...]]:
    return [(number, unit.erasures) for number, unit in enumerate(units) if unit.erasures is not None]


def _command_rows(units: Sequence[Unit]) -> list[tuple[Any, ...]]:
    return [
        (number, command.scope, command.key_digest, command.request_digest, command.answer)
        for number, unit in enumerate(units)
        if (command := unit.command) is not None
    ]


def _secret_rows(units: Sequence[Unit]) -> list[tuple[Any, ...]]:
    return [
        (number, secret.secret_id, secret.app_id, secret.kind, secret.sealed)
        for number, unit in enumerate(units)
        for secret in unit.secrets
    ]
