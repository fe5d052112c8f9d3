"""Apps: created by the instance's admins, changed by their own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from flask import Response
from msgspec import UNSET

from tocsin.api.bodies import Resources
from tocsin.api.native import apps_json
from tocsin.api.native.access import ADMIN, AUDITOR, EVERYBODY, caller, needs
from tocsin.api.native.apps_json import AppAnswer, AppChanges, AppForm, ReasonForm
from tocsin.api.native.document import AS_OF, lists, reads, writes
from tocsin.api.native.history import as_of, history, stood, tells_history
from tocsin.api.native.writing import write
from tocsin.api.reads import after, as_json, limit, paged, reading
from tocsin.api.requests import address_of
from tocsin.api.services import services
from tocsin.api.writes import Answer
from tocsin.commands.apps import AppResult, change_app, create_app, load_app
from tocsin.domain import app as app_rules
from tocsin.domain.app import DisableApp, EnableApp, UpdateApp
from tocsin.domain.errors import Forbidden, NotFound
from tocsin.projections import apps
from tocsin.projections.pages import Page

SERVES = ("apps", "audience")

blueprint = Resources("apps", __name__, url_prefix="/v1", description="Apps: whose devices, whose messages.")


@blueprint.route("/apps", methods=["POST"])
@needs(instance=True)
@blueprint.arguments(AppForm)
@writes(201, kind=AppAnswer, description="The app.")
def create(form: dict[str, Any]) -> Response:
    """Create an app. Takes an admin of the instance."""
    return write(
        lambda context: create_app(services().engine, context, **form),
        lambda result: Answer(201, apps_json.of_result(result), {"Location": _address(result)}),
        SERVES,
    )


@blueprint.route("/apps", methods=["GET"])
@needs(*EVERYBODY)
@lists(AppAnswer)
def list_all() -> Response:
    """The apps the caller may use; for a credential of the instance all of them, the instance's own among them."""
    who = caller()
    with reading("apps") as connection:
        if who.of_instance:
            page = apps.list_apps(connection, after=after(int) or 0, limit=limit())
        else:
            own = apps.app(connection, who.app_id)
            page = Page((own,) if own else (), None)
    return paged(page, apps_json.of_row)


@blueprint.route("/apps/<uuid:app_id>", methods=["GET"])
@needs(*EVERYBODY)
@reads(AppAnswer, parameters=[AS_OF])
def get(app_id: UUID) -> Response:
    """One app, as it is or as it was."""
    position = as_of()
    if position is not None:
        state, entries = stood(app_id, app_id, app_rules, position)
        return as_json(apps_json.of_state(app_id, state, entries))
    with reading("apps") as connection:
        found = apps.app(connection, app_id)
    if found is None:
        raise NotFound("there is no such app", app=str(app_id))
    return as_json(apps_json.of_row(found))


@blueprint.route("/apps/<uuid:app_id>", methods=["PATCH"])
@needs()
@blueprint.arguments(AppChanges)
@writes(200, kind=AppAnswer, description="The app.")
def change(form: dict[str, Any], app_id: UUID) -> Response:
    """Change an app's name, hosts or settings.

    Which app answers a call that names none, by its host or as an API's default, takes an admin of the instance.
    """
    if "hosts" in form:
        form["hosts"] = tuple(form["hosts"])
    command = UpdateApp(**form)
    if not caller().of_instance:
        _check_answers_no_more(app_id, command)
    return _change(app_id, command)


@blueprint.route("/apps/<uuid:app_id>/disable", methods=["POST"])
@needs()
@blueprint.arguments(ReasonForm)
@writes(200, kind=AppAnswer, description="The app.")
def disable(form: dict[str, Any], app_id: UUID) -> Response:
    """Disable an app: it takes no command but to be enabled."""
    return _change(app_id, DisableApp(reason=form["reason"]))


@blueprint.route("/apps/<uuid:app_id>/enable", methods=["POST"])
@needs()
@writes(200, kind=AppAnswer, description="The app.")
def enable(app_id: UUID) -> Response:
    """Enable an app again."""
    return _change(app_id, EnableApp())


@blueprint.route("/apps/<uuid:app_id>/history", methods=["GET"])
@needs(AUDITOR)
@tells_history()
def past(app_id: UUID) -> Response:
    """Everything that ever happened to the app, its credentials, providers and tags."""
    return history(app_id, app_id, "app")


def _check_answers_no_more(app_id: UUID, command: UpdateApp) -> None:
    """An app could else have calls that are meant for others. Raises Forbidden, NotFound."""
    state = load_app(services().engine, app_id).state
    assert state is not None
    if command.hosts is not UNSET and not {host.lower() for host in command.hosts} <= set(state.hosts):
        raise _of_instance("hosts")
    if command.settings is not UNSET:
        for dialect in _defaults(command.settings) - _defaults(state.settings):
            raise _of_instance(f"settings.{dialect}.default")


def _defaults(settings: Mapping[str, Any]) -> set[str]:
    return {dialect for dialect, own in settings.items() if isinstance(own, dict) and own.get("default") is True}


def _of_instance(field: str) -> Forbidden:
    return Forbidden(f"only a credential of the instance itself may add to {field}", role=ADMIN, field=field)


def _change(app_id: UUID, command: Any) -> Response:
    return write(
        lambda context: change_app(services().engine, context, app_id, command),
        lambda result: Answer(200, apps_json.of_result(result)),
        SERVES,
    )


def _address(result: AppResult) -> str:
    return address_of("apps.get", app_id=result.app_id)
