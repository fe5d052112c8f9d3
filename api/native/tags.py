"""Tags: what audiences are made of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from flask import Response
from werkzeug.routing import PathConverter

from tocsin.api.bodies import Resources
from tocsin.api.native.access import AUDITOR, EVERYBODY, REGISTRAR, needs
from tocsin.api.native.document import AS_OF, lists, reads, writes
from tocsin.api.native.history import as_of, history_of_part, stood, tells_history
from tocsin.api.native.tags_json import TagAnswer, TagChanges, TagForm, in_use, of_row, of_state
from tocsin.api.native.writing import write
from tocsin.api.reads import after, as_json, await_position, limit, paged, reading
from tocsin.api.requests import address_of
from tocsin.api.services import services
from tocsin.api.writes import Answer
from tocsin.commands.apps import AppResult, change_app
from tocsin.domain import app as app_rules
from tocsin.domain.app import CreateTag, DeleteTag, UpdateTag
from tocsin.domain.audience import Audience
from tocsin.domain.errors import Invalid, NotFound
from tocsin.domain.events.app import TagCreated, TagDeleted, TagUpdated
from tocsin.domain.events.send import Exclusion
from tocsin.domain.tags import tag_name
from tocsin.projections import apps, audience, devices
from tocsin.projections.pages import page

SERVES = ("apps",)

HISTORY = "/history"


class TagInPath(PathConverter):
    """A tag as the end of an address, slashes and all; but ``…/history`` is the history of another."""

    regex = rf"(?!.*{HISTORY}/?$){PathConverter.regex}"


blueprint = Resources(
    "tags", __name__, url_prefix="/v1/apps/<uuid:app_id>", description="Tags: what audiences are made of."
)


@blueprint.route("/tags", methods=["POST"])
@needs(REGISTRAR)
@blueprint.arguments(TagForm)
@writes(201, kind=TagAnswer, description="The tag.")
def create(form: dict[str, Any], app_id: UUID) -> Response:
    """Create a tag, so that it is known before any device has it. Devices may have others."""
    name = tag_name(form["tag"])
    if name.endswith(HISTORY):
        raise Invalid(f"a tag does not end in {HISTORY}: it would be found where another's history is", field="tag")

    def answer(result: AppResult) -> Answer:
        location = address_of("tags.get", app_id=app_id, tag=name)
        return Answer(201, of_state(name, result.app.tags[name]), {"Location": location})

    return _change(app_id, CreateTag(**form), answer)


@blueprint.route("/tags", methods=["GET"])
@needs(*EVERYBODY)
@lists(TagAnswer)
def list_all(app_id: UUID) -> Response:
    """Every tag that was created or that devices have, by name, with how many devices have it."""
    start, wanted = after(str) or "", limit()
    with reading("apps", "devices") as connection:
        created = {row.tag: row for row in apps.list_tags(connection, app_id, after=start, limit=wanted + 1).items}
        counts = devices.tag_counts(connection, app_id)
    names = sorted(created.keys() | {name for name in counts if name > start})
    return paged(
        page(names, wanted, str),
        lambda name: of_row(created[name], counts.get(name, 0)) if name in created else in_use(name, counts[name]),
    )


@blueprint.route("/tags/<tag:tag>", methods=["GET"])
@needs(*EVERYBODY)
@reads(TagAnswer, parameters=[AS_OF])
def get(app_id: UUID, tag: str) -> Response:
    """One tag, as it is or as it was."""
    name, position = tag_name(tag), as_of()
    if position is not None:
        state, _ = stood(app_id, app_id, app_rules, position)
        count = _devices_at(app_id, name, position)
        if name in state.tags:
            return as_json(of_state(name, state.tags[name], count))
        if not count:
            raise _unknown(name)
        return as_json(in_use(name, count))
    with reading("apps", "devices") as connection:
        row = apps.tag(connection, app_id, name)
        count = devices.tag_counts(connection, app_id, [name]).get(name, 0)
    if row is None and not count:
        raise _unknown(name)
    return as_json(of_row(row, count) if row else in_use(name, count))


@blueprint.route("/tags/<tag:tag>", methods=["PATCH"])
@needs(REGISTRAR)
@blueprint.arguments(TagChanges)
@writes(200, kind=TagAnswer, description="The tag.")
def change(form: dict[str, Any], app_id: UUID, tag: str) -> Response:
    """Describe a tag anew."""
    name = tag_name(tag)
    command = UpdateTag(tag=name, description=form["description"])
    return _change(app_id, command, lambda result: Answer(200, of_state(name, result.app.tags[name])))


@blueprint.route("/tags/<tag:tag>", methods=["DELETE"])
@needs(REGISTRAR)
@writes(204, description="Not kept by name any more.")
def delete(app_id: UUID, tag: str) -> Response:
    """Forget a tag's name and description. Devices that have it keep it."""
    return _change(app_id, DeleteTag(tag=tag), lambda _: Answer(204))


@blueprint.route("/tags/<path:tag>/history", methods=["GET"])
@needs(AUDITOR)
@tells_history()
def past(app_id: UUID, tag: str) -> Response:
    """Its creation, its descriptions, its deletion; nothing of a tag that devices have and nobody created.

    That a device got it or lost it is in the history of the device.
    """
    name = tag_name(tag)
    return history_of_part(
        app_id,
        app_id,
        lambda fact: isinstance(fact, TagCreated | TagUpdated | TagDeleted) and fact.tag == name,
        "tag",
        lambda: _is_in_use(app_id, name),
    )


def _is_in_use(app_id: UUID, name: str) -> bool:
    with reading("devices") as connection:
        return bool(devices.tag_counts(connection, app_id, [name]))


def _devices_at(app_id: UUID, name: str, position: int) -> int:
    """How many devices that were not retired had a tag at a position. Raises Behind."""
    await_position(position, ["audience"])
    with reading("audience") as connection:
        counts = audience.count(connection, app_id, Audience(tags=(name,)), services().digest, position)
    return counts.audience + sum(counts.excluded.values()) - counts.excluded.get(Exclusion.RETIRED, 0)


def _change(app_id: UUID, command: Any, answer: Callable[[AppResult], Answer]) -> Response:
    return write(
        lambda context: change_app(services().engine, context, app_id, command),
        answer,
        SERVES,
    )


def _unknown(tag: str) -> NotFound:
    return NotFound("there is no such tag, and no device has it", tag=tag)
