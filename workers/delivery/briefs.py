"""What a worker has to know of a send: its message for each recipient, its policy, and whether it goes on."""

from __future__ import annotations

import time
from collections import OrderedDict
from datetime import datetime
from functools import cached_property
from uuid import UUID

from tocsin.commands.context import Context
from tocsin.domain.entry import system
from tocsin.domain.events.chunk import OutcomeKind
from tocsin.domain.recipient_messages import PersonalMessages
from tocsin.domain.send import Send, Status, evolve
from tocsin.eventlog.handles import Handles
from tocsin.eventlog.record import Record
from tocsin.workers.following import Followed

LOOK_AGAIN_AFTER = 0.05
"""Seconds for which what was read of a send is believed; a claim is never decided on anything older."""

KEPT = 256

ACTOR = system("delivery")


class Brief:
    """One send, as of the last look. ``handles``: what makes ids in short form."""

    def __init__(self, record: Record, send_id: UUID) -> None:
        self.send_id = send_id
        self.handles: Handles = record.handles
        self._stream: Followed[Send] = Followed(record, send_id, evolve)
        self._read_at = float("-inf")
        self._messages: PersonalMessages | None = None
        self.known_since = time.monotonic()

    def refresh(self) -> None:
        """Look again unless that was just now."""
        if time.monotonic() - self._read_at > LOOK_AGAIN_AFTER:
            self._stream.refresh()
            self._read_at = time.monotonic()

    @property
    def send(self) -> Send:
        """The send's state."""
        assert self._stream.state is not None
        return self._stream.state

    @property
    def messages(self) -> PersonalMessages:
        """What is sent to whom."""
        if self._messages is None:
            self._messages = PersonalMessages(self.send.request)
        return self._messages

    @property
    def number(self) -> int:
        """The send's number: the position of its request."""
        assert self._stream.first is not None
        return self._stream.first.position

    @cached_property
    def handle(self) -> str:
        """The send's id in short form."""
        return self.handles.of(self.send_id)

    @property
    def goes_on(self) -> bool:
        """Whether its devices may be claimed."""
        return self.send.status is Status.SENDING

    def closes_as(self, now: datetime) -> OutcomeKind | None:
        """How devices that nobody claimed end: ``cancelled`` or ``expired``, None while it goes on."""
        expires_at = self.send.request.expires_at
        if self.send.closes_as is None and expires_at is not None and expires_at <= now:
            return OutcomeKind.EXPIRED
        return self.send.closes_as

    def context(self) -> Context:
        """The envelope of what delivery records: it belongs to what the send's request set off."""
        first = self._stream.first
        assert first is not None
        return Context(actor=ACTOR, correlation_id=first.correlation_id, causation_id=first.command_id)


class Briefs:
    """The sends lately worked on."""

    def __init__(self, record: Record) -> None:
        self._record = record
        self._kept: OrderedDict[UUID, Brief] = OrderedDict()

    def of(self, send_id: UUID) -> Brief:
        """What is known of the send now."""
        brief = self._kept.get(send_id)
        if brief is None:
            brief = self._kept[send_id] = Brief(self._record, send_id)
            if len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        self._kept.move_to_end(send_id)
        brief.refresh()
        return brief
