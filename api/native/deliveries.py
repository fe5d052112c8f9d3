"""What became of every copy: deliveries by send and by device, who was left out, and what phones report."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import Response

from tocsin.api.bodies import Resources
from tocsin.api.certainty import was_addressed
from tocsin.api.native.access import AUDITOR, OPERATOR, REGISTRAR, SENDER, caller, needs
from tocsin.api.native.deliveries_json import (
    REPORTS,
    AudienceAnswer,
    DeliveryAnswer,
    ExcludedAnswer,
    ReceiptAnswer,
    ReceiptForm,
    excluded_of_row,
    of_row,
    receipt_of_result,
)
from tocsin.api.native.devices import known_device
from tocsin.api.native.document import lists, one_of, query, reads, writes
from tocsin.api.native.events_json import in_clear
from tocsin.api.native.recomputed import NDJSON, Recomputed, answered
from tocsin.api.native.sends import READERS, known_send
from tocsin.api.native.writing import write
from tocsin.api.reads import after, as_json, await_position, chosen, limit, paged, reading
from tocsin.api.requests import accepts
from tocsin.api.services import services
from tocsin.api.writes import Answer
from tocsin.commands.receipts import record_receipt
from tocsin.commands.sends import load_send
from tocsin.domain.errors import Conflict
from tocsin.domain.events.chunk import OutcomeKind
from tocsin.domain.events.send import Exclusion
from tocsin.domain.platforms import PROVIDERS
from tocsin.domain.send import Send
from tocsin.projections import audience, deliveries, sends

SERVES = ("deliveries",)

OUTCOMES = (deliveries.PENDING, *(kind.value for kind in OutcomeKind))
REASONS = tuple(reason.value for reason in Exclusion)

blueprint = Resources(
    "deliveries", __name__, url_prefix="/v1/apps/<uuid:app_id>", description="Deliveries: what became of every copy."
)


@blueprint.route("/sends/<uuid:send_id>/deliveries", methods=["GET"])
@needs(*READERS)
@lists(
    DeliveryAnswer,
    parameters=[
        one_of("outcome", "Deliveries of this outcome.", OUTCOMES),
        one_of("provider", "Deliveries by this provider.", PROVIDERS),
    ],
)
def of_send(app_id: UUID, send_id: UUID) -> Response:
    """A send's deliveries, device by device."""
    outcome, provider = chosen("outcome", OUTCOMES), chosen("provider", PROVIDERS)
    known_send(app_id, send_id)
    with reading("deliveries") as connection:
        page = deliveries.list_deliveries(
            connection,
            send_id,
            outcome=outcome,
            provider=provider,
            after=after(tuple[int, int]) or (-1, -1),
            limit=limit(),
        )
    return paged(page, of_row)


@blueprint.route("/sends/<uuid:send_id>/excluded", methods=["GET"])
@needs(*READERS)
@lists(ExcludedAnswer, parameters=[one_of("reason", "Left out for this reason.", REASONS)])
def excluded(app_id: UUID, send_id: UUID) -> Response:
    """The devices that matched and were left out, and why."""
    reason = chosen("reason", REASONS)
    known_send(app_id, send_id)
    with reading("sends") as connection:
        page = sends.list_exclusions(
            connection,
            send_id,
            reason=Exclusion(reason) if reason else None,
            after=after(tuple[int, int]) or (-1, -1),
            limit=limit(),
        )
    return paged(page, excluded_of_row)


@blueprint.route("/devices/<uuid:device_id>/deliveries", methods=["GET"])
@needs(REGISTRAR, SENDER, OPERATOR, AUDITOR)
@lists(DeliveryAnswer)
def of_device(app_id: UUID, device_id: UUID) -> Response:
    """What was sent to a device, the newest first."""
    known_device(app_id, device_id)
    with reading("deliveries") as connection:
        page = deliveries.device_deliveries(connection, device_id, before=after(int), limit=limit())
    return paged(page, of_row)


@blueprint.route("/sends/<uuid:send_id>/receipts", methods=["POST"])
@needs(REGISTRAR, SENDER)
@blueprint.arguments(ReceiptForm)
@writes(201, kind=ReceiptAnswer, description="What the phone has reported so far.")
def report(form: dict[str, Any], app_id: UUID, send_id: UUID) -> Response:
    """Record what a phone reports of a push: `received`, `opened`. The same report again changes nothing."""
    device_id = form["device_id"]
    command = REPORTS[form["event"]](send_id=send_id, device_id=device_id, at=form["at"])
    return write(
        lambda context: record_receipt(services().engine, context, app_id, send_id, device_id, command, was_addressed),
        lambda result: Answer(201, receipt_of_result(result)),
        SERVES,
    )


@blueprint.route("/sends/<uuid:send_id>/audience", methods=["GET"])
@needs(*READERS)
@reads(
    AudienceAnswer,
    "The audience as recorded; recomputed, it is application/x-ndjson: a line a device, and a last line that says"
    " whether the counts are those recorded. Devices erased since are no longer found by an alias or a property.",
    parameters=[query("recompute", "Work it out again at the position it was frozen at.", {"type": "boolean"})],
)
def audience_of(app_id: UUID, send_id: UUID) -> Response:
    """Who a send was for: as recorded, or recomputed from the record at the frozen position."""
    state = load_send(services().engine, app_id, send_id).state
    assert state is not None
    if chosen("recompute", ("true", "false")) == "true":
        return _recomputed(app_id, send_id, state)
    frozen = state.audience
    return as_json(
        AudienceAnswer(
            send_id=send_id,
            as_of=frozen.as_of if frozen else None,
            asked=in_clear(state.request.audience, clear=caller().sees_people),
            audience=frozen.audience if frozen else None,
            by_provider=frozen.by_provider if frozen else {},
            excluded=frozen.excluded if frozen else {},
        )
    )


def _recomputed(app_id: UUID, send_id: UUID, send: Send) -> Response:
    frozen = send.audience
    if frozen is None:
        raise Conflict("the audience of this send is not frozen yet", send=str(send_id))
    accepts(NDJSON, "application/json")
    await_position(frozen.as_of, ["audience"])

    def work() -> Recomputed:
        with services().readers.connection() as connection:
            return Recomputed(
                audience.resolve(connection, app_id, send.request.audience, frozen.as_of, services().digest)
            )

    return answered(work, frozen)
