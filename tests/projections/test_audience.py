"""Who is in an audience as of a position: the record replayed up to it says so, and so must the read model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID, uuid4, uuid5

import pytest
from history import History
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from psycopg import Connection

from tocsin.domain import device as devices
from tocsin.domain import expression
from tocsin.domain.audience import Audience
from tocsin.domain.device import Device
from tocsin.domain.entry import Entry, Fact
from tocsin.domain.errors import Conflict, NotFound
from tocsin.domain.events.app import AppCreated, ProviderConfigured, ProviderRemoved
from tocsin.domain.events.device import (
    DeviceRegistered,
    DeviceRetired,
    OptedOut,
    Retirement,
    Subscribed,
    Unsubscribed,
)
from tocsin.domain.events.send import Exclusion
from tocsin.domain.events.user import UserCreated, UserErased
from tocsin.domain.personal import Personal
from tocsin.domain.platforms import provider_for
from tocsin.projections.audience import AudienceRow, TooEarly, count, resolve
from tocsin.projections.rebuild import rebuild

Project = Callable[..., None]

PEOPLE = UUID(int=0x9E09)
USERS = ("alice", "bob")
ALIASES = ("desk", "door")
TAGS = ("staff", "on-leave", "floor:3")
PLATFORMS = ("ios", "android", "huawei")


def person(name: str) -> Personal:
    return Personal(uuid5(PEOPLE, name), name)


def configured(provider: str) -> ProviderConfigured:
    return ProviderConfigured(provider=provider, configuration={}, secret_id=uuid4(), fingerprint="f")


def commands(device_id: UUID) -> st.SearchStrategy[devices.DeviceCommand]:
    token = st.sampled_from([None, Personal(device_id, "one"), Personal(device_id, "two")])
    user = st.sampled_from([None, *map(person, USERS)])
    alias = st.sampled_from([None, *(Personal(device_id, alias) for alias in ALIASES)])
    tag = st.sampled_from(TAGS)
    return st.one_of(
        st.builds(devices.RegisterDevice, platform=st.sampled_from(PLATFORMS), token=token, user=user, alias=alias,
                  token_shape=st.just(False)),
        st.builds(devices.UpdateDevice, user=user, alias=alias),
        st.builds(devices.ChangeToken, token=token, token_shape=st.just(False)),
        st.builds(devices.Subscribe, tag=tag),
        st.builds(devices.Subscribe, tag=tag),
        st.builds(devices.Unsubscribe, tag=tag),
        st.builds(devices.OptOut),
        st.builds(devices.OptIn),
        st.builds(devices.RetireDevice, reason=st.sampled_from(Retirement)),
    )  # fmt: skip


def lives(device_id: UUID) -> st.SearchStrategy[list[Fact]]:
    """Whatever can happen to one device, as its own rules allow it."""
    return st.lists(commands(device_id), max_size=12).map(decided)


def decided(wanted: Sequence[devices.DeviceCommand]) -> list[Fact]:
    state: Device | None = None
    facts: list[Fact] = []
    for command in wanted:
        try:
            new = devices.decide(state, command)
        except (Conflict, NotFound):
            continue  # what the rules refuse does not happen
        state = devices.fold(new, state)
        facts += new
    return facts


IDS = [uuid5(PEOPLE, f"device {number}") for number in range(4)]

providers = st.sampled_from([configured("apns"), configured("fcm"), ProviderRemoved(provider="apns")])
texts = st.sampled_from(
    ["staff", "!staff", "(staff && !on-leave) || floor:3", "!(staff || floor:3)", "staff && floor:3", "!!on-leave"]
)
audiences = st.builds(
    Audience,
    everyone=st.booleans(),
    devices=st.lists(st.sampled_from(IDS), max_size=2).map(tuple),
    users=st.lists(st.sampled_from(USERS).map(person), max_size=2).map(tuple),
    aliases=st.lists(st.sampled_from(ALIASES).map(person), max_size=2).map(tuple),
    tags=st.lists(st.sampled_from(TAGS), max_size=2).map(tuple),
    expression=st.none() | texts,
    platforms=st.just(()) | st.lists(st.sampled_from(PLATFORMS), min_size=1, max_size=2).map(tuple),
)


def sensible(facts: Sequence[ProviderConfigured | ProviderRemoved]) -> list[Fact]:
    """Without the removals of what is not there."""
    kept: list[Fact] = []
    there: set[str] = set()
    for fact in facts:
        if isinstance(fact, ProviderConfigured) or fact.provider in there:
            kept.append(fact)
        (there.add if isinstance(fact, ProviderConfigured) else there.discard)(fact.provider)
    return kept


@st.composite
def histories(draw: st.DrawFn) -> list[tuple[UUID | None, Fact]]:
    """Facts of several devices and of their app (None), interleaved at random."""
    streams: list[tuple[UUID | None, list[Fact]]] = [(one, draw(lives(one))) for one in IDS]
    streams.append((None, sensible(draw(st.lists(providers, max_size=4)))))
    order = draw(st.permutations([number for number, (_, facts) in enumerate(streams) for _ in facts]))
    left = [iter(facts) for _, facts in streams]
    return [(streams[number][0], next(left[number])) for number in order]


def expected(entries: Sequence[Entry], app_id: UUID, audience: Audience, as_of: int) -> list[AudienceRow]:
    """The audience by the domain's own rules: every stream folded up to the position."""
    before = [entry for entry in entries if entry.position <= as_of]
    configured_now: set[str] = set()
    states: dict[UUID, Device] = {}
    for entry in before:
        if isinstance(entry.fact, ProviderConfigured):
            configured_now.add(entry.fact.provider)
        elif isinstance(entry.fact, ProviderRemoved):
            configured_now.discard(entry.fact.provider)
        elif entry.originator_id != app_id:
            states[entry.originator_id] = devices.evolve(states.get(entry.originator_id), entry.fact)
    # What was erased since, nobody can look for any more.
    erased = {
        entry.originator_id
        for entry in entries
        if isinstance(entry.fact, DeviceRetired) and entry.fact.reason is Retirement.ERASED
    }
    states = {one: replace(state, alias=None) if one in erased else state for one, state in states.items()}
    rows = [
        AudienceRow(device_id, state.platform, provider_for(state.platform), exclusion(state, configured_now))
        for device_id, state in states.items()
        if is_meant(device_id, state, audience)
    ]
    return sorted(rows, key=in_order)


