"""Users: accounts, for the APIs that have people sign in."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import Response, request

from tocsin.api.bodies import Resources
from tocsin.api.native.access import AUDITOR, REGISTRAR, needs
from tocsin.api.native.apps_json import ReasonForm
from tocsin.api.native.document import AS_OF, lists, query, reads, writes
from tocsin.api.native.history import as_of, history, stood, tells_history
from tocsin.api.native.users_json import PasswordForm, UserAnswer, UserForm, of_result, of_row, of_state
from tocsin.api.native.writing import write
from tocsin.api.reads import after, as_json, limit, paged, reading
from tocsin.api.requests import address_of
from tocsin.api.services import services
from tocsin.api.writes import Answer
from tocsin.commands.people import USER
from tocsin.commands.users import UserResult, change_password, change_user, create_user
from tocsin.domain import user as user_rules
from tocsin.domain.errors import NotFound
from tocsin.domain.user import DisableUser, EnableUser
from tocsin.projections import users
from tocsin.projections.pages import Page

SERVES = ("users",)

blueprint = Resources(
    "users", __name__, url_prefix="/v1/apps/<uuid:app_id>", description="Users: accounts people sign in with."
)


@blueprint.route("/users", methods=["POST"])
@needs(REGISTRAR)
@blueprint.arguments(UserForm)
@writes(201, kind=UserAnswer, description="The user.")
def create(form: dict[str, Any], app_id: UUID) -> Response:
    """Create a user. The name is unique in its app."""

    def answer(result: UserResult) -> Answer:
        location = address_of("users.get", app_id=app_id, user_id=result.user_id)
        return Answer(201, of_result(result), {"Location": location})

    return write(
        lambda context: create_user(services().engine, context, app_id, **form),
        answer,
        SERVES,
    )


@blueprint.route("/users", methods=["GET"])
@needs(REGISTRAR, AUDITOR)
@lists(UserAnswer, parameters=[query("name", "The user of this name.")])
def list_all(app_id: UUID) -> Response:
    """The app's users in the order they were created."""
    name = request.args.get("name")
    start, most = after(int) or 0, limit()
    with reading("users") as connection:
        if name is None:
            page = users.list_users(connection, app_id, after=start, limit=most)
        else:
            found = users.user_by_name(connection, app_id, services().digest(USER, name))
            page = Page((found,) if found else (), None)
    return paged(page, of_row)


@blueprint.route("/users/<uuid:user_id>", methods=["GET"])
@needs(REGISTRAR, AUDITOR)
@reads(UserAnswer, parameters=[AS_OF])
def get(app_id: UUID, user_id: UUID) -> Response:
    """One user, as they are or as they were."""
    position = as_of()
    if position is not None:
        state, entries = stood(app_id, user_id, user_rules, position)
        return as_json(of_state(app_id, user_id, state, entries))
    with reading("users") as connection:
        found = users.user(connection, app_id, user_id)
    if found is None:
        raise NotFound("there is no such user", user=str(user_id))
    return as_json(of_row(found))


@blueprint.route("/users/<uuid:user_id>/password", methods=["PUT"])
@needs(REGISTRAR)
@blueprint.arguments(PasswordForm)
@writes(200, kind=UserAnswer, description="The user.")
def set_password(form: dict[str, Any], app_id: UUID, user_id: UUID) -> Response:
    """Set a user's password, or take it away. Their sessions end."""
    return write(
        lambda context: change_password(services().engine, context, app_id, user_id, form["password"]),
        lambda result: Answer(200, of_result(result)),
        SERVES,
    )


@blueprint.route("/users/<uuid:user_id>/disable", methods=["POST"])
@needs(REGISTRAR)
@blueprint.arguments(ReasonForm)
@writes(200, kind=UserAnswer, description="The user.")
def disable(form: dict[str, Any], app_id: UUID, user_id: UUID) -> Response:
    """Let a user sign in no more. Their sessions end."""
    return _change(app_id, user_id, DisableUser(reason=form["reason"]))


@blueprint.route("/users/<uuid:user_id>/enable", methods=["POST"])
@needs(REGISTRAR)
@writes(200, kind=UserAnswer, description="The user.")
def enable(app_id: UUID, user_id: UUID) -> Response:
    """Let a user sign in again."""
    return _change(app_id, user_id, EnableUser())


@blueprint.route("/users/<uuid:user_id>/history", methods=["GET"])
@needs(AUDITOR)
@tells_history()
def past(app_id: UUID, user_id: UUID) -> Response:
    """Everything that ever happened to the account."""
    return history(app_id, user_id, "user")


def _change(app_id: UUID, user_id: UUID, command: Any) -> Response:
    return write(
        lambda context: change_user(services().engine, context, app_id, user_id, command),
        lambda result: Answer(200, of_result(result)),
        SERVES,
    )
