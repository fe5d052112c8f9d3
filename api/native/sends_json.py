"""The JSON of sends: messages, audiences, and what became of them."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

import marshmallow as ma
import msgspec
from marshmallow import fields, validate
from msgspec import UNSET, UnsetType

from tocsin.api.bodies import Flag
from tocsin.commands.people import Digest, alias, user
from tocsin.commands.sends import SendResult
from tocsin.domain.audience import Audience
from tocsin.domain.entry import Entry
from tocsin.domain.events.send import InDoubt, Subject, Tally
from tocsin.domain.lanes import LANES
from tocsin.domain.message import MAX_TTL, Message, Priority
from tocsin.domain.personal import Personal
from tocsin.domain.platforms import PLATFORMS
from tocsin.domain.send import MAX_NAMED, MAX_REASON, RequestSend
from tocsin.domain.send import Send as SendState
from tocsin.projections.sends import Send
from tocsin.projections.sends_rows import asked_for


def _text(longest: int, description: str = "") -> fields.String:
    metadata = {"description": description} if description else {}
    return fields.String(allow_none=True, validate=validate.Length(1, longest), metadata=metadata)


def _object(description: str) -> fields.Dict:
    return fields.Dict(keys=fields.String(), allow_none=True, metadata={"description": description})


def _names(of: fields.Field[Any], description: str) -> fields.List[Any]:
    return fields.List(of, validate=validate.Length(max=MAX_NAMED), metadata={"description": description})


class MessageForm(ma.Schema):
    """What the devices show. At least a title, a body, or (silent) data."""

    title = _text(4096)
    subtitle = _text(4096)
    body = _text(4096)
    data = fields.Dict(keys=fields.String(), metadata={"description": "Your app's own keys; at most 4096 bytes."})
    badge = fields.Integer(strict=True, allow_none=True, validate=validate.Range(0, 2**31 - 1))
    sound = _text(255)
    category = _text(255)
    thread_id = _text(255)
    url = _text(2048, "Opened on tap.")
    image = _text(2048, "An https URL.")
    collapse_id = _text(255, "Messages of one collapse id replace each other on the device.")
    silent = Flag()
    mutable = Flag()
    priority = fields.Enum(Priority, by_value=True)
    ttl = fields.Integer(
        strict=True,
        allow_none=True,
        validate=validate.Range(0, MAX_TTL),
        metadata={"description": "Seconds the provider may keep trying."},
    )
    apns = _object("Merged last into the APNs payload.")
    apns_push_type = _text(64)
    fcm = _object("Merged last into the FCM v1 message.")
    wns = _object("For WNS: type, body, headers.")


class AudienceForm(ma.Schema):
    """The union of everything named, narrowed to platforms where given."""

    everyone = Flag()
    devices = _names(fields.UUID(), "By id.")
    users = _names(fields.String(validate=validate.Length(1, 255)), "Every device of these users.")
    aliases = _names(fields.String(validate=validate.Length(1, 255)), "Every device of these aliases.")
    tags = _names(fields.String(), "Devices that have any of these tags.")
    expression = fields.String(
        allow_none=True, metadata={"description": "Over tags: `(staff && !on-leave) || floor:3`."}
    )
    platforms = fields.List(fields.String(), validate=validate.Length(max=len(PLATFORMS)))


class SubjectForm(ma.Schema):
    """What is pushed, where it is not a message of its own."""

    notification_id = fields.UUID(required=True)
    followup_id = fields.Integer(strict=True, allow_none=True, validate=validate.Range(1, 2**31))


class PersonalForm(ma.Schema):
    """One recipient's changes to the message: for a device, a user or an alias."""

    device = fields.UUID()
    user = fields.String(validate=validate.Length(1, 255))
    alias = fields.String(validate=validate.Length(1, 255))
    message = fields.Dict(keys=fields.String(), required=True)


class PreviewForm(ma.Schema):
    """Who would be reached, and would the message fit."""

    audience = fields.Nested(AudienceForm, required=True)
    message = fields.Nested(MessageForm)