def in_order(row: AudienceRow) -> tuple[bool, str, UUID]:
    """Those to send to by provider and device, then those left out by device."""
    return row.exclusion is not None, (row.provider or "") if row.exclusion is None else "", row.device_id


def is_meant(device_id: UUID, state: Device, audience: Audience) -> bool:
    named = (
        audience.everyone
        or device_id in audience.devices
        or (state.user is not None and state.user.subject in {user.subject for user in audience.users})
        or (state.alias is not None and state.alias.value in {alias.value for alias in audience.aliases})
        or bool(state.tags & set(audience.tags))
        or (audience.expression is not None and expression.matches(expression.parse(audience.expression), state.tags))
    )
    return named and (not audience.platforms or state.platform in audience.platforms)


def exclusion(state: Device, configured_now: set[str]) -> Exclusion | None:
    if state.retired is not None:
        return Exclusion.RETIRED
    if state.opted_out:
        return Exclusion.OPTED_OUT
    if state.token is None:
        return Exclusion.NO_TOKEN
    return None if provider_for(state.platform) in configured_now else Exclusion.NO_PROVIDER


@settings(max_examples=40)
@given(facts=histories(), asked=st.lists(audiences, min_size=1, max_size=4), data=st.data())
def test_an_audience_as_of_a_position_is_what_the_record_up_to_it_says(
    history: History,
    project: Project,
    connection: Connection[Any],
    facts: list[tuple[UUID | None, Fact]],
    asked: list[Audience],
    data: st.DataObject,
) -> None:
    scene = History(history.record)
    ids = {one: uuid4() for one in IDS}
    start = history.position = scene.append(scene.app_id, AppCreated(name="app"))
    cut = data.draw(st.integers(0, len(facts)))
    for part in (facts[:cut], facts[cut:]):
        if part:
            history.position = scene.append_each(
                (scene.app_id if stream is None else ids[stream], fact) for stream, fact in part
            )
        project("audience")
    entries = history.record.codec.decode(history.record.read(start, 1000))
    digest = history.record.keyring.digest
    for audience in asked:
        wanted = replace(audience, devices=tuple(ids[one] for one in audience.devices))
        for offset in data.draw(st.lists(st.integers(0, len(facts)), min_size=1, max_size=6)):
            as_of = start + offset
            found = list(resolve(connection, scene.app_id, wanted, as_of, digest))
            assert found == expected(entries, scene.app_id, wanted, as_of)
            counted = count(connection, scene.app_id, wanted, digest, as_of)
            assert counted.by_provider == Counter(row.provider for row in found if row.exclusion is None)
            assert counted.excluded == Counter(row.exclusion for row in found if row.exclusion is not None)


