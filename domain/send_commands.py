"""What can be asked of a send."""

from __future__ import annotations

from datetime import datetime

from tocsin.domain.audience import Audience
from tocsin.domain.events.send import InDoubt, Subject, Tally
from tocsin.domain.message import Message
from tocsin.domain.personal import Personal
from tocsin.domain.rules import Command


class RequestSend(Command, frozen=True, kw_only=True):
    """A push, at once or at ``not_before``. ``approval``: it waits until somebody else approves it.

    Members as in ``SendRequested``; ``now`` is the time the request was made. ``past_validity``: its notification may
    have expired (for a protocol that always pushed anything).
    """

    message: Message
    audience: Audience
    now: datetime
    subject: Subject = Subject()
    personal: tuple[Personal, ...] = ()
    not_before: datetime | None = None
    expires_at: datetime | None = None
    lane: str = "normal"
    in_doubt: InDoubt = InDoubt.RESEND
    max_attempts: int = 8
    pace: int | None = None
    name: str | None = None
    campaign: str | None = None
    labels: tuple[str, ...] = ()
    inbox: bool = False
    protected: bool = False
    approval: bool = False
    past_validity: bool = False


class ApproveSend(Command, frozen=True, kw_only=True):
    now: datetime
    note: str | None = None


class RejectSend(Command, frozen=True, kw_only=True):
    note: str | None = None


class StartSend(Command, frozen=True, kw_only=True):
    """Its time has come. One that expired while it waited is expired instead."""

    now: datetime


class FreezeAudience(Command, frozen=True, kw_only=True):
    """``by_provider``: devices to send to. ``excluded``: devices left out, by reason. An audience of nobody completes
    the send at once."""

    as_of: int
    by_provider: dict[str, int]
    excluded: dict[str, int]
    chunks: int


class CancelSend(Command, frozen=True, kw_only=True):
    reason: str | None = None


class WithdrawSend(Command, frozen=True, kw_only=True):
    """Takes it out of every inbox and list, and stops it where it is not at its end."""

    reason: str | None = None


class ExpireSend(Command, frozen=True, kw_only=True):
    now: datetime


class CompleteSend(Command, frozen=True, kw_only=True):
    """``tally``: the sum over the ``chunks`` chunks that completed."""

    chunks: int
    tally: Tally


SendCommand = (
    RequestSend
    | ApproveSend
    | RejectSend
    | StartSend
    | FreezeAudience
    | CancelSend
    | WithdrawSend
    | ExpireSend
    | CompleteSend
)
