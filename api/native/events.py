"""The feed: every event the caller may see, in the order of the record, each device's outcome one of its own."""

from __future__ import annotations

import hmac
import time
from collections.abc import Collection
from threading import BoundedSemaphore
from uuid import UUID

import msgspec
from flask import Response, request

from tocsin.api.bodies import Resources
from tocsin.api.native.access import AUDITOR, EVERYBODY, caller, needs
from tocsin.api.native.document import lists, query
from tocsin.api.native.event_roles import shown
from tocsin.api.native.events_json import EventAnswer, event_answer
from tocsin.api.reads import AFTER, decoded_cursor, encoded_cursor, limit, number_argument, page_of, position_argument
from tocsin.api.services import services
from tocsin.domain.described import described
from tocsin.domain.errors import Forbidden, Invalid, TocsinError
from tocsin.eventlog.record import Head
from tocsin.projections.feed import FEED_NAMES, START, Address, FeedPage, after_position

LONGEST_WAIT = 30
WAITERS = 8
"""Requests of one process that may wait for events at a time; any further one is answered at once."""

_LOOK_SECONDS = 0.1
_PATIENCE = 2.0
"""Seconds a request may spend looking through events that are not among those it asks for."""

_SIGNATURE = 12
_waiting = BoundedSemaphore(WAITERS)

PARAMETERS = [
    query("types", "Only events of these types, with commas between; `delivery.*` stands for all that begin so."),
    query(
        "wait",
        f"Seconds (at most {LONGEST_WAIT}) to wait for an event where there is none.",
        {"type": "integer", "minimum": 0, "maximum": LONGEST_WAIT},
    ),
    query(AFTER, "Begin after this position.", {"type": "integer", "minimum": 0}),
]

ENDED = {"ended": {"type": "boolean", "description": "There was nothing more when this was read."}}

blueprint = Resources("events", __name__, url_prefix="/v1", description="Events: what happened, in the record's order.")


class Gone(TocsinError):
    """The record was restored from a backup since the cursor was given out: what it counted on may not be there."""

    code = "gone"


@described
class _Place(msgspec.Struct, array_like=True, frozen=True):
    epoch: int
    position: int
    index: int


@blueprint.route("/apps/<uuid:app_id>/events", methods=["GET"])
@needs(*EVERYBODY)
@lists(EventAnswer, "Events, oldest first.", PARAMETERS, of_record=True, more=ENDED)
def of_app(app_id: UUID) -> Response:
    """The events of one app, of those resources that the caller's role may read; all of them to admins and auditors.

    `next` is there on every page: ask with it at any later time for what has happened since. `ended` says whether
    there was more at once.
    """
    return _feed(app_id)


@blueprint.route("/events", methods=["GET"])
@needs(*EVERYBODY)
@lists(EventAnswer, "Events, oldest first.", PARAMETERS, of_record=True, more=ENDED)
def of_all() -> Response:
    """The events of every app the caller may see, and of them those its role is shown. `next` as for one app."""
    who = caller()
    return _feed(None if who.of_instance else who.app_id)


def _feed(app_id: UUID | None) -> Response:
    head = services().record.head()
    epoch = head.epoch
    start, names, wait = _start(head), _names(), number_argument("wait", 0, LONGEST_WAIT)
    page = _read(app_id, start, names)
    if not page.items and wait and _waiting.acquire(blocking=False):
        try:
            page = _await(app_id, page, names, wait)
        finally:
            _waiting.release()
    clear = caller().sees_people
    items = [event_answer(event, clear=clear) for event in page.items]
    return page_of(items, _cursor(epoch, page.next), ended=page.ended)


def _read(app_id: UUID | None, start: Address, names: Collection[str] | None) -> FeedPage:
    """A page; one without events only where the record holds no more, or looking for them takes long."""
    deadline = time.monotonic() + _PATIENCE
    page = services().feed.events(app_id, start, limit(), names)
    while not page.items and not page.ended and time.monotonic() < deadline:
        page = services().feed.events(app_id, page.next, limit(), names)
    return page


def _await(app_id: UUID | None, page: FeedPage, names: Collection[str] | None, seconds: int) -> FeedPage:
    deadline = time.monotonic() + seconds
    while not page.items and (left := deadline - time.monotonic()) > 0:
        time.sleep(min(_LOOK_SECONDS, left))
        page = _read(app_id, page.next, names)
    return page


def _start(head: Head) -> Address:
    cursor, position = request.args.get("cursor"), position_argument(AFTER)
    if cursor is None:
        return START if position is None else _after(position, head)
    if position is not None:
        raise Invalid("begin after a cursor or after a position, not both", field=AFTER)
    place = _place(decoded_cursor(cursor))
    if place.epoch != head.epoch:
        raise Gone(
            "the record was restored from a backup since: begin again without a cursor, or ?after= a position of the"
            " time before",
            position=place.position,
            epoch=head.epoch,
        )
    return place.position, place.index


def _after(position: int, head: Head) -> Address:
    # After a restore, say: whoever went on from there would be told nothing of all that comes up to it.
    if position > head.position:
        raise Invalid(f"{AFTER} lies ahead of the record, which is at {head.position}", field=AFTER)
    return after_position(position)


def _place(raw: bytes) -> _Place:
    signature, content = raw[:_SIGNATURE], raw[_SIGNATURE:]
    if not hmac.compare_digest(signature, _signature(content)):
        raise Invalid("this cursor is not one of this feed: take it from `next` of a page", field="cursor")
    return msgspec.json.decode(content, type=_Place)


def _cursor(epoch: int, address: Address) -> str:
    content = msgspec.json.encode(_Place(epoch, *address))
    return encoded_cursor(_signature(content) + content)


def _signature(content: bytes) -> bytes:
    return services().digest("cursor", content.decode("latin-1"))[:_SIGNATURE]


def _names() -> Collection[str] | None:
    """Those asked for that the caller is shown; None: all there are. Raises Invalid, Forbidden where none is left."""
    text, visible = request.args.get("types"), shown(caller())
    if text is None:
        return visible
    names: set[str] = set()
    for asked in text.split(","):
        family = asked.removesuffix("*") if asked.endswith(".*") else None
        found = {name for name in FEED_NAMES if name == asked or (family and name.startswith(family))}
        if not found:
            raise Invalid(f"there are no events of type {asked!r}", field="types")
        names |= found
    if visible is not None and names.isdisjoint(visible):
        raise Forbidden(f"events of type {text!r} are for a credential with the role {AUDITOR}", role=AUDITOR)
    return names if visible is None else names.intersection(visible)
