"""Tags: what audiences are made of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from flask import Response

from tocsin.api.bodies import Resources
from tocsin.api.native.access import AUDITOR, EVERYBODY, REGISTRAR, needs
from tocsin.api.native.document import AS_OF, lists, reads, writes
from tocsin.api.native.history import as_of, history, stood, tells_history
from tocsin.api.native.tags_json import TagAnswer, TagChanges, TagForm, in_use, of_row, of_state
from tocsin.api.native.writing import write
from tocsin.api.reads import after, as_json, limit, paged, reading
from tocsin.api.requests import address_of
from tocsin.api.services import services
from tocsin.api.writes import Answer
from tocsin.commands.apps import AppResult, change_app
from tocsin.domain import app as app_rules
from tocsin.domain.app import CreateTag, DeleteTag, UpdateTag
from tocsin.domain.errors import NotFound
from tocsin.domain.events.app import TagCreated, TagDeleted, TagUpdated
from tocsin.domain.tags import tag_name
from tocsin.projections import apps, devices
from tocsin.projections.pages import page

SERVES = ("apps",)

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


@blueprint.route("/tags/<path:tag>", methods=["GET"])
@needs(*EVERYBODY)
@reads(TagAnswer, parameters=[AS_OF])
def get(app_id: UUID, tag: str) -> Response:
    """One tag, as it is or as it was."""
    name, position = tag_name(tag), as_of()
    if position is not None:
        state, _ = stood(app_id, app_id, app_rules, position)
        if name not in state.tags:
            raise _unknown(name)
        return as_json(of_state(name, state.tags[name]))
    with reading("apps", "devices") as connection:
        row = apps.tag(connection, app_id, name)
        count = devices.tag_counts(connection, app_id, [name]).get(name, 0)
    if row is None and not count:
        raise _unknown(name)
    return as_json(of_row(row, count) if row else in_use(name, count))


@blueprint.route("/tags/<path:tag>", methods=["PATCH"])
@needs(REGISTRAR)
@blueprint.arguments(TagChanges)
@writes(200, kind=TagAnswer, description="The tag.")
def change(form: dict[str, Any], app_id: UUID, tag: str) -> Response:
    """Describe a tag anew."""
    name = tag_name(tag)
    command = UpdateTag(tag=name, description=form["description"])
    return _change(app_id, command, lambda result: Answer(200, of_state(name, result.app.tags[name])))


@blueprint.route("/tags/<path:tag>", methods=["DELETE"])
@needs(REGISTRAR)
@writes(204, description="Not kept by name any more.")
def delete(app_id: UUID, tag: str) -> Response:
    """Forget a tag's name and description. Devices that have it keep it."""
    return _change(app_id, DeleteTag(tag=tag), lambda _: Answer(204))


@blueprint.route("/tags/<path:tag>/history", methods=["GET"])
@needs(AUDITOR)
@tells_history()
def past(app_id: UUID, tag: str) -> Response:
    """Its creation, its descriptions, its deletion."""
    name = tag_name(tag)
    return history(
        app_id,
        app_id,
        lambda fact: isinstance(fact, TagCreated | TagUpdated | TagDeleted) and fact.tag == name,
        "tag",
    )


def _change(app_id: UUID, command: Any, answer: Callable[[AppResult], Answer]) -> Response:
    return write(
        lambda context: change_app(services().engine, context, app_id, command),
        answer,
        SERVES,
    )


def _unknown(tag: str) -> NotFound:
    return NotFound("there is no such tag, and no device has it", tag=tag)