def ready_device(history: History, *facts: Fact, platform: str = "ios") -> UUID:
    device_id = uuid4()
    history.append(device_id, DeviceRegistered(platform=platform, token=Personal(device_id, "t")), *facts)
    return device_id


def test_the_audience_of_then_is_the_same_after_everything_changed_and_was_rebuilt(
    history: History, project: Project, connection: Connection[Any]
) -> None:
    history.append(history.app_id, AppCreated(name="app"), configured("apns"), configured("fcm"))
    staff = [ready_device(history, Subscribed(tag="staff"), platform=platform) for platform in ("android", "ios")]
    then = history.position
    history.append(staff[0], Unsubscribed(tag="staff"), OptedOut())
    history.append(staff[1], DeviceRetired(reason=Retirement.UNREGISTERED))
    history.append(history.app_id, ProviderRemoved(provider="apns"), ProviderRemoved(provider="fcm"))
    ready_device(history, Subscribed(tag="staff"))
    digest = history.record.keyring.digest

    def asked(as_of: int) -> list[AudienceRow]:
        return list(resolve(connection, history.app_id, Audience(tags=("staff",)), as_of, digest))

    project("audience")
    answer = [AudienceRow(staff[1], "ios", "apns", None), AudienceRow(staff[0], "android", "fcm", None)]
    assert asked(then) == answer
    assert {row.exclusion for row in asked(history.position)} == {Exclusion.RETIRED, Exclusion.NO_PROVIDER}
    rebuild(history.record, ["audience"])
    assert asked(then) == answer


def test_whoever_takes_the_name_of_an_erased_person_is_another_one(
    history: History, project: Project, connection: Connection[Any]
) -> None:
    history.append(history.app_id, AppCreated(name="app"), configured("apns"))
    alice = person("alice")
    first = uuid4()
    history.append(alice.subject, UserCreated(name=alice))
    before = history.append(first, DeviceRegistered(platform="ios", token=Personal(first, "t"), user=alice))
    with connection.transaction():
        history.record.keyring.destroy(connection, [alice.subject])
    history.append(alice.subject, UserErased())
    second = uuid4()
    history.append(second, DeviceRegistered(platform="ios", token=Personal(second, "t"), user=alice))
    digest = history.record.keyring.digest

    def asked(as_of: int) -> list[UUID]:
        rows = resolve(connection, history.app_id, Audience(users=(alice,)), as_of, digest)
        return [row.device_id for row in rows]

    project("audience")
    assert asked(before) == [first]
    assert asked(history.position) == [second]
    rebuild(history.record, ["audience"])
    assert asked(before) == [first]
    assert asked(history.position) == [second]


def test_a_position_the_read_model_has_not_reached_is_no_answer_yet(
    history: History, project: Project, connection: Connection[Any]
) -> None:
    ready_device(history)
    project("audience")
    digest = history.record.keyring.digest
    with pytest.raises(TooEarly):
        list(resolve(connection, history.app_id, Audience(everyone=True), history.position + 100, digest))
    with pytest.raises(TooEarly):
        count(connection, history.app_id, Audience(everyone=True), digest, history.position + 100)


def test_an_audience_is_streamed_by_provider_and_device_and_after_it_who_is_left_out(
    history: History, project: Project, connection: Connection[Any]
) -> None:
    ids = [uuid4() for _ in range(12_000)]
    platforms = ("windows", "android", "ios", "web")
    history.append(history.app_id, *map(configured, ("apns", "fcm", "wns")))
    history.append_each(
        (
            device_id,
            DeviceRegistered(platform=platforms[number % 4], token=Personal(device_id, "t") if number % 5 else None),
        )
        for number, device_id in enumerate(ids)
    )
    project("audience")
    digest = history.record.keyring.digest
    found = list(resolve(connection, history.app_id, Audience(everyone=True), history.position, digest))
    assert len(found) == 12_000
    assert {row.provider for row in found if row.exclusion is None} == {"apns", "fcm", "wns"}
    assert found == sorted(found, key=in_order)