class SendForm(ma.Schema):
    """A push of a message, of a notification or of a follow-up (``subject``), to an audience."""

    audience = fields.Nested(AudienceForm, required=True)
    message = fields.Nested(MessageForm)
    subject = fields.Nested(SubjectForm)
    personal = fields.List(fields.Nested(PersonalForm), validate=validate.Length(max=MAX_NAMED))
    not_before = fields.AwareDateTime(allow_none=True, metadata={"description": "When it starts; at once without it."})
    expires_at = fields.AwareDateTime(allow_none=True, metadata={"description": "No device is tried after it."})
    lane = fields.String(validate=validate.OneOf(LANES))
    in_doubt = fields.Enum(
        InDoubt,
        by_value=True,
        metadata={"description": "What becomes of devices whose attempt was cut off before its answer."},
    )
    max_attempts = fields.Integer(strict=True, validate=validate.Range(1, 20))

    @ma.validates_schema
    def _check(self, data: dict[str, Any], **_: Any) -> None:
        if "message" not in data and "subject" not in data:
            raise ma.ValidationError("say what to send: a message, or a subject", "message")


class CancelForm(ma.Schema):
    """Why, for the history."""

    reason = fields.String(load_default=None, allow_none=True, validate=validate.Length(1, MAX_REASON))


def message_of(form: dict[str, Any] | None) -> Message:
    """The message a form says; one that says nothing for None."""
    given = {name: value for name, value in (form or {}).items() if value is not None}
    return Message(**given)


def audience_of(form: dict[str, Any], digest: Digest, app_id: UUID) -> Audience:
    """The audience a form says, its people as data subjects."""
    return Audience(
        everyone=form.get("everyone", False),
        devices=tuple(dict.fromkeys(form.get("devices", ()))),
        users=tuple(user(digest, app_id, name) for name in dict.fromkeys(form.get("users", ()))),
        aliases=tuple(alias(digest, app_id, name) for name in dict.fromkeys(form.get("aliases", ()))),
        tags=tuple(dict.fromkeys(form.get("tags", ()))),
        expression=form.get("expression"),
        platforms=tuple(dict.fromkeys(form.get("platforms", ()))),
    )


def request_of(form: dict[str, Any], digest: Digest, app_id: UUID, now: datetime) -> RequestSend:
    """The command a form asks for."""
    options = ("not_before", "expires_at", "lane", "in_doubt", "max_attempts")
    return RequestSend(
        message=message_of(form.get("message")),
        audience=audience_of(form["audience"], digest, app_id),
        now=now,
        subject=Subject(**form.get("subject", {})),
        personal=tuple(_personal(one, digest, app_id) for one in form.get("personal", ())),
        **{name: form[name] for name in options if name in form},
    )


def _personal(form: dict[str, Any], digest: Digest, app_id: UUID) -> Personal:
    """A recipient's changes, sealed under the key of whom they are for."""
    value = {name: str(given) if isinstance(given, UUID) else given for name, given in form.items()}
    if "device" in form:
        return Personal(form["device"], value)
    if "user" in form:
        return Personal(user(digest, app_id, form["user"]).subject, value)
    return Personal(alias(digest, app_id, form.get("alias", "")).subject, value)


class SubjectAnswer(msgspec.Struct, kw_only=True):
    """What was pushed; both null: a message of its own."""

    notification_id: UUID | None
    followup_id: int | None


class LawAnswer(msgspec.Struct, kw_only=True):
    """audience = delivered + failed + expired + cancelled + suppressed + unknown + pending. ``audience`` is null until
    it is frozen; ``holds`` says whether what was counted adds up to it."""

    audience: int | None
    accounted: int
    holds: bool


