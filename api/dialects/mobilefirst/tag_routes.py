"""Tags that devices subscribe to. That of broadcasts is every application's, and nobody's to change."""

from __future__ import annotations

from typing import Any

from flask import Response

from tocsin.api.dialects.mobilefirst import lists
from tocsin.api.dialects.mobilefirst.access import Caller, authorized
from tocsin.api.dialects.mobilefirst.bodies import body, optional_text, text
from tocsin.api.dialects.mobilefirst.broadcasts import is_reserved
from tocsin.api.dialects.mobilefirst.chapters import IN_APPLICATION, chapter
from tocsin.api.dialects.mobilefirst.errors import EXISTS, Refusal, answer, invalid, nothing
from tocsin.api.dialects.mobilefirst.representations import date
from tocsin.api.dialects.mobilefirst.tags import COUNT, known_tag, no_such_tag, tag
from tocsin.api.dialects.routing import serving
from tocsin.api.reads import await_position, reading
from tocsin.api.requests import context
from tocsin.api.services import services
from tocsin.api.writes import readable
from tocsin.commands.apps import change_app
from tocsin.commands.devices import change_devices
from tocsin.domain.app import CreateTag, DeleteTag, UpdateTag
from tocsin.domain.device import Unsubscribe
from tocsin.projections import apps, devices
from tocsin.projections.devices import DeviceFilter

READ, WRITE = "tags.read", "tags.write"
REFERENCE = "devices.write"
"""What the manual's own example of listing tags shows."""

SERVES = ("apps",)
FILTERS = {"name": lists.ANY, "description": lists.ANY, lists.PLATFORM: lists.EQUAL}

blueprint = chapter("tags", f"{IN_APPLICATION}/tags")
serves = serving(blueprint)


@serves("GET", "")
def list_all(application_id: str) -> Response:
    """The tags, with the numbers of their subscriptions where they are asked for."""
    caller = authorized(application_id, READ, REFERENCE, mobile=True)
    where, expand, counted = lists.place(), lists.expanded(), lists.flag(COUNT)
    matching = lists.without_platforms(lists.filters(FILTERS))
    with reading("apps", "devices") as connection:
        found = apps.slice_tags(connection, caller.app_id, matching, offset=where.offset, limit=where.size)
        names = [row.tag for row in found.items] if counted else []
        counts = devices.tag_counts_by_platform(connection, caller.app_id, names)
    return lists.listed(
        "tags",
        found,
        lambda row: tag(
            application_id,
            row.tag,
            row.description,
            row.created_at,
            row.updated_at,
            expand=expand,
            counts=counts.get(row.tag, {}) if counted else None,
        ),
        where,
    )


@serves("POST", "")
def create(application_id: str) -> Response:
    """Create a tag."""
    caller = authorized(application_id, WRITE)
    given = body()
    name = text(given, "name")
    if is_reserved(name):
        raise Refusal(EXISTS, "name")
    description = optional_text(given, "description") or ""
    done = change_app(
        services().engine,
        context(caller.actor, caller.scope),
        caller.app_id,
        CreateTag(tag=name, description=description),
    )
    now = services().engine.clock()
    return readable(answer(201, tag(application_id, name, description, now, now)), done.position, SERVES)


@serves("GET", "/<path:name>")
def get(application_id: str, name: str) -> Response:
    """One tag."""
    return answer(200, _shown(authorized(application_id, READ, mobile=True), name))


@serves("PUT", "/<path:name>")
def update(application_id: str, name: str) -> Response:
    """Describe a tag anew; its name never changes."""
    caller = authorized(application_id, WRITE)
    given = body()
    before = _shown(caller, name)
    if optional_text(given, "name") not in (None, before["name"]):
        raise invalid("name")
    description = optional_text(given, "description") or ""
    command = UpdateTag(tag=before["name"], description=description)
    done = change_app(services().engine, context(caller.actor, caller.scope), caller.app_id, command)
    after = {**before, "description": description}
    if done.changed:
        after["lastUpdatedTime"] = date(services().engine.clock())
    return readable(answer(200, after), done.position, SERVES)


@serves("DELETE", "/<path:name>")
def delete(application_id: str, name: str) -> Response:
    """Delete a tag and its subscriptions. The tag goes first, so that nobody subscribes meanwhile."""
    caller = authorized(application_id, WRITE)
    own = known_tag(caller.app_id, name.rstrip("/"))
    engine = services().engine
    # Before anything is done: where devices are not known as they are, it can be asked again.
    await_position(engine.record.head().position, ["devices"])
    done = change_app(engine, context(caller.actor, caller.scope), caller.app_id, DeleteTag(tag=own))
    await_position(done.position, ["devices"])
    last = _unsubscribe_all(caller, own) or done.position
    return readable(nothing(), last, ("apps", "devices", "audience"))


def _unsubscribe_all(caller: Caller, name: str) -> int:
    """A thousand devices at a time; the position of the last of it, 0 where nobody had the tag."""
    after: int | None = 0
    position = 0
    wanted = DeviceFilter(tag=name)
    while after is not None:
        with reading("devices") as connection:
            page = devices.list_devices(connection, caller.app_id, wanted, after=after, limit=1000)
        ids = [row.device_id for row in page.items]
        who = context(caller.actor, caller.scope)
        done = change_devices(services().engine, who, caller.app_id, ids, Unsubscribe(tag=name))
        position = max(position, done.position)
        after = page.next
    return position


def _shown(caller: Caller, name: str) -> dict[str, Any]:
    own = known_tag(caller.app_id, name.rstrip("/"))
    with reading("apps") as connection:
        row = apps.tag(connection, caller.app_id, own)
    if row is None:
        raise no_such_tag()
    return dict(tag(caller.application_id, own, row.description, row.created_at, row.updated_at))
