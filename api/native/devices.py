"""Devices: registered, changed, subscribed, retired."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import Response, request

from tocsin.api.bodies import Resources
from tocsin.api.native.access import AUDITOR, REGISTRAR, needs
from tocsin.api.native.apps_json import ReasonForm
from tocsin.api.native.devices_json import (
    DeviceAnswer,
    DeviceChanges,
    DeviceForm,
    NewDeviceForm,
    SubscriptionAnswer,
    of_result,
    of_row,
    of_state,
)
from tocsin.api.native.document import AS_OF, lists, one_of, query, reads, writes
from tocsin.api.native.history import as_of, history, stood, tells_history
from tocsin.api.native.writing import write
from tocsin.api.reads import after, as_json, chosen, limit, paged, reading, within
from tocsin.api.requests import address_of
from tocsin.api.services import services
from tocsin.api.writes import Answer
from tocsin.commands.devices import DeviceResult, Registration, change_device, register_device, update_device
from tocsin.commands.people import ALIAS, USER
from tocsin.domain import device as device_rules
from tocsin.domain.device import OptIn, OptOut, RetireDevice, Subscribe, Unsubscribe
from tocsin.domain.errors import NotFound
from tocsin.domain.tags import tag_name
from tocsin.projections import devices
from tocsin.projections.devices import ACTIVE, OPTED_OUT, RETIRED, DeviceFilter
from tocsin.projections.pages import Page

SERVES = ("devices", "audience")

FILTERS = [
    query("platform", "Devices of this platform."),
    query("user", "Devices of this user."),
    query("alias", "Devices of this alias."),
    query("tag", "Devices that have this tag."),
    query("external_id", "The device with this id of yours, whatever else is said."),
    one_of("state", "Devices in this state.", (ACTIVE, OPTED_OUT, RETIRED)),
]

blueprint = Resources(
    "devices", __name__, url_prefix="/v1/apps/<uuid:app_id>", description="Devices: what pushes are sent to."
)


@blueprint.route("/devices", methods=["POST"])
@needs(REGISTRAR)
@blueprint.arguments(NewDeviceForm)
@writes(201, 200, kind=DeviceAnswer, description="The device; 201 where it is new.")
def register(form: dict[str, Any], app_id: UUID) -> Response:
    """Register a device, or report it again.

    Which device is meant follows from device_id, else external_id, else token. A token that another device had moves
    here, and that device is retired.
    """
    return _register(app_id, Registration(**_arguments(form)))


@blueprint.route("/devices/<uuid:device_id>", methods=["PUT"])
@needs(REGISTRAR)
@blueprint.arguments(DeviceForm)
@writes(201, 200, kind=DeviceAnswer, description="The device; 201 where it is new.")
def put(form: dict[str, Any], app_id: UUID, device_id: UUID) -> Response:
    """Register a device under an id of the client's choice, or report it again. A new id is of any version but 5."""
    return _register(app_id, Registration(device_id=device_id, **_arguments(form)))


@blueprint.route("/devices", methods=["GET"])
@needs(REGISTRAR, AUDITOR)
@lists(DeviceAnswer, parameters=FILTERS)
def list_all(app_id: UUID) -> Response:
    """The app's devices in the order they were registered, narrowed by any of the filters."""
    wanted, external_id = _filter(), request.args.get("external_id")
    start, most = after(int) or 0, limit()
    with reading("devices") as connection:
        if external_id is None:
            page = devices.list_devices(connection, app_id, wanted, after=start, limit=most)
        else:
            found = devices.device_by_external_id(connection, app_id, external_id)
            page = Page((found,) if found else (), None)
    return paged(page, of_row)


@blueprint.route("/devices/<uuid:device_id>", methods=["GET"])
@needs(REGISTRAR, AUDITOR)
@reads(DeviceAnswer, parameters=[AS_OF])
def get(app_id: UUID, device_id: UUID) -> Response:
    """One device, as it is or as it was."""
    position = as_of()
    if position is not None:
        state, entries = stood(app_id, device_id, device_rules, position)
        return as_json(of_state(app_id, device_id, state, entries))
    return as_json(of_row(known_device(app_id, device_id)))


@blueprint.route("/devices/<uuid:device_id>", methods=["PATCH"])
@needs(REGISTRAR)
@blueprint.arguments(DeviceChanges)
@writes(200, kind=DeviceAnswer, description="The device.")
def change(form: dict[str, Any], app_id: UUID, device_id: UUID) -> Response:
    """Change what is set of a device."""
    return write(
        lambda context: update_device(services().engine, context, app_id, device_id, **form),
        lambda result: Answer(200, of_result(result)),
        SERVES,
    )