class SendAnswer(msgspec.Struct, kw_only=True):
    """A send. ``audience``: what was asked for, people counted and not named. ``as_of``: the position its audience is
    frozen at. ``excluded``: devices that matched and were left out, by reason. ``outcomes``: devices by outcome.
    """

    send_id: UUID
    app_id: UUID
    status: str
    reason: str | None
    subject: SubjectAnswer
    message: dict[str, Any]
    audience: dict[str, Any]
    lane: str
    in_doubt: str
    max_attempts: int
    not_before: datetime | None
    expires_at: datetime | None
    scheduled_at: datetime | None
    as_of: int | None
    audience_count: int | None
    excluded: dict[str, int]
    outcomes: Tally | None
    by_provider: dict[str, Tally] | UnsetType = UNSET
    law: LawAnswer | UnsetType = UNSET
    chunks: int | None
    requested_by: str | UnsetType = UNSET
    requested_at: datetime | UnsetType = UNSET
    approved_at: datetime | None | UnsetType = UNSET
    started_at: datetime | None | UnsetType = UNSET
    frozen_at: datetime | None | UnsetType = UNSET
    stopped_at: datetime | None | UnsetType = UNSET
    completed_at: datetime | None | UnsetType = UNSET
    correlation_id: UUID | UnsetType = UNSET
    position: int | UnsetType = UNSET


class PayloadAnswer(msgspec.Struct, kw_only=True):
    """Bytes the message takes at a provider, and bytes it may take."""

    size: int
    limit: int


class PreviewAnswer(msgspec.Struct, kw_only=True):
    """Who would be reached now. ``audience``: devices in all; ``excluded``: devices left out, by reason."""

    audience: int
    by_provider: dict[str, int]
    excluded: dict[str, int]
    payload: dict[str, PayloadAnswer]


def of_row(found: Send) -> SendAnswer:
    """A send as the read model has it."""
    row, tally = found.row, found.tally
    return SendAnswer(
        send_id=row.send_id,
        app_id=row.app_id,
        status=row.status,
        reason=row.reason,
        subject=SubjectAnswer(notification_id=row.notification_id, followup_id=row.followup_id),
        message=row.message,
        audience=row.audience,
        lane=row.lane,
        in_doubt=row.in_doubt,
        max_attempts=row.max_attempts,
        not_before=row.not_before,
        expires_at=row.expires_at,
        scheduled_at=row.scheduled_at,
        as_of=row.as_of,
        audience_count=row.audience_count,
        excluded=row.excluded,
        outcomes=tally,
        by_provider=found.by_provider,
        law=_law(row.audience_count, tally),
        chunks=row.chunks,
        requested_by=row.requested_by,
        requested_at=row.requested_at,
        approved_at=row.approved_at,
        started_at=row.started_at,
        frozen_at=row.frozen_at,
        stopped_at=row.stopped_at,
        completed_at=row.completed_at,
        correlation_id=row.correlation_id,
        position=row.position,
    )


def of_result(result: SendResult) -> SendAnswer:
    """A send as a command left it."""
    return of_state(result.app_id, result.send_id, result.send)


def of_state(app_id: UUID, send_id: UUID, send: SendState, entries: list[Entry] | None = None) -> SendAnswer:
    """A send as its own events make it. ``outcomes`` only once it was completed: its chunks have streams of theirs."""
    request, frozen = send.request, send.audience
    answer = SendAnswer(
        send_id=send_id,
        app_id=app_id,
        status=send.status.value,
        reason=send.reason,
        subject=SubjectAnswer(notification_id=request.subject.notification_id, followup_id=request.subject.followup_id),
        message=msgspec.to_builtins(request.message),
        audience=asked_for(request.audience),
        lane=request.lane,
        in_doubt=request.in_doubt.value,
        max_attempts=request.max_attempts,
        not_before=request.not_before,
        expires_at=request.expires_at,
        scheduled_at=send.scheduled_at,
        as_of=frozen.as_of if frozen else None,
        audience_count=frozen.audience if frozen else None,
        excluded=frozen.excluded if frozen else {},
        outcomes=send.tally,
        chunks=frozen.chunks if frozen else None,
    )
    if entries:
        answer.requested_by = entries[0].actor.principal
        answer.requested_at = entries[0].recorded_at or UNSET
        answer.correlation_id = entries[0].correlation_id
        answer.position = entries[-1].position
    return answer


def _law(audience: int | None, tally: Tally) -> LawAnswer:
    return LawAnswer(audience=audience, accounted=tally.audience, holds=audience in (None, tally.audience))
