"""From Moxie to the engine: its notifications are Notifications, its pushes are Sends, its registrations Devices."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from tocsin.api.dialects.moxie import errors
from tocsin.api.dialects.moxie.representations import Alert, of_row
from tocsin.api.dialects.moxie.signatures import NAME
from tocsin.api.dialects.settings import settings_of, through
from tocsin.api.reads import reading
from tocsin.api.services import services
from tocsin.commands.apps import load_enabled
from tocsin.commands.devices import Registration
from tocsin.commands.notifications import load_notification
from tocsin.domain.audience import Audience
from tocsin.domain.errors import NotFound
from tocsin.domain.events.send import Subject
from tocsin.domain.message import Message
from tocsin.domain.send import RequestSend
from tocsin.projections import notifications
from tocsin.projections.notifications import When

TITLE = "Mobile Oxford"
"""What the devices show above a message, unless the app's settings name another: ``{"moxie": {"title": …}}``."""

PUSH_LIFE = timedelta(hours=2)
"""How long a push is tried."""

PLATFORMS = {"registration_id": "android", "device_token": "ios"}
"""By what a registration calls its token."""

_PAGE = 1000


def now() -> datetime:
    """The time, to the second, as all of this API's dates are."""
    return services().engine.clock().replace(microsecond=0)


def alerts(app_id: UUID, history: bool) -> Iterator[Alert]:
    """The notifications in force, or with ``history`` all, the newest first; not those that were deleted."""
    when, before = None if history else When.CURRENT, None
    with reading("notifications") as connection:
        while True:
            page = notifications.list_notifications(
                connection, app_id, now=now(), when=when, before=before, limit=_PAGE
            )
            yield from (of_row(found) for found in page.items if found.row.withdrawn_at is None)
            if page.next is None:
                return
            before = page.next


def alert(app_id: UUID, ident: str) -> Alert:
    """One notification, to be read. Raises NotFound."""
    with reading("notifications") as connection:
        found = notifications.notification(connection, app_id, _uuid(ident))
    if found is None or found.row.withdrawn_at is not None:
        raise NotFound(errors.NO_NOTIFICATION)
    return of_row(found)


def standing(app_id: UUID, ident: str) -> UUID:
    """One notification, to be changed, as the record has it. Raises NotFound."""
    notification_id = _uuid(ident)
    try:
        state = load_notification(services().engine, app_id, notification_id).state
    except NotFound as error:
        raise NotFound(errors.NO_NOTIFICATION) from error
    if state is None or state.withdrawn:
        raise NotFound(errors.NO_NOTIFICATION)
    return notification_id


def standing_followup(app_id: UUID, ident: str, number: str) -> tuple[UUID, int]:
    """A follow-up and its notification, to be changed. Raises NotFound."""
    notification_id = standing(app_id, ident)
    state = load_notification(services().engine, app_id, notification_id).state
    followup_id = followup_number(number)
    if state is None or followup_id not in state.followups:
        raise NotFound(errors.NO_FOLLOWUP)
    return notification_id, followup_id


def followup_number(text: str) -> int:
    """The number of a follow-up. Raises NotFound for what cannot be one."""
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise NotFound(errors.NO_FOLLOWUP)
    return int(text)


def push(app_id: UUID, notification_id: UUID, message: str) -> RequestSend:
    """The push of a notification, even of one that has expired, to the app's devices.

    To all of them, unless the app's settings name the APIs they registered through: ``{"moxie": {"through": […]}}``.
    """
    engine = services().engine
    settings = settings_of(load_enabled(engine, app_id).settings, NAME)
    time = engine.clock()
    return RequestSend(
        message=_message(settings, message),
        audience=Audience(everyone=True, through=through(settings)),
        subject=Subject(notification_id=notification_id),
        past_validity=True,
        now=time,
        expires_at=time + PUSH_LIFE,
        lane="urgent",
    )


def registration(key: str, token: str) -> Registration:
    """A device that reports its push token, whatever that looks like."""
    return Registration(platform=PLATFORMS[key], token=token, token_shape=False)


def _message(settings: dict[str, Any], text: str) -> Message:
    """On Apple's devices the text alone, on Google's the keys the app looks for too."""
    title = settings.get("title")
    shown = title if isinstance(title, str) and title.strip() else TITLE
    return Message(
        title=shown, body=text, apns={"aps": {"alert": text}}, fcm={"data": {"title": shown, "message": text}}
    )


def _uuid(ident: str) -> UUID:
    try:
        return UUID(ident)
    except ValueError as error:
        raise NotFound(errors.NO_NOTIFICATION) from error
