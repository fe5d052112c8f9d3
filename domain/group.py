"""A user's group of devices that holds at most so many: when it is full, the one that joined first makes room."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

import msgspec
from msgspec.structs import replace

from tocsin.domain.entry import Fact
from tocsin.domain.events.group import GroupJoined, GroupLeft, Leaving
from tocsin.domain.rules import Command, OutOfPlace, between, text


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """``devices``: in the order they joined."""

    devices: tuple[UUID, ...] = ()


class JoinGroup(Command, frozen=True, kw_only=True):
    """``limit``: how many the group holds, this one included. ``gone``: members that are retired, or not the user's."""

    user_id: UUID
    name: str
    device_id: UUID
    limit: int
    gone: frozenset[UUID] = frozenset()


def decide(state: Group | None, command: JoinGroup) -> list[Fact]:
    """The device joins; those that are gone leave, and so do the oldest of too many. None where it is in already.

    Errors: Invalid.
    """
    text(command.name, "name", 255)
    between(command.limit, "limit", 1, 1000)
    members = state.devices if state is not None else ()
    gone = [device for device in members if device in command.gone]
    left: list[Fact] = [GroupLeft(device_id=device, reason=Leaving.GONE) for device in gone]
    if command.device_id in members and command.device_id not in command.gone:
        return left
    staying = [device for device in members if device not in command.gone]
    evicted = staying[: max(len(staying) + 1 - command.limit, 0)]
    left += [GroupLeft(device_id=device, reason=Leaving.FULL) for device in evicted]
    return [*left, GroupJoined(user_id=command.user_id, name=command.name, device_id=command.device_id)]


def fold(facts: Iterable[Fact], state: Group | None = None) -> Group | None:
    """The state after ``facts``, from ``state`` or from nothing."""
    for fact in facts:
        state = evolve(state, fact)
    return state


def evolve(state: Group | None, fact: Fact) -> Group:
    """The state after ``fact``. Errors: OutOfPlace for a fact of another stream."""
    before = state or Group()
    match fact:
        case GroupJoined(device_id=device_id):
            return replace(before, devices=(*before.devices, device_id))
        case GroupLeft(device_id=device_id):
            return replace(before, devices=tuple(other for other in before.devices if other != device_id))
    raise OutOfPlace("group", fact)
