"""Follow-ups: what there is to add to a notification as things go on."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import Response, request

from tocsin.api.bodies import Resources
from tocsin.api.native.access import AUDITOR, EVERYBODY, SENDER, needs
from tocsin.api.native.document import AS_OF, REASON, lists, reads, writes
from tocsin.api.native.history import as_of, history_of_part, stood, tells_history
from tocsin.api.native.notifications import change, known_notification
from tocsin.api.native.notifications_json import (
    FollowupAnswer,
    FollowupChanges,
    FollowupForm,
    followup_of_row,
    followup_of_state,
)
from tocsin.api.reads import as_json, paged, within
from tocsin.api.requests import address_of
from tocsin.api.services import services
from tocsin.api.writes import Answer
from tocsin.commands.notifications import NotificationResult
from tocsin.domain import notification as notification_rules
from tocsin.domain.errors import NotFound
from tocsin.domain.notification import AddFollowup, AmendFollowup, WithdrawFollowup

blueprint = Resources(
    "followups",
    __name__,
    url_prefix="/v1/apps/<uuid:app_id>/notifications/<uuid:notification_id>",
    description="Follow-ups: what there is to add to a notification.",
)


@blueprint.route("/followups", methods=["POST"])
@needs(SENDER)
@blueprint.arguments(FollowupForm)
@writes(201, kind=FollowupAnswer, description="The follow-up.")
def add(form: dict[str, Any], app_id: UUID, notification_id: UUID) -> Response:
    """Add a follow-up. Nothing is pushed: a send does that."""
    command = AddFollowup(**{"at": services().engine.clock(), **form})

    def answer(result: NotificationResult) -> Answer:
        number = result.notification.last_followup
        location = address_of("followups.get", app_id=app_id, notification_id=notification_id, followup_id=number)
        return Answer(201, _of_result(result, number), {"Location": location})

    return change(app_id, notification_id, command, answer)


@blueprint.route("/followups", methods=["GET"])
@needs(*EVERYBODY)
@lists(FollowupAnswer)
def list_all(app_id: UUID, notification_id: UUID) -> Response:
    """The notification's follow-ups in the order they were added, withdrawn ones among them."""
    found = known_notification(app_id, notification_id)
    return paged(within(found.followups, lambda row: row.followup_id, int), followup_of_row)


@blueprint.route("/followups/<int:followup_id>", methods=["GET"])
@needs(*EVERYBODY)
@reads(FollowupAnswer, parameters=[AS_OF])
def get(app_id: UUID, notification_id: UUID, followup_id: int) -> Response:
    """One follow-up, as it is or as it was."""
    position = as_of()
    if position is not None:
        state, _ = stood(app_id, notification_id, notification_rules, position)
        if followup_id not in state.followups:
            raise _unknown(followup_id)
        return as_json(followup_of_state(notification_id, followup_id, state.followups[followup_id]))
    for row in known_notification(app_id, notification_id).followups:
        if row.followup_id == followup_id:
            return as_json(followup_of_row(row))
    raise _unknown(followup_id)


@blueprint.route("/followups/<int:followup_id>", methods=["PATCH"])
@needs(SENDER)
@blueprint.arguments(FollowupChanges)
@writes(200, kind=FollowupAnswer, description="The follow-up.")
def amend(form: dict[str, Any], app_id: UUID, notification_id: UUID, followup_id: int) -> Response:
    """Amend a follow-up. What it said before stays in the history."""
    command = AmendFollowup(followup_id=followup_id, **form)
    return change(app_id, notification_id, command, lambda result: Answer(200, _of_result(result, followup_id)))


@blueprint.route("/followups/<int:followup_id>", methods=["DELETE"])
@needs(SENDER)
@writes(204, description="Withdrawn.", parameters=[REASON])
def withdraw(app_id: UUID, notification_id: UUID, followup_id: int) -> Response:
    """Withdraw a follow-up. Its number is never used again."""
    command = WithdrawFollowup(followup_id=followup_id, reason=request.args.get("reason"))
    return change(app_id, notification_id, command, lambda _: Answer(204))


@blueprint.route("/followups/<int:followup_id>/history", methods=["GET"])
@needs(AUDITOR)
@tells_history()
def past(app_id: UUID, notification_id: UUID, followup_id: int) -> Response:
    """Everything that ever happened to the follow-up."""
    return history_of_part(
        app_id, notification_id, lambda fact: getattr(fact, "followup_id", None) == followup_id, "follow-up"
    )


def _of_result(result: NotificationResult, number: int) -> FollowupAnswer:
    return followup_of_state(result.notification_id, number, result.notification.followups[number])


def _unknown(followup_id: int) -> NotFound:
    return NotFound("this notification has no such follow-up", followup=followup_id)
