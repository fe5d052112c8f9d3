"""Commands on sends: request, approve, reject, cancel."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from msgspec.structs import replace

from tocsin.commands.apps import load_enabled
from tocsin.commands.context import Context
from tocsin.commands.engine import Change, Decision, Done, Engine, Loaded
from tocsin.commands.ids import new_id
from tocsin.commands.notifications import load_notification
from tocsin.domain import send
from tocsin.domain.app import App
from tocsin.domain.audience import DEFAULT_PROFILE, Audience, Segment
from tocsin.domain.errors import Conflict, Invalid, NotFound
from tocsin.domain.message import Message, personalised
from tocsin.domain.notification import Notification
from tocsin.domain.payloads import check_payload
from tocsin.domain.personal import Personal
from tocsin.domain.platforms import provider_for
from tocsin.domain.send import ApproveSend, CancelSend, RejectSend, RequestSend, Send, Status, WithdrawSend

Matches = Callable[[Audience], bool]
"""Whether any device matches an audience now: a question to the read models, which the caller brings."""


class AudienceEmpty(Invalid):
    """No device matches the audience, so there is nothing to send and nobody to leave out."""

    code = "audience-empty"


@dataclass(frozen=True, slots=True)
class SendResult:
    """A send as it stands after the command."""

    send_id: UUID
    app_id: UUID
    send: Send


def request_send(
    engine: Engine,
    context: Context,
    app_id: UUID,
    request: RequestSend,
    send_id: UUID | None = None,
    matches: Matches | None = None,
) -> Done[SendResult]:
    """Request a push. Without a message of its own it says what its notification or follow-up says.

    ``matches``: with it, a send that starts at once is refused where nobody would be meant.

    Raises NotFound for an app, notification, follow-up or device that is not this app's; Conflict for a disabled app
    or a withdrawn notification; Invalid for one that has expired, an audience or a message that cannot be;
    PayloadTooLarge where a provider the audience can reach would refuse it; AudienceEmpty.
    """
    chosen = send_id or new_id()

    def decide() -> Decision[SendResult]:
        result, change = _requested(engine, app_id, chosen, request, matches)
        return Decision(result, [change])

    return engine.carry_out(context, decide)


def request_sends(
    engine: Engine,
    context: Context,
    app_id: UUID,
    requests: Mapping[UUID, RequestSend],
) -> Done[list[SendResult]]:
    """Request several pushes by the ids they are to have, all or none. Raises as ``request_send``."""

    def decide() -> Decision[list[SendResult]]:
        decided = [_requested(engine, app_id, send_id, request) for send_id, request in requests.items()]
        return Decision([result for result, _ in decided], [change for _, change in decided])

    return engine.carry_out(context, decide)


def approve_send(
    engine: Engine, context: Context, app_id: UUID, send_id: UUID, note: str | None = None
) -> Done[SendResult]:
    """Let a send that waits for approval go. Raises NotFound, Conflict."""
    return _change(engine, context, app_id, send_id, ApproveSend(now=engine.clock(), note=note))


def reject_send(
    engine: Engine, context: Context, app_id: UUID, send_id: UUID, note: str | None = None
) -> Done[SendResult]:
    """Refuse a send that waits for approval. Raises NotFound, Conflict."""
    return _change(engine, context, app_id, send_id, RejectSend(note=note))


def cancel_send(
    engine: Engine, context: Context, app_id: UUID, send_id: UUID, reason: str | None = None
) -> Done[SendResult]:
    """Stop a send: devices that nobody has claimed are not sent to. Raises NotFound, Conflict once it has ended."""
    return _change(engine, context, app_id, send_id, CancelSend(reason=reason))


def withdraw_send(
    engine: Engine, context: Context, app_id: UUID, send_id: UUID, reason: str | None = None
) -> Done[SendResult]:
    """Take a send out of every inbox and list, and stop it where it has not ended. Raises NotFound."""
    return _change(engine, context, app_id, send_id, WithdrawSend(reason=reason))


def with_segments(engine: Engine, app_id: UUID, audience: Audience) -> Audience:
    """``audience`` with its segments as the app keeps them now: what a request of it would reach. Raises NotFound."""
    return _with_segments(load_enabled(engine, app_id), audience)


def load_send(engine: Engine, app_id: UUID, send_id: UUID) -> Loaded[Send]:
    """A send of this app. Raises NotFound."""
    loaded = engine.load(send_id, send)
    if loaded.state is None or loaded.entries[0].app_id != app_id:
        raise NotFound("there is no such send", send=str(send_id))
    return loaded


def _requested(
    engine: Engine, app_id: UUID, send_id: UUID, request: RequestSend, matches: Matches | None = None
) -> tuple[SendResult, Change]:
    app = load_enabled(engine, app_id)
    complete = _with_subject(engine, app_id, request)
    complete = replace(complete, audience=_with_segments(app, complete.audience))
    _check_devices(engine, app_id, dict.fromkeys(complete.audience.devices, "audience.devices"))
    loaded = engine.load(send_id, send)
    facts, state = loaded.decide(complete)
    _check_devices(engine, app_id, _personal_devices(complete.personal))
    _check_payloads(_providers(app, complete.audience), complete)
    assert state is not None
    if matches is not None and state.status is Status.STARTED:
        _check_somebody(app, complete.audience, matches)
    return SendResult(send_id, app_id, state), loaded.change(app_id, facts)


def _check_payloads(providers: Collection[str], request: RequestSend) -> None:
    """What all are told and what some alone are told. Raises Invalid, PayloadTooLarge."""
    for provider in providers:
        check_payload(provider, request.message)
        for place, one in enumerate(request.personal):
            check_payload(provider, personalised(request.message, one.value["message"]), f"personal.{place}.message")


def _check_somebody(app: App, audience: Audience, matches: Matches) -> None:
    """Whether anybody would be sent to. Raises AudienceEmpty; Invalid for a profile of which the app has nothing."""
    if audience.profile != DEFAULT_PROFILE and not _configured(app, audience):
        raise Invalid(
            f"no provider is configured under the profile {audience.profile!r}: nobody would be reached",
            field="audience.profile",
        )
    if not matches(audience):
        raise AudienceEmpty("no device matches this audience: nothing would be sent", field="audience")


def _change(engine: Engine, context: Context, app_id: UUID, send_id: UUID, command: Any) -> Done[SendResult]:
    def decide() -> Decision[SendResult]:
        loaded = load_send(engine, app_id, send_id)
        facts, state = loaded.decide(command)
        assert state is not None
        return Decision(SendResult(send_id, app_id, state), [loaded.change(app_id, facts)])

    return engine.carry_out(context, decide)


def _with_subject(engine: Engine, app_id: UUID, request: RequestSend) -> RequestSend:
    subject = request.subject
    if subject.notification_id is None:
        return request
    notification = _pushed(engine, app_id, subject.notification_id)
    _check_in_force(engine, notification, request.past_validity)
    message = request.message
    if message == Message():
        message = _message_of(notification, subject.followup_id)
    elif subject.followup_id is not None:
        _message_of(notification, subject.followup_id)
    return replace(request, message=message, expires_at=request.expires_at or notification.expires_at)


def _pushed(engine: Engine, app_id: UUID, notification_id: UUID) -> Notification:
    try:
        notification = load_notification(engine, app_id, notification_id).state
    except NotFound as error:
        raise NotFound(error.message, field="subject.notification_id", **error.facts) from error
    assert notification is not None
    return notification


def _check_in_force(engine: Engine, notification: Notification, past_validity: bool) -> None:
    if notification.withdrawn:
        raise Conflict("this notification was withdrawn: it can no longer be pushed")
    expired = notification.expires_at is not None and notification.expires_at <= engine.clock()
    if expired and not past_validity:
        raise Invalid(
            "this notification has expired: give it a later expires_at, or push a new one",
            field="subject.notification_id",
        )


def _message_of(notification: Notification, followup_id: int | None) -> Message:
    body = notification.body
    if followup_id is not None:
        followup = notification.followups.get(followup_id)
        if followup is None:
            raise NotFound("there is no such follow-up", field="subject.followup_id", followup=followup_id)
        body = followup.body
    return Message(title=notification.title, body=body, url=notification.url, data=dict(notification.data))


def _check_devices(engine: Engine, app_id: UUID, named: Mapping[UUID, str]) -> None:
    """``named``: devices, and the field in which each stands. Raises NotFound for those that are not the app's."""
    if not named:
        return
    apps = engine.record.apps_of(named, "device")
    unknown = [device for device in named if apps.get(device) != app_id]
    if unknown:
        raise NotFound(
            f"{len(unknown)} of the devices named are not devices of this app",
            field=named[unknown[0]],
            devices=[str(device) for device in unknown[:10]],
        )


def _personal_devices(personal: Sequence[Personal]) -> dict[UUID, str]:
    """The devices that have messages of their own, and the field in which each is named."""
    values = enumerate(one.value for one in personal)
    return {UUID(value["device"]): f"personal.{place}.device" for place, value in values if "device" in value}


def _with_segments(app: App, audience: Audience) -> Audience:
    """What a segment is, is fixed by the request; who belongs to it is found when the send starts."""
    segments = tuple(Segment(name=one.name, criteria=app.segments.get(one.name)) for one in audience.segments)
    return replace(audience, segments=segments)


def _configured(app: App, audience: Audience) -> set[str]:
    return {provider for provider, profile in app.providers if profile == audience.profile}


def _providers(app: App, audience: Audience) -> set[str]:
    """The providers that can come into question: those configured, narrowed to the platforms asked for."""
    platforms, configured = audience.platforms, _configured(app, audience)
    if not platforms:
        return configured
    return configured & {provider for platform in platforms if (provider := provider_for(platform))}