@blueprint.route("/devices/<uuid:device_id>", methods=["DELETE"])
@needs(REGISTRAR)
@writes(204, description="Retired.")
def retire(app_id: UUID, device_id: UUID) -> Response:
    """Retire a device: nothing is sent to it any more, its tags go. Its history stays."""
    return _carry_out(app_id, device_id, RetireDevice(), 204)


@blueprint.route("/devices/<uuid:device_id>/opt-out", methods=["POST"])
@needs(REGISTRAR)
@blueprint.arguments(ReasonForm)
@writes(200, kind=DeviceAnswer, description="The device.")
def opt_out(form: dict[str, Any], app_id: UUID, device_id: UUID) -> Response:
    """Leave the device out of every audience, as its owner wishes. It stays registered."""
    return _carry_out(app_id, device_id, OptOut(reason=form["reason"]))


@blueprint.route("/devices/<uuid:device_id>/opt-in", methods=["POST"])
@needs(REGISTRAR)
@writes(200, kind=DeviceAnswer, description="The device.")
def opt_in(app_id: UUID, device_id: UUID) -> Response:
    """Let the device be in audiences again."""
    return _carry_out(app_id, device_id, OptIn())


@blueprint.route("/devices/<uuid:device_id>/subscriptions", methods=["GET"])
@needs(REGISTRAR, AUDITOR)
@lists(SubscriptionAnswer)
def subscriptions(app_id: UUID, device_id: UUID) -> Response:
    """The device's tags."""
    found = known_device(app_id, device_id)
    return paged(within(found.tags, str, str), lambda tag: SubscriptionAnswer(device_id=device_id, tag=tag))


@blueprint.route("/devices/<uuid:device_id>/subscriptions/<path:tag>", methods=["PUT"])
@needs(REGISTRAR)
@writes(200, kind=DeviceAnswer, description="The device.")
def subscribe(app_id: UUID, device_id: UUID, tag: str) -> Response:
    """Give the device a tag."""
    return _carry_out(app_id, device_id, Subscribe(tag=tag))


@blueprint.route("/devices/<uuid:device_id>/subscriptions/<path:tag>", methods=["DELETE"])
@needs(REGISTRAR)
@writes(204, description="Not subscribed any more.")
def unsubscribe(app_id: UUID, device_id: UUID, tag: str) -> Response:
    """Take a tag from the device."""
    return _carry_out(app_id, device_id, Unsubscribe(tag=tag), 204)


@blueprint.route("/devices/<uuid:device_id>/history", methods=["GET"])
@needs(AUDITOR)
@tells_history()
def past(app_id: UUID, device_id: UUID) -> Response:
    """Everything that ever happened to the device, its subscriptions among it."""
    return history(app_id, device_id, "device")


def known_device(app_id: UUID, device_id: UUID) -> devices.Device:
    """A device of this app, from the read model. Raises NotFound."""
    with reading("devices") as connection:
        found = devices.device(connection, app_id, device_id)
    if found is None:
        raise NotFound("there is no such device", device=str(device_id))
    return found


def _register(app_id: UUID, registration: Registration) -> Response:

    def answer(result: DeviceResult) -> Answer:
        location = address_of("devices.get", app_id=app_id, device_id=result.device_id)
        return Answer(201 if result.created else 200, of_result(result), {"Location": location})

    return write(
        lambda context: register_device(services().engine, context, app_id, registration),
        answer,
        SERVES,
    )


def _carry_out(app_id: UUID, device_id: UUID, command: Any, status: int = 200) -> Response:
    return write(
        lambda context: change_device(services().engine, context, app_id, device_id, command),
        lambda result: Answer(status, None if status == 204 else of_result(result)),
        SERVES,
    )


def _arguments(form: dict[str, Any]) -> dict[str, Any]:
    return {**form, "tags": tuple(form["tags"])} if "tags" in form else form


def _filter() -> DeviceFilter:
    given = request.args
    user, alias, tag = given.get("user"), given.get("alias"), given.get("tag")
    return DeviceFilter(
        platform=given.get("platform"),
        user_digest=None if user is None else services().digest(USER, user),
        alias_digest=None if alias is None else services().digest(ALIAS, alias),
        tag=None if tag is None else tag_name(tag),
        state=chosen("state", (ACTIVE, OPTED_OUT, RETIRED)),
    )
