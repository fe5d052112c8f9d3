"""The append by function and the append by COPY are the same append."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st
from psycopg import Connection
from record_builders import APP, stored

from tocsin.eventlog.keyring import NewKey
from tocsin.eventlog.record import Record
from tocsin.eventlog.recorder import Outcome, Recorder
from tocsin.eventlog.unit import Appended, Claim, CommandRecord, Repeated, Secret, Unit

STREAMS = [UUID(int=number) for number in range(1, 4)]
SUBJECTS = [UUID(int=number) for number in range(11, 13)]
TABLES = {
    "head": "position, erasures, epoch",
    "events": "position, stream_id, stream_version, app_id, root_id, type, schema_version, body",
    "claims": "app_id, kind, digest, stream_id",
    "commands": "scope, key_digest, request_digest, answer, position",
    "subject_keys": "subject, generation, wrapped",
    "vault": "secret_id, app_id, kind, sealed",
}


class Copying(Recorder):
    copy_from = 0


class CopyingCarefully(Recorder):
    copy_from = 0

    def _append_by_copy(self, connection: Connection[Any], units: Sequence[Unit]) -> list[Outcome]:
        with connection.transaction():
            return self._copy(connection, units, careful=True)


class Calling(Recorder):
    copy_from = 10**9


@st.composite
def units(draw: st.DrawFn) -> Unit:
    first = draw(st.dictionaries(st.sampled_from(STREAMS), st.integers(1, 3), max_size=2))
    events = [
        stored(stream, version + n, draw(st.binary(max_size=3)))
        for stream, version in first.items()
        for n in range(draw(st.integers(1, 2)))
    ]
    return Unit(
        events,
        draw(st.lists(claims(), max_size=2)),
        draw(st.lists(keys, max_size=2, unique_by=lambda key: key.subject)),
        draw(st.lists(secrets, max_size=1)),
        draw(st.none() | commands),
        draw(st.sampled_from([None, None, 0, 1])),
    )


@st.composite
def claims(draw: st.DrawFn) -> Claim:
    digest = draw(st.sampled_from([b"a", b"b"]))
    holder, other = draw(st.permutations(STREAMS))[:2]
    stream, mover = draw(st.sampled_from([(holder, None), (holder, other), (None, holder)]))
    return Claim(APP, "token", digest, stream, mover)


keys = st.builds(NewKey, st.sampled_from(SUBJECTS), st.just(1), st.sampled_from([b"one", b"two"]))
secrets = st.builds(lambda secret: Secret(secret, APP, "provider", b"sealed"), st.uuids())
commands = st.builds(CommandRecord, st.just(APP), st.sampled_from([b"k", b"l"]), st.just(b"r"), st.binary(max_size=2))
histories = st.lists(st.lists(units(), min_size=1, max_size=4), min_size=1, max_size=4)


def carried_out(
    kind: type[Recorder], record: Record, groups: Sequence[Sequence[Unit]]
) -> tuple[list[Any], dict[str, Any]]:
    """What became of each unit, and the tables afterwards; nothing of it stays."""
    recorder = kind(record.sessions, record.sessions)
    with record.sessions.connection() as connection, connection.transaction(force_rollback=True):
        outcomes = [[plain(outcome) for outcome in recorder.append_with(connection, group)] for group in groups]
        tables = {
            name: sorted(connection.execute(f"select {columns} from record.{name}").fetchall())
            for name, columns in TABLES.items()
        }
    return outcomes, tables


def plain(outcome: Outcome) -> Any:
    if isinstance(outcome, Appended):
        return outcome.first, outcome.last
    return type(outcome), vars(outcome)


@settings(max_examples=70)
@given(groups=histories)
def test_the_same_units_come_to_the_same_by_function_and_by_copy(record: Record, groups: list[list[Unit]]) -> None:
    by_function = carried_out(Calling, record, groups)
    assert carried_out(CopyingCarefully, record, groups) == by_function
    # Of several reasons to refuse a unit this one may meet another first.
    outcomes, tables = carried_out(Copying, record, groups)
    assert (refused(outcomes), tables) == (refused(by_function[0]), by_function[1])
    assert_sound(groups, *by_function)


def refused(outcomes: list[list[Any]]) -> list[list[Any]]:
    """Positions where there are any, and that there are none where there are none."""
    return [[outcome if isinstance(outcome[0], int) else None for outcome in group] for group in outcomes]


def assert_sound(groups: list[list[Unit]], outcomes: list[Any], tables: dict[str, Any]) -> None:
    """Positions and versions are dense, and exactly the appended units are there."""
    pairs = [pair for group, answers in zip(groups, outcomes, strict=True) for pair in zip(group, answers, strict=True)]
    kept = [unit for unit, answer in pairs if isinstance(answer[0], int)]
    events = [event for unit in kept for event in unit.events]
    assert [row[0] for row in tables["events"]] == list(range(1, len(events) + 1))
    assert [(row[1], row[2], row[7]) for row in tables["events"]] == [
        (event.originator_id, event.originator_version, event.state) for event in events
    ]
    assert tables["head"][0][0] == len(events)
    for stream in STREAMS:
        versions = [row[2] for row in tables["events"] if row[1] == stream]
        assert versions == list(range(1, len(versions) + 1))
    assert {row[1] for row in tables["commands"]} == {unit.command.key_digest for unit in kept if unit.command}
    assert len(tables["vault"]) == sum(len(unit.secrets) for unit in kept)
    assert {(row[0], row[1]) for row in tables["subject_keys"]} == {
        (k.subject, k.generation) for u in kept for k in u.keys
    }
    assert not any(answer[0] is Repeated and unit.command is None for unit, answer in pairs)
