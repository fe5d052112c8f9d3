"""What is asked of sends: messages, audiences, times, as the forms of requests and as commands."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

import marshmallow as ma
from marshmallow import fields, validate

from tocsin.api.bodies import Flag
from tocsin.commands.people import Digest, alias, user
from tocsin.domain.audience import DEFAULT_PROFILE, Audience
from tocsin.domain.events.send import InDoubt, Subject
from tocsin.domain.lanes import LANES
from tocsin.domain.message import MAX_TTL, OF_DEVICES, Message, Priority
from tocsin.domain.personal import Personal
from tocsin.domain.platforms import PLATFORMS
from tocsin.domain.send import FASTEST_PACE, MAX_LABELS, MAX_NAMED, MAX_REASON, RequestSend


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
    badge_change = fields.Integer(
        strict=True,
        allow_none=True,
        validate=validate.Range(-(2**31) + 1, 2**31 - 1),
        metadata={"description": "Added to the number each device shows, instead of badge."},
    )
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
    per_device = fields.Dict(
        keys=fields.String(),
        values=fields.String(validate=validate.OneOf(OF_DEVICES)),
        metadata={"description": "Further keys of data, and what of each device they stand for."},
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
    properties = fields.Dict(
        keys=fields.String(),
        values=fields.List(fields.Raw()),
        metadata={"description": "Narrows to devices that have one of the values of every property named."},
    )
    profile = fields.String(
        validate=validate.Length(1, 64), metadata={"description": "Which of the providers' configurations to use."}
    )


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
    pace = fields.Integer(
        strict=True,
        allow_none=True,
        validate=validate.Range(1, FASTEST_PACE),
        metadata={"description": "At most so many devices a minute."},
    )
    name = _text(255, "By which people find it again, as by campaign and labels.")
    campaign = _text(255)
    labels = fields.List(fields.String(validate=validate.Length(1, 255)), validate=validate.Length(max=MAX_LABELS))

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
        properties={name: tuple(values) for name, values in form.get("properties", {}).items()},
        profile=form.get("profile", DEFAULT_PROFILE),
    )


def request_of(form: dict[str, Any], digest: Digest, app_id: UUID, now: datetime) -> RequestSend:
    """The command a form asks for."""
    options = ("not_before", "expires_at", "lane", "in_doubt", "max_attempts", "pace", "name", "campaign")
    return RequestSend(
        message=message_of(form.get("message")),
        audience=audience_of(form["audience"], digest, app_id),
        now=now,
        subject=Subject(**form.get("subject", {})),
        personal=tuple(_personal(one, digest, app_id) for one in form.get("personal", ())),
        labels=tuple(form.get("labels", ())),
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
