"""What may be done with a notification: published, amended, followed up, withdrawn."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, assert_never

import msgspec
from msgspec import UNSET, UnsetType
from msgspec.structs import replace

from tocsin.domain.entry import Fact
from tocsin.domain.errors import Conflict, Invalid, NotFound
from tocsin.domain.events.notification import (
    FollowupAdded,
    FollowupAmended,
    FollowupWithdrawn,
    NotificationAmended,
    NotificationCreated,
    NotificationWithdrawn,
)
from tocsin.domain.rules import Command, OutOfPlace, json_object, moment, optional_text, same_json, text

MAX_BODY = 4000
MAX_TITLE = 255
MAX_LABEL = 255
MAX_URL = 2000
MAX_REASON = 1000
"""Characters."""

MAX_DATA = 4096
"""Bytes of JSON."""

MAX_FOLLOWUPS = 1000


class Followup(msgspec.Struct, frozen=True, kw_only=True):
    body: str
    at: datetime


class Notification(msgspec.Struct, frozen=True, kw_only=True):
    """In force from ``starts_at`` to ``expires_at`` (None: until withdrawn).

    ``followups``: those that stand, by number; ``last_followup`` is the highest number ever given.
    """

    body: str
    starts_at: datetime
    title: str | None = None
    label: str | None = None
    url: str | None = None
    data: dict[str, Any] = {}
    expires_at: datetime | None = None
    followups: dict[int, Followup] = {}
    last_followup: int = 0
    withdrawn: bool = False

    def in_force(self, at: datetime) -> bool:
        """Whether it is to be shown at that time."""
        return not self.withdrawn and self.starts_at <= at and (self.expires_at is None or at <= self.expires_at)


class CreateNotification(Command, frozen=True, kw_only=True):
    """``ordered``: ``expires_at`` must lie after ``starts_at`` (false for a protocol that always took anything).
    ``now``: with it, ``expires_at`` must lie in the future."""

    body: str
    starts_at: datetime
    title: str | None = None
    label: str | None = None
    url: str | None = None
    data: dict[str, Any] = {}
    expires_at: datetime | None = None
    ordered: bool = True
    now: datetime | None = None


class AmendNotification(Command, frozen=True, kw_only=True):
    """What is UNSET stays as it is; at least one member is set."""

    body: str | UnsetType = UNSET
    title: str | None | UnsetType = UNSET
    label: str | None | UnsetType = UNSET
    url: str | None | UnsetType = UNSET
    data: dict[str, Any] | UnsetType = UNSET
    starts_at: datetime | UnsetType = UNSET
    expires_at: datetime | None | UnsetType = UNSET
    ordered: bool = True


class AddFollowup(Command, frozen=True, kw_only=True):
    body: str
    at: datetime


class AmendFollowup(Command, frozen=True, kw_only=True):
    followup_id: int
    body: str | UnsetType = UNSET
    at: datetime | UnsetType = UNSET


class WithdrawFollowup(Command, frozen=True, kw_only=True):
    followup_id: int
    reason: str | None = None


class WithdrawNotification(Command, frozen=True, kw_only=True):
    reason: str | None = None


NotificationCommand = (
    CreateNotification | AmendNotification | AddFollowup | AmendFollowup | WithdrawFollowup | WithdrawNotification
)

_MEMBERS = ("body", "title", "label", "url", "data", "starts_at", "expires_at")


def decide(state: Notification | None, command: NotificationCommand) -> list[Fact]:
    """The facts ``command`` brings about, none where everything is so already.

    After its withdrawal a notification takes nothing more. Errors: Invalid with ``field``, Conflict, NotFound.
    """
    if isinstance(command, CreateNotification):
        return _create(state, command)
    if state is None:
        raise NotFound("there is no such notification")
    if isinstance(command, WithdrawNotification):
        optional_text(command.reason, "reason", MAX_REASON)
        return [] if state.withdrawn else [NotificationWithdrawn(reason=command.reason)]
    if state.withdrawn:
        raise Conflict("this notification was withdrawn")
    match command:
        case AmendNotification():
            return _amend(state, command)
        case AddFollowup():
            return _add_followup(state, command)
        case AmendFollowup():
            return _amend_followup(state, command)
        case WithdrawFollowup(followup_id=followup_id, reason=reason):
            _followup(state, followup_id)
            optional_text(reason, "reason", MAX_REASON)
            return [FollowupWithdrawn(followup_id=followup_id, reason=reason)]
        case _:
            assert_never(command)


def _create(state: Notification | None, command: CreateNotification) -> list[Fact]:
    if state is not None:
        raise Conflict("this notification exists already")
    created = NotificationCreated(**_in_utc({name: getattr(command, name) for name in _MEMBERS}))
    _check(created, ordered=command.ordered)
    if command.now is not None and created.expires_at is not None and created.expires_at <= command.now:
        raise Invalid("expires_at must lie in the future: this would never be in force", field="expires_at")
    return [created]


def _check(content: NotificationCreated | Notification, *, ordered: bool) -> None:
    text(content.body, "body", MAX_BODY)
    optional_text(content.title, "title", MAX_TITLE)
    optional_text(content.label, "label", MAX_LABEL)
    optional_text(content.url, "url", MAX_URL)
    json_object(content.data, "data", MAX_DATA)
    if content.expires_at is not None and content.expires_at <= content.starts_at and ordered:
        raise Invalid("expires_at must lie after starts_at", field="expires_at")


def _amend(state: Notification, command: AmendNotification) -> list[Fact]:
    given = {name: value for name in _MEMBERS if (value := getattr(command, name)) is not UNSET}
    if not given:
        raise Invalid("say at least one thing that is to change")
    given = _in_utc(given)
    # Who changes the text of a notification is not asked about times that were accepted once.
    ordered = command.ordered and not given.keys().isdisjoint(("starts_at", "expires_at"))
    _check(replace(state, **given), ordered=ordered)
    changed = {name: value for name, value in given.items() if not _same(value, getattr(state, name))}
    return [NotificationAmended(**changed)] if changed else []


def _in_utc(members: dict[str, Any]) -> dict[str, Any]:
    """Members of a notification or a follow-up, their times as the record has them."""
    return {name: moment(value, name) if isinstance(value, datetime) else value for name, value in members.items()}


def _same(one: Any, other: Any) -> bool:
    return same_json(one, other) if isinstance(one, dict) else one == other


def _add_followup(state: Notification, command: AddFollowup) -> list[Fact]:
    text(command.body, "body", MAX_BODY)
    if state.last_followup >= MAX_FOLLOWUPS:
        raise Conflict(f"a notification has at most {MAX_FOLLOWUPS} follow-ups: publish a new notification")
    at = moment(command.at, "at")
    return [FollowupAdded(followup_id=state.last_followup + 1, body=command.body, at=at)]


def _amend_followup(state: Notification, command: AmendFollowup) -> list[Fact]:
    before = _followup(state, command.followup_id)
    given = {name: value for name in ("body", "at") if (value := getattr(command, name)) is not UNSET}
    if not given:
        raise Invalid("say at least one thing that is to change")
    if "body" in given:
        text(given["body"], "body", MAX_BODY)
    changed = {name: value for name, value in _in_utc(given).items() if value != getattr(before, name)}
    return [FollowupAmended(followup_id=command.followup_id, **changed)] if changed else []


def _followup(state: Notification, followup_id: int) -> Followup:
    if followup_id not in state.followups:
        raise NotFound("this notification has no such follow-up", followup=followup_id)
    return state.followups[followup_id]


def fold(facts: Iterable[Fact], state: Notification | None = None) -> Notification | None:
    """The state after ``facts``, from ``state`` or from nothing."""
    for fact in facts:
        state = evolve(state, fact)
    return state


def evolve(state: Notification | None, fact: Fact) -> Notification:
    """The state after ``fact``. Errors: OutOfPlace for a fact that cannot stand there."""
    if state is None:
        if isinstance(fact, NotificationCreated):
            return Notification(**{name: getattr(fact, name) for name in _MEMBERS})
        raise OutOfPlace("notification", fact)
    match fact:
        case NotificationAmended():
            changes = {name: value for name in _MEMBERS if (value := getattr(fact, name)) is not UNSET}
            return replace(state, **changes)
        case FollowupAdded(followup_id=number, body=body, at=at):
            followups = {**state.followups, number: Followup(body=body, at=at)}
            return replace(state, followups=followups, last_followup=number)
        case FollowupAmended(followup_id=number):
            changes = {name: value for name in ("body", "at") if (value := getattr(fact, name)) is not UNSET}
            return replace(state, followups={**state.followups, number: replace(state.followups[number], **changes)})
        case FollowupWithdrawn(followup_id=number):
            return replace(state, followups={key: kept for key, kept in state.followups.items() if key != number})
        case NotificationWithdrawn():
            return replace(state, withdrawn=True)
    raise OutOfPlace("notification", fact)
