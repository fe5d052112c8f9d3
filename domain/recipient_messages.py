"""What each recipient of a send is told: the message all share, with what was said for that one alone."""

from __future__ import annotations

from functools import cached_property
from typing import Any
from uuid import UUID

from tocsin.domain.events.send import SendRequested
from tocsin.domain.message import Message, personalised


class PersonalMessages:
    """The messages of one send, recipient by recipient."""

    def __init__(self, request: SendRequested) -> None:
        self.common = request.message
        self._changes: dict[str, dict[str, dict[str, Any]]] = {"device": {}, "user": {}, "alias": {}}
        for personal in request.personal:
            if not personal.erased:
                self._note(personal.value)

    def _note(self, value: dict[str, Any]) -> None:
        for kind, changes in self._changes.items():
            if kind in value:
                changes[str(value[kind])] = value["message"]

    def message(self, device_id: UUID, user: str | None, alias: str | None) -> Message:
        """What this recipient gets: changed for the device, else for its alias, else for its user, else as it is."""
        names = {"device": str(device_id), "alias": alias, "user": user}
        for kind, name in names.items():
            changes = self._changes[kind].get(name) if name is not None else None
            if changes is not None:
                return personalised(self.common, changes)
        return self.common

    @cached_property
    def change_badges(self) -> bool:
        """Whether any of them changes the number a device shows."""
        return self._say("badge_change")

    @cached_property
    def tell_badges(self) -> bool:
        """Whether any of them changes or sets it."""
        return self.change_badges or self._say("badge")

    def _say(self, member: str) -> bool:
        own = (change for changes in self._changes.values() for change in changes.values())
        return getattr(self.common, member) is not None or any(change.get(member) is not None for change in own)
