"""Messages: sent one by one or in bulk, read, withdrawn, and reported on by the phones that got them."""

from __future__ import annotations

from functools import partial
from typing import Any

from flask import Response

from tocsin.api.certainty import matches_anybody, was_addressed
from tocsin.api.dialects.mobilefirst import lists, reports
from tocsin.api.dialects.mobilefirst.access import Caller, authorized
from tocsin.api.dialects.mobilefirst.bodies import body, text
from tocsin.api.dialects.mobilefirst.chapters import IN_APPLICATION, chapter
from tocsin.api.dialects.mobilefirst.devices import own_id, registered
from tocsin.api.dialects.mobilefirst.errors import NO_DEVICES, Refusal, answer, invalid, missing
from tocsin.api.dialects.mobilefirst.messages import PART, Wanted, part_of, wanted
from tocsin.api.dialects.routing import serving
from tocsin.api.reads import reading
from tocsin.api.requests import context
from tocsin.api.services import services
from tocsin.api.writes import Answer, readable, write
from tocsin.commands.receipts import record_receipt
from tocsin.commands.sends import SendResult, request_sends, withdraw_send
from tocsin.domain.errors import NotFound
from tocsin.domain.receipt import ReportOpened, ReportReceived
from tocsin.projections import deliveries
from tocsin.projections import sends as read_model
from tocsin.projections.sends import Send, SendFilter

READ, WRITE = "messages.read", "messages.write"
SERVES = ("sends",)
REPORTS = {"OPEN": ReportOpened, "SEEN": ReportReceived}
STANDING = SendFilter(withdrawn=False, no_labels=(PART,))

blueprint = chapter("messages", f"{IN_APPLICATION}/messages")
serves = serving(blueprint)


@serves("POST", "")
def send(application_id: str) -> Response:
    """Send a message. Recorded, it is accepted; what becomes of it is recorded too."""
    return _send(application_id, bulk=False)


@serves("POST", "/bulk")
def send_in_bulk(application_id: str) -> Response:
    """Send several messages, all or none."""
    return _send(application_id, bulk=True)


@serves("GET", "")
def list_all(application_id: str) -> Response:
    """The messages, the newest first."""
    caller, where = authorized(application_id, READ), lists.place()
    with reading("sends") as connection:
        found = read_model.slice_sends(connection, caller.app_id, STANDING, offset=where.offset, limit=where.size)
    return lists.listed("messages", found, partial(reports.listed, application_id), where)


@serves("GET", "/<message_id>")
def get(application_id: str, message_id: str) -> Response:
    """One message."""
    return answer(200, reports.message(_found(authorized(application_id, READ), message_id)))


@serves("DELETE", "/<message_id>")
def delete(application_id: str, message_id: str) -> Response:
    """Withdraw a message: whoever it has not been sent to gets it no more."""
    caller = authorized(application_id, WRITE)
    found = _found(caller, message_id)
    _withdraw_parts(caller, message_id)
    return write(
        caller.actor,
        caller.scope,
        lambda who: withdraw_send(services().engine, who, caller.app_id, found.row.send_id),
        lambda _: Answer(204),
        SERVES,
    )


@serves("GET", "/<message_id>/report")
def report(application_id: str, message_id: str) -> Response:
    """How many devices a message was for, and what became of it there."""
    found = _found(authorized(application_id, READ), message_id)
    with reading("deliveries") as connection:
        receipts = deliveries.receipt_counts(connection, found.row.send_id)
    return answer(200, reports.report(found, receipts))


@serves("GET", "/<message_id>/status")
def status(application_id: str, message_id: str) -> Response:
    """The same, as one client asks for it."""
    return report(application_id, message_id)


@serves("GET", "/<message_id>/deliverystatus")
def delivery_status(application_id: str, message_id: str) -> Response:
    """What became of a message on each device, or with ``?deviceId=`` on one."""
    caller = authorized(application_id, READ)
    found, where, device = _found(caller, message_id), lists.place(), lists.narrowed("deviceId")
    own = own_id(caller.app_id, device) if device is not None else None
    if device is not None and own is None:
        raise missing("devices", "deviceId")
    with reading("deliveries", "devices") as connection:
        part = reports.deliveries_of(connection, found, own, where)
        phones = reports.phones_of(connection, part)
    return lists.listed("deliveryStatus", part, partial(reports.delivery, phones), where)


@serves("PUT", "/<message_id>")
def receipt(application_id: str, message_id: str) -> Response:
    """A phone reports that it got a message, or that somebody opened it."""
    caller = authorized(application_id, WRITE, mobile=True)
    given = body()
    said = text(given, "status").upper()
    if said not in REPORTS:
        raise invalid("status")
    device_id = text(given, "deviceId")
    own, found = registered(caller.app_id, device_id), _found(caller, message_id)
    command = REPORTS[said](send_id=found.row.send_id, device_id=own)
    who = context(caller.actor, caller.scope)
    try:
        done = record_receipt(services().engine, who, caller.app_id, found.row.send_id, own, command, was_addressed)
    except NotFound as error:
        raise missing("messages", "messageId") from error
    shown = {"messageId": message_id, "deviceId": device_id, "status": said}
    return readable(answer(200, shown), done.position, ("deliveries",))


@serves("PUT", "/<message_id>/deliverystatus")
def receipt_of_delivery(application_id: str, message_id: str) -> Response:
    """The same, under the address its scope is named after."""
    return receipt(application_id, message_id)


def _send(application_id: str, *, bulk: bool) -> Response:
    caller, engine = authorized(application_id, WRITE), services().engine
    messages = wanted(caller, bulk)
    _refuse_for_nobody(caller, messages)
    ids = {one.send_id for one in messages}
    requests = {send_id: request for one in messages for send_id, request in one.requests.items()}

    def accepted(results: list[SendResult]) -> Answer:
        shown = [_accepted(result) for result in results if result.send_id in ids]
        return Answer(202, shown if bulk else shown[0])

    return write(
        caller.actor,
        caller.scope,
        lambda who: request_sends(engine, who, caller.app_id, requests),
        accepted,
        SERVES,
    )


def _refuse_for_nobody(caller: Caller, messages: list[Wanted]) -> None:
    """Where the app's settings say so. Raises Refusal."""
    assert caller.application is not None
    if caller.application.settings.get("refuseNoDevices") is not True:
        return
    if not all(matches_anybody(caller.app_id, one.push.audience) for one in messages):
        raise Refusal(NO_DEVICES)


def _withdraw_parts(caller: Caller, message_id: str) -> None:
    """Before the message itself: whoever is cut off may ask again."""
    with reading("sends") as connection:
        wanted_parts = SendFilter(labels=(part_of(message_id),), withdrawn=False)
        parts = read_model.slice_sends(connection, caller.app_id, wanted_parts)
    for part in parts.items:
        withdraw_send(services().engine, context(caller.actor, caller.scope), caller.app_id, part.row.send_id)


def _accepted(result: SendResult) -> dict[str, Any]:
    alert = result.send.request.message.body
    return {"messageId": services().handles.of(result.send_id), "message": {"message": {"alert": alert}}}


def _found(caller: Caller, message_id: str) -> Send:
    """A message that was not withdrawn. Raises Refusal."""
    handles = services().handles
    with reading("sends") as connection:
        found = read_model.send_by_handle(connection, caller.app_id, handles, message_id)
    if found is None or found.row.withdrawn_at is not None:
        raise missing("messages", "messageId")
    return found
