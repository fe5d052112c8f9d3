"""Counts, deliveries and agenda say of a chunk what its own rules say, whatever happens to it and however it is cut."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from history import History
from hypothesis import given, settings
from hypothesis import strategies as st
from lives import chunk_facts, chunk_lives, moments, planned, requested
from msgspec.structs import replace
from psycopg import Connection

from tocsin.domain import chunk as chunks
from tocsin.domain.chunk import Chunk
from tocsin.domain.entry import Fact
from tocsin.domain.events.chunk import AttemptStarted, Outcome, OutcomeArrivedLate, OutcomeKind, OutcomesRecorded
from tocsin.domain.events.device import BadgeChanged, DeviceRegistered
from tocsin.domain.events.send import AudienceFrozen, Tally
from tocsin.projections import agenda, deliveries, sends
from tocsin.projections.chunk_states import freeze, thaw
from tocsin.projections.fingerprint import fingerprint
from tocsin.projections.rebuild import rebuild

Project = Callable[..., None]

NAMES = ("sends", "deliveries", "agenda")
AT_LAST = chunks.AT_ONCE.replace(year=2100)


def fold(facts: list[Fact]) -> Chunk:
    state = chunks.fold(facts)
    assert state is not None
    return state


@given(life=chunk_lives, not_before=st.none() | moments)
def test_a_frozen_state_thaws_to_what_it_was(life: list[Fact], not_before: datetime | None) -> None:
    state = fold([planned(uuid4(), 0, not_before=not_before), *life])
    thawed = thaw(freeze(state))
    named = replace(thawed, devices=state.devices)
    assert replace(named, final={}) == replace(state, final={})
    assert {kind: group for kind, group in state.final.items() if group} == named.final
    assert freeze(thawed) == freeze(state)


@settings(max_examples=40)
@given(lives=st.lists(chunk_lives, min_size=1, max_size=3), cuts=st.lists(st.integers(0, 45), max_size=2))
def test_read_models_follow_chunks_through_anything(
    history: History,
    project: Project,
    connection: Connection[Any],
    lives: list[list[Fact]],
    cuts: list[int],
) -> None:
    send_id = uuid4()
    history.append(send_id, requested(), AudienceFrozen(as_of=1, audience=6 * len(lives), chunks=len(lives)))
    streams: dict[UUID, list[Fact]] = {
        uuid4(): [planned(send_id, ordinal), *life] for ordinal, life in enumerate(lives)
    }
    facts = [(chunk_id, fact) for chunk_id, life in streams.items() for fact in life]
    for number, (chunk_id, fact) in enumerate(facts):
        if number in cuts:
            project(*NAMES)
        history.append(chunk_id, fact, root=send_id)
    project(*NAMES)
    states = {chunk_id: fold(life) for chunk_id, life in streams.items()}
    assert_counted(history, connection, send_id, states)
    for chunk_id, state in states.items():
        assert_delivered(connection, send_id, chunk_id, state)
        assert_on_the_agenda(connection, chunk_id, state)
        shown = deliveries.badges(connection, state.devices)
        assert shown == {state.devices[index]: badge for index, badge in state.badges.items()}


def test_a_badge_is_what_the_newest_event_made_it(
    history: History, project: Project, connection: Connection[Any]
) -> None:
    send_id, chunk_id, plan = uuid4(), uuid4(), planned(uuid4(), 0)
    one, other, *_ = plan.devices
    history.append(one, DeviceRegistered(platform="ios"), BadgeChanged(badge=3))
    history.append(other, DeviceRegistered(platform="ios"), BadgeChanged(badge=3))
    claim = AttemptStarted(attempt=1, devices=((0, 2),), worker="w", lease_expires_at=AT_LAST, badges=(4, 4))
    history.append(chunk_id, plan, claim, root=send_id)
    project("deliveries", "devices")
    history.append(other, BadgeChanged(badge=0))
    project("deliveries", "devices")
    assert deliveries.badges(connection, [one, other, uuid4()]) == {one: 4, other: 0}


def assert_counted(history: History, connection: Connection[Any], send_id: UUID, states: dict[UUID, Chunk]) -> None:
    found = sends.send(connection, history.app_id, send_id)
    assert found is not None
    total = [chunks.tally(state) for state in states.values()]
    wanted = {name: sum(getattr(one, name) for one in total) for name in Tally.__struct_fields__}
    assert found.tally == Tally(**wanted) == found.by_provider["apns"]
    assert found.tally.audience == 6 * len(states)


def assert_delivered(connection: Connection[Any], send_id: UUID, chunk_id: UUID, state: Chunk) -> None:
    rows = [
        row for row in deliveries.list_deliveries(connection, send_id, limit=1000).items if row.chunk_id == chunk_id
    ]
    assert [row.device_id for row in rows] == list(state.devices)
    for row in rows:
        assert row.outcome == (state.outcome_of(row.index) or "pending")
        assert row.attempts <= state.tries[row.index]


def assert_on_the_agenda(connection: Connection[Any], chunk_id: UUID, state: Chunk) -> None:
    wake = chunks.next_wake(state)
    items = {item.kind: item.due_at for item in agenda.due(connection, AT_LAST, 1000) if item.stream_id == chunk_id}
    unanswered = state.held is None and not state.claimed and bool(state.announced & state.unclaimed)
    assert (items.pop(agenda.DueKind.REPEAT, None) is not None) == unanswered
    if wake is None:
        assert not items
    elif wake == chunks.AT_ONCE:
        assert agenda.DueKind.ANNOUNCE in items
    else:
        assert min(items.values()) == wake


def test_a_late_answer_moves_a_device_from_one_count_to_another(
    history: History, project: Project, connection: Connection[Any]
) -> None:
    send_id, chunk_id = uuid4(), uuid4()
    history.append(send_id, requested())
    claim = AttemptStarted(attempt=1, devices=((0, 6),), worker="w", lease_expires_at=AT_LAST)
    unknown = tuple(Outcome(index, OutcomeKind.UNKNOWN) for index in range(6))
    history.append(chunk_id, planned(send_id, 0), claim, OutcomesRecorded(attempt=1, outcomes=unknown), root=send_id)
    project(*NAMES)
    late = Outcome(2, OutcomeKind.DELIVERED, "its-id", answered_at=AT_LAST)
    history.append(chunk_id, OutcomeArrivedLate(attempt=1, outcomes=(late,)), root=send_id)
    project(*NAMES)
    found = sends.send(connection, history.app_id, send_id)
    assert found is not None
    assert found.tally == Tally(delivered=1, unknown=5)
    (row,) = deliveries.list_deliveries(connection, send_id, outcome="delivered").items
    assert (row.index, row.message_id, row.position) == (2, "its-id", history.position)
    assert len(deliveries.list_deliveries(connection, send_id, outcome="unknown").items) == 5


@settings(max_examples=5)
@given(lives=st.lists(st.lists(chunk_facts, max_size=30), min_size=10, max_size=10))
def test_rebuilt_models_of_chunks_equal_those_that_were_followed(
    history: History, project: Project, connection: Connection[Any], lives: list[list[Fact]]
) -> None:
    send_id = uuid4()
    history.append(send_id, requested())
    for ordinal, life in enumerate(lives):
        history.append(uuid4(), planned(send_id, ordinal), *life, root=send_id)
    project(*NAMES)
    before = {name: fingerprint(connection, name) for name in NAMES}
    rebuild(history.record, NAMES)
    assert {name: fingerprint(connection, name) for name in NAMES} == before
