"""Audiences narrowed by properties, by the API devices came through, by segments and by profile, at any position."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest
from history import History
from psycopg import Connection

from tocsin.domain.audience import Audience, Criteria, Segment
from tocsin.domain.entry import Actor
from tocsin.domain.events.app import AppCreated, ProviderConfigured
from tocsin.domain.events.device import (
    DeviceRegistered,
    DeviceRestored,
    DeviceRetired,
    DeviceUpdated,
    Retirement,
    Subscribed,
)
from tocsin.domain.events.user import UserCreated, UserErased
from tocsin.domain.personal import Personal
from tocsin.projections.audience import count, resolve
from tocsin.projections.fingerprint import fingerprint
from tocsin.projections.rebuild import rebuild

Project = Callable[..., None]
EVERYONE = Audience(everyone=True)


def actor(dialect: str) -> Actor:
    return Actor(principal="credential:1", dialect=dialect)


class Town:
    """An app with a provider, and devices with properties."""

    def __init__(self, history: History) -> None:
        self.history = history
        history.append(history.app_id, AppCreated(name="x"), self.configured("apns"))

    def configured(self, provider: str, profile: str = "default") -> ProviderConfigured:
        return ProviderConfigured(
            provider=provider, profile=profile, configuration={}, secret_id=uuid4(), fingerprint="f"
        )

    def device(
        self, properties: dict[str, Any] | None = None, *tags: str, dialect: str = "native", platform: str = "ios"
    ) -> UUID:
        device_id = uuid4()
        registered = DeviceRegistered(
            platform=platform,
            token=Personal(device_id, "token"),
            properties=None if properties is None else Personal(device_id, properties),
        )
        self.history.append(device_id, registered, *(Subscribed(tag=tag) for tag in tags), actor=actor(dialect))
        return device_id

    def update(self, device_id: UUID, properties: dict[str, Any] | None) -> int:
        value = None if properties is None else Personal(device_id, properties)
        return self.history.append(device_id, DeviceUpdated(properties=value))


@pytest.fixture
def town(history: History) -> Town:
    return Town(history)


@pytest.fixture
def meant(history: History, project: Project, connection: Connection[Any]) -> Callable[..., set[UUID]]:
    """Who an audience is, now or as of a position."""

    def found(as_of: int | None = None, **members: Any) -> set[UUID]:
        project("audience")
        audience = Audience(**{"everyone": not members.get("segments"), **members})
        at = as_of or history.position
        rows = resolve(connection, history.app_id, audience, at, history.record.keyring.digest)
        return {row.device_id for row in rows}

    return found


def test_values_of_one_property_are_alternatives_and_properties_all_hold(town: Town, meant: Any) -> None:
    ada = town.device({"city": "Oxford", "age": 30, "likes": ["jazz", "tea"], "vip": True})
    ben = town.device({"city": "London", "age": 30.0, "likes": ["tea"], "vip": False})
    town.device()
    assert meant(properties={"city": ("Oxford", "London")}) == {ada, ben}
    assert meant(properties={"city": ("Oxford",)}) == {ada}
    assert meant(properties={"age": (30,)}) == {ada, ben}
    assert meant(properties={"age": ("30",)}) == set()
    assert meant(properties={"likes": ("jazz", "rock")}) == {ada}
    assert meant(properties={"likes": ("tea",), "vip": (False,)}) == {ben}
    assert meant(properties={"vip": (1,)}) == set()
    assert meant(properties={"city": ("Oxford",), "age": (31,)}) == set()


def test_properties_of_an_earlier_position_are_those_of_then(town: Town, meant: Any) -> None:
    ada = town.device({"city": "Oxford", "age": 30})
    before = town.history.position
    moved = town.update(ada, {"city": "London", "age": 30})
    cleared = town.update(ada, None)
    back = town.update(ada, {"city": "Oxford"})
    oxford = {"city": ("Oxford",)}
    assert [bool(meant(at, properties=oxford)) for at in (before, moved, cleared, back)] == [True, False, False, True]
    aged = {"age": (30,)}
    assert [bool(meant(at, properties=aged)) for at in (before, moved, cleared, back)] == [True, True, False, False]


def test_nothing_of_an_erased_persons_properties_remains(
    town: Town, meant: Any, connection: Connection[Any], project: Project
) -> None:
    ada, ben = town.device({"city": "Oxford"}), town.device({"city": "Oxford"})
    before = town.history.position
    user = uuid4()
    town.history.append(user, UserCreated(name=Personal(user, "ada")))
    project("audience")
    record = town.history.record
    town.history.append(user, UserErased(devices=(ada,)))
    with record.sessions.connection() as session:
        record.keyring.destroy(session, [ada, user])
    assert meant(before, properties={"city": ("Oxford",)}) == {ben}
    live = fingerprint(connection, "audience")
    rebuild(record, ["audience"], processes=1)
    assert fingerprint(connection, "audience") == live


def test_an_audience_may_be_those_who_came_through_an_api(town: Town, meant: Any) -> None:
    native, other = town.device(), town.device(dialect="other")
    assert meant(through=("other",)) == {other}
    assert meant(through=("other", "native")) == {native, other}
    town.history.append(native, DeviceRetired(reason=Retirement.REQUESTED))
    town.history.append(native, DeviceRestored(), actor=actor("other"))
    assert meant(through=("other",)) == {native, other}


def test_a_segment_is_who_meets_its_criteria(town: Town, meant: Any) -> None:
    ada = town.device({"city": "Oxford"}, "staff")
    ben = town.device({"city": "London"}, "staff", "on-leave")
    cat = town.device({"city": "Oxford"}, platform="android")

    def segment(**criteria: Any) -> Segment:
        return Segment(name="s", criteria=Criteria(**criteria))

    assert meant(segments=(segment(tags=("staff",)),)) == {ada, ben}
    assert meant(segments=(segment(tags=("staff",), properties={"city": ("Oxford",)}),)) == {ada}
    assert meant(segments=(segment(expression="staff && !on-leave"),)) == {ada}
    assert meant(segments=(segment(platforms=("android",)),)) == {cat}
    assert meant(segments=(segment(),)) == {ada, ben, cat}
    assert meant(segments=(Segment(name="unknown"),)) == set()
    both = (segment(platforms=("android",)), segment(expression="on-leave || nobody"))
    assert meant(segments=both) == {ben, cat}
    assert meant(segments=both, properties={"city": ("Oxford",)}) == {cat}
    assert meant(segments=(Segment(name="unknown"),), tags=("on-leave",)) == {ben}


def test_another_profile_reaches_only_those_it_is_configured_for(
    town: Town, project: Project, connection: Connection[Any]
) -> None:
    town.device()
    town.device(platform="android")
    town.history.append(town.history.app_id, town.configured("fcm", "second"))
    project("audience")
    digest = town.history.record.keyring.digest
    first = count(connection, town.history.app_id, EVERYONE, digest)
    assert (first.by_provider, first.excluded) == ({"apns": 1}, {"no-provider": 1})
    second = count(connection, town.history.app_id, Audience(everyone=True, profile="second"), digest)
    assert (second.by_provider, second.excluded) == ({"fcm": 1}, {"no-provider": 1})
