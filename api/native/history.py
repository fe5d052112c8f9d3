"""The past of a resource: its events, and how it stood at a position or a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from flask import Response, request

from tocsin.api.native.access import caller
from tocsin.api.native.document import Decorator, lists
from tocsin.api.native.events_json import EventAnswer, event_answer
from tocsin.api.reads import LARGEST_POSITION, after, encoded_cursor, limit, page_of
from tocsin.api.services import services
from tocsin.commands.engine import Aggregate, Loaded
from tocsin.domain.catalog import name_of
from tocsin.domain.entry import Entry, Fact
from tocsin.domain.errors import Invalid, NotFound
from tocsin.domain.rules import moment
from tocsin.projections.feed import FeedEvent

_READ = 500


def tells_history(parameters: Sequence[Any] = ()) -> Decorator:
    """Documents an operation that answers a resource's events."""
    return lists(EventAnswer, "Its events, oldest first.", parameters, of_record=True)


def as_of() -> int | None:
    """The position that ``?as_of=`` names, itself or as a time; None without one. Raises Invalid."""
    text = request.args.get("as_of")
    if text is None:
        return None
    if text.isascii() and text.isdigit() and len(text) < 20:
        head = services().record.head().position
        if int(text) > min(head, LARGEST_POSITION):
            raise Invalid(f"as_of lies ahead of the record, which is at {head}", field="as_of")
        return int(text)
    position = services().record.position_at(_moment(text))
    if position is None:
        raise Invalid("as_of lies ahead of the database's clock: what will be then nobody can say", field="as_of")
    return position


def _moment(text: str) -> datetime:
    try:
        # A plus that was not escaped arrives as a space.
        return moment(datetime.fromisoformat(text.replace(" ", "+")), "as_of")
    except ValueError as error:
        raise Invalid("as_of must be a position or a time such as 2026-01-31T12:00:00Z", field="as_of") from error


def stood(app_id: UUID, stream_id: UUID, aggregate: Aggregate[Any], position: int) -> tuple[Any, list[Entry]]:
    """A stream's state as it stood at a position, and the events that made it. Raises NotFound."""
    entries = services().record.load_as_of(stream_id, position)
    if not entries or entries[0].app_id != app_id:
        raise NotFound("there was no such thing then", id=str(stream_id), as_of=position)
    return Loaded(stream_id, aggregate, entries).state, entries


def history(app_id: UUID, stream_id: UUID, kind: str) -> Response:
    """A page of a stream's events, oldest first. ``kind``: what their names begin with. Raises NotFound."""
    return _page(app_id, stream_id, lambda fact: name_of(fact).partition(".")[0] == kind, kind, lambda: False)


def history_of_part(
    app_id: UUID,
    stream_id: UUID,
    about: Callable[[Fact], bool],
    what: str,
    known: Callable[[], bool] = lambda: False,
) -> Response:
    """A page of those events of a stream that are ``about`` one part of it, oldest first. Raises NotFound.

    ``what``: names the part, for the error where no event is about it, unless it is ``known`` all the same.
    """
    return _page(app_id, stream_id, about, what, known)


def _page(
    app_id: UUID, stream_id: UUID, about: Callable[[Fact], bool], what: str, known: Callable[[], bool]
) -> Response:
    start, wanted = after(int) or 0, limit()
    if services().record.apps_of([stream_id]).get(stream_id) != app_id:
        raise NotFound("there is no such thing", id=str(stream_id))
    found = _events(stream_id, start, wanted, about)
    if not found and not start and not known():
        raise NotFound(f"there is no such {what}")
    items = [event_answer(event, clear=caller().sees_people) for event in found[:wanted]]
    more = len(found) > wanted
    return page_of(items, encoded_cursor(b"%d" % found[wanted - 1].entry.originator_version) if more else None)


def _events(stream_id: UUID, start: int, wanted: int, about: Callable[[Fact], bool]) -> list[FeedEvent]:
    """One more of the events wanted than a page takes, where there are so many."""
    found: list[FeedEvent] = []
    while len(found) <= wanted:
        read = services().feed.history(stream_id, after=start, limit=_READ)
        found += [event for event in read if about(event.entry.fact)]
        if len(read) < _READ:
            break
        start = read[-1].entry.originator_version
    return found
