"""What may be done with a send: requested, approved, scheduled, started, frozen, stopped, completed."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from typing import assert_never

import msgspec
from msgspec.structs import replace

from tocsin.domain.audience_rules import MAX_NAMED, check_audience, check_number
from tocsin.domain.entry import Fact
from tocsin.domain.errors import Conflict, Invalid, NotFound
from tocsin.domain.events.chunk import OutcomeKind
from tocsin.domain.events.send import (
    AudienceFrozen,
    SendApproved,
    SendCancelled,
    SendCompleted,
    SendExpired,
    SendRejected,
    SendRequested,
    SendScheduled,
    SendStarted,
    SendWithdrawn,
    Tally,
)
from tocsin.domain.lanes import LANES
from tocsin.domain.message import check_message, personalised
from tocsin.domain.platforms import PROVIDERS
from tocsin.domain.rules import OutOfPlace, between, moment, one_of, optional_moment, optional_text, text
from tocsin.domain.send_commands import (
    ApproveSend,
    CancelSend,
    CompleteSend,
    ExpireSend,
    FreezeAudience,
    RejectSend,
    RequestSend,
    SendCommand,
    StartSend,
    WithdrawSend,
)

__all__ = [
    "MAX_NAMED",
    "MAX_REASON",
    "STOPPED",
    "ApproveSend",
    "CancelSend",
    "CompleteSend",
    "ExpireSend",
    "FreezeAudience",
    "RejectSend",
    "RequestSend",
    "Send",
    "SendCommand",
    "StartSend",
    "Status",
    "WithdrawSend",
    "check_audience",
    "decide",
    "evolve",
    "fold",
]

MAX_REASON = 1000
MAX_NAME = 255
MAX_LABELS = 50
FASTEST_PACE = 1_000_000
"""Devices a minute: more than any instance manages, so that a pace is always a limit."""


class Status(StrEnum):
    """``requested``: waits for approval. ``started``: the audience is being frozen. ``sending``: chunks are at work."""

    REQUESTED = "requested"
    SCHEDULED = "scheduled"
    STARTED = "started"
    SENDING = "sending"
    COMPLETED = "completed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    REJECTED = "rejected"


STOPPED = {Status.CANCELLED: OutcomeKind.CANCELLED, Status.EXPIRED: OutcomeKind.EXPIRED}


class Send(msgspec.Struct, frozen=True, kw_only=True):
    """``scheduled_at``: when it starts, where it had to wait. ``tally``: the outcomes when the last chunk completed;
    answers that arrived later corrected the chunks, not this."""

    request: SendRequested
    status: Status = Status.REQUESTED
    approved: bool = False
    scheduled_at: datetime | None = None
    audience: AudienceFrozen | None = None
    tally: Tally | None = None
    reason: str | None = None
    withdrawn: bool = False

    @property
    def closes_as(self) -> OutcomeKind | None:
        """How the open devices of its chunks end now: ``cancelled``, ``expired``, or None while it goes on."""
        return STOPPED.get(self.status)

    @property
    def ended(self) -> bool:
        """True where nothing more will come: every chunk is final, or it stopped before there was any."""
        stopped = self.status in (Status.CANCELLED, Status.EXPIRED, Status.REJECTED)
        return self.tally is not None or (stopped and self.audience is None)


def decide(state: Send | None, command: SendCommand) -> list[Fact]:
    """The facts ``command`` brings about, none where there is nothing left to do.

    Errors: Invalid with ``field`` (and ``position`` for an expression), Conflict, NotFound.
    """
    if isinstance(command, RequestSend):
        return _request(state, command)
    if state is None:
        raise NotFound("there is no such send")
    match command:
        case ApproveSend():
            return _approve(state, command)
        case RejectSend():
            return _reject(state, command)
        case StartSend():
            return _start(state, command)
        case FreezeAudience():
            return _freeze(state, command)
        case CancelSend():
            return _cancel(state, command)
        case WithdrawSend():
            return _withdraw(state, command)
        case ExpireSend():
            return _expire(state, command)
        case CompleteSend():
            return _complete(state, command)
        case _:
            assert_never(command)


def _request(state: Send | None, command: RequestSend) -> list[Fact]:
    if state is not None:
        raise Conflict("this send was requested already")
    check_message(command.message)
    _check_personal(command)
    not_before, expires_at = _times(command)
    _check_description(command)
    one_of(command.lane, "lane", LANES)
    between(command.max_attempts, "max_attempts", 1, 20)
    if command.subject.followup_id is not None and command.subject.notification_id is None:
        raise Invalid("a follow-up is named together with its notification", field="subject.notification_id")
    requested = SendRequested(
        subject=command.subject,
        message=command.message,
        audience=check_audience(command.audience),
        personal=command.personal,
        not_before=not_before,
        expires_at=expires_at,
        lane=command.lane,
        in_doubt=command.in_doubt,
        max_attempts=command.max_attempts,
        pace=command.pace,
        name=command.name,
        campaign=command.campaign,
        labels=tuple(dict.fromkeys(command.labels)),
        inbox=command.inbox,
        protected=command.protected,
    )
    return [requested] if command.approval else [requested, _next(requested, command.now)]


def _next(request: SendRequested, now: datetime) -> Fact:
    if request.not_before is not None and request.not_before > now:
        return SendScheduled(at=request.not_before)
    return SendStarted()


def _times(command: RequestSend) -> tuple[datetime | None, datetime | None]:
    """From when on it is sent, and when it expires."""
    now, not_before = moment(command.now, "now"), optional_moment(command.not_before, "not_before")
    expires_at = optional_moment(command.expires_at, "expires_at")
    if expires_at is not None and expires_at <= max(now, not_before or now):
        raise Invalid("expires_at must lie in the future, and after not_before", field="expires_at")
    return not_before, expires_at


def _check_description(command: RequestSend) -> None:
    if command.pace is not None:
        between(command.pace, "pace", 1, FASTEST_PACE)
    optional_text(command.name, "name", MAX_NAME)
    optional_text(command.campaign, "campaign", MAX_NAME)
    check_number(command.labels, "labels", MAX_LABELS)
    for label in command.labels:
        text(label, "labels", MAX_NAME)


def _check_personal(command: RequestSend) -> None:
    check_number(command.personal, "personal")
    for place, personal in enumerate(command.personal):
        field = f"personal.{place}"
        value = personal.value
        if not isinstance(value, dict) or not isinstance(value.get("message"), dict):
            raise Invalid(f"{field} must hold a message", field=field)
        if len(value) != 2 or not value.keys() & {"device", "user", "alias"}:
            raise Invalid(f"{field} must name one device, user or alias", field=field)
        check_message(personalised(command.message, value["message"], f"{field}.message"), f"{field}.message")


def _approve(state: Send, command: ApproveSend) -> list[Fact]:
    optional_text(command.note, "note", MAX_REASON)
    if state.approved:
        return []
    if state.status is not Status.REQUESTED:
        raise Conflict(f"this send is {state.status} and does not wait for approval")
    if _is_past(state, moment(command.now, "now")):
        raise Conflict("this send expired before it was approved: request it again")
    return [SendApproved(note=command.note), _next(state.request, command.now)]


def _reject(state: Send, command: RejectSend) -> list[Fact]:
    optional_text(command.note, "note", MAX_REASON)
    if state.status is Status.REJECTED:
        return []
    if state.status is not Status.REQUESTED:
        raise Conflict(f"this send is {state.status} and does not wait for approval")
    return [SendRejected(note=command.note)]


def _start(state: Send, command: StartSend) -> list[Fact]:
    if state.status in (Status.STARTED, Status.SENDING, Status.COMPLETED):
        return []
    if state.status is not Status.SCHEDULED or state.scheduled_at is None:
        raise Conflict(f"this send is {state.status} and cannot start")
    if moment(command.now, "now") < state.scheduled_at:
        raise Conflict(f"this send starts at {state.scheduled_at.isoformat()}", until=state.scheduled_at.isoformat())
    return [SendExpired()] if _is_past(state, command.now) else [SendStarted()]


def _is_past(state: Send, now: datetime) -> bool:
    return state.request.expires_at is not None and state.request.expires_at <= now


def _freeze(state: Send, command: FreezeAudience) -> list[Fact]:
    if state.audience is not None:
        return []
    if state.status is not Status.STARTED:
        raise Conflict(f"this send is {state.status}: its audience cannot be frozen")
    audience = _check_counts(command)
    frozen = AudienceFrozen(
        as_of=command.as_of,
        audience=audience,
        by_provider=command.by_provider,
        excluded=command.excluded,
        chunks=command.chunks,
    )
    return [frozen] if audience else [frozen, SendCompleted(tally=Tally())]


def _check_counts(command: FreezeAudience) -> int:
    between(command.as_of, "as_of", 0, 2**63 - 1)
    for provider, count in command.by_provider.items():
        one_of(provider, "by_provider", PROVIDERS)
        between(count, f"by_provider.{provider}", 0, 2**31)
    for reason, count in command.excluded.items():
        between(count, f"excluded.{reason}", 0, 2**31)
    audience = sum(command.by_provider.values())
    between(command.chunks, "chunks", min(audience, 1), audience)
    return audience


def _cancel(state: Send, command: CancelSend) -> list[Fact]:
    optional_text(command.reason, "reason", MAX_REASON)
    if state.status is Status.CANCELLED:
        return []
    if state.status in (Status.COMPLETED, Status.EXPIRED, Status.REJECTED):
        raise Conflict(f"this send is {state.status} already")
    return [SendCancelled(reason=command.reason)]


def _withdraw(state: Send, command: WithdrawSend) -> list[Fact]:
    optional_text(command.reason, "reason", MAX_REASON)
    if state.withdrawn:
        return []
    over = state.status in (Status.COMPLETED, Status.CANCELLED, Status.EXPIRED, Status.REJECTED)
    stopped: list[Fact] = [] if over else [SendCancelled(reason=command.reason)]
    return [*stopped, SendWithdrawn(reason=command.reason)]


def _expire(state: Send, command: ExpireSend) -> list[Fact]:
    if state.status in (Status.COMPLETED, Status.CANCELLED, Status.EXPIRED, Status.REJECTED):
        return []
    if not _is_past(state, moment(command.now, "now")):
        raise Conflict("this send has not expired")
    return [SendExpired()]


def _complete(state: Send, command: CompleteSend) -> list[Fact]:
    if state.tally is not None:
        return []
    if state.audience is None:
        raise Conflict("the audience of this send is not frozen")
    if command.chunks != state.audience.chunks or command.tally.pending:
        raise Conflict(f"{command.chunks} of {state.audience.chunks} chunks are completed")
    if command.tally.audience != state.audience.audience:
        raise Conflict(f"the outcomes count {command.tally.audience} devices, the audience {state.audience.audience}")
    return [SendCompleted(tally=command.tally)]


def fold(facts: Iterable[Fact], state: Send | None = None) -> Send | None:
    """The state after ``facts``, from ``state`` or from nothing."""
    for fact in facts:
        state = evolve(state, fact)
    return state


def evolve(state: Send | None, fact: Fact) -> Send:
    """The state after ``fact``. Errors: OutOfPlace for a fact that cannot begin a send, or of another stream."""
    if state is None:
        if isinstance(fact, SendRequested):
            return Send(request=fact)
        raise OutOfPlace("send", fact)
    match fact:
        case SendApproved():
            return replace(state, approved=True)
        case SendRejected(note=note):
            return replace(state, status=Status.REJECTED, reason=note)
        case SendScheduled(at=at):
            return replace(state, status=Status.SCHEDULED, scheduled_at=at)
        case SendStarted():
            return replace(state, status=Status.STARTED)
        case AudienceFrozen():
            return replace(state, status=Status.SENDING, audience=fact)
        case SendCancelled(reason=reason):
            return replace(state, status=Status.CANCELLED, reason=reason)
        case SendWithdrawn():
            return replace(state, withdrawn=True)
        case SendExpired():
            return replace(state, status=Status.EXPIRED)
        case SendCompleted(tally=tally):
            return replace(state, status=_completed(state.status), tally=tally)
    raise OutOfPlace("send", fact)


def _completed(status: Status) -> Status:
    """A send that was stopped stays so when its last device is settled."""
    return status if status in STOPPED else Status.COMPLETED
