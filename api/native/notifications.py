"""Notifications: messages people can read, with their validity and their follow-ups."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from flask import Response, request

from tocsin.api.bodies import Resources
from tocsin.api.native.access import AUDITOR, EVERYBODY, SENDER, needs
from tocsin.api.native.document import AS_OF, REASON, lists, one_of, reads, writes
from tocsin.api.native.history import as_of, history, stood, tells_history
from tocsin.api.native.notifications_json import (
    NotificationAnswer,
    NotificationChanges,
    NotificationForm,
    of_result,
    of_row,
    of_state,
)
from tocsin.api.native.writing import write
from tocsin.api.reads import after, as_json, chosen, limit, paged, reading
from tocsin.api.requests import address_of
from tocsin.api.services import services
from tocsin.api.writes import Answer
from tocsin.commands.notifications import NotificationResult, change_notification, create_notification
from tocsin.domain import notification as notification_rules
from tocsin.domain.errors import NotFound
from tocsin.domain.notification import AmendNotification, CreateNotification, WithdrawNotification
from tocsin.projections import notifications
from tocsin.projections.notifications import When

SERVES = ("notifications",)

WHEN = tuple(when.value for when in When)
FILTERS = [one_of("when", "In force now, not yet, or no longer; all without it.", WHEN)]

blueprint = Resources(
    "notifications",
    __name__,
    url_prefix="/v1/apps/<uuid:app_id>",
    description="Notifications: messages people can read, with their follow-ups.",
)


@blueprint.route("/notifications", methods=["POST"])
@needs(SENDER)
@blueprint.arguments(NotificationForm)
@writes(201, kind=NotificationAnswer, description="The notification.")
def create(form: dict[str, Any], app_id: UUID) -> Response:
    """Publish a notification. Nothing is pushed: a send does that."""
    engine = services().engine
    now = engine.clock()
    command = CreateNotification(now=now, **{"starts_at": now, **form})

    def answer(result: NotificationResult) -> Answer:
        location = address_of("notifications.get", app_id=app_id, notification_id=result.notification_id)
        return Answer(201, of_result(result), {"Location": location})

    return write(
        lambda context: create_notification(engine, context, app_id, command),
        answer,
        SERVES,
    )


@blueprint.route("/notifications", methods=["GET"])
@needs(*EVERYBODY)
@lists(NotificationAnswer, parameters=FILTERS)
def list_all(app_id: UUID) -> Response:
    """The app's notifications, the newest first."""
    now, when = services().engine.clock(), chosen("when", WHEN)
    with reading("notifications") as connection:
        page = notifications.list_notifications(
            connection, app_id, now=now, when=When(when) if when else None, before=after(int), limit=limit()
        )
    return paged(page, lambda found: of_row(found, now))


@blueprint.route("/notifications/<uuid:notification_id>", methods=["GET"])
@needs(*EVERYBODY)
@reads(NotificationAnswer, parameters=[AS_OF])
def get(app_id: UUID, notification_id: UUID) -> Response:
    """One notification with its follow-ups, as it is or as it was."""
    position = as_of()
    if position is not None:
        state, entries = stood(app_id, notification_id, notification_rules, position)
        return as_json(of_state(app_id, notification_id, state, entries))
    return as_json(of_row(known_notification(app_id, notification_id), services().engine.clock()))


@blueprint.route("/notifications/<uuid:notification_id>", methods=["PATCH"])
@needs(SENDER)
@blueprint.arguments(NotificationChanges)
@writes(200, kind=NotificationAnswer, description="The notification.")
def amend(form: dict[str, Any], app_id: UUID, notification_id: UUID) -> Response:
    """Amend a notification. What it said before stays in its history."""
    return change(app_id, notification_id, AmendNotification(**form), lambda result: Answer(200, of_result(result)))


@blueprint.route("/notifications/<uuid:notification_id>", methods=["DELETE"])
@needs(SENDER)
@writes(204, description="Withdrawn.", parameters=[REASON])
def withdraw(app_id: UUID, notification_id: UUID) -> Response:
    """Withdraw a notification: nobody is shown it any more, and it cannot be pushed."""
    command = WithdrawNotification(reason=request.args.get("reason"))
    return change(app_id, notification_id, command, lambda _: Answer(204))


@blueprint.route("/notifications/<uuid:notification_id>/history", methods=["GET"])
@needs(AUDITOR)
@tells_history()
def past(app_id: UUID, notification_id: UUID) -> Response:
    """Everything that ever happened to the notification and its follow-ups."""
    return history(app_id, notification_id, "notification")


def known_notification(app_id: UUID, notification_id: UUID) -> notifications.Notification:
    """A notification of this app, from the read model. Raises NotFound."""
    with reading("notifications") as connection:
        found = notifications.notification(connection, app_id, notification_id)
    if found is None:
        raise NotFound("there is no such notification", notification=str(notification_id))
    return found


def change(
    app_id: UUID, notification_id: UUID, command: Any, answer: Callable[[NotificationResult], Answer]
) -> Response:
    """Carry out a command on a notification."""
    return write(
        lambda context: change_notification(services().engine, context, app_id, notification_id, command),
        answer,
        SERVES,
    )
