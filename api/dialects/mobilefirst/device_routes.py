"""Device registrations."""

from __future__ import annotations

from uuid import UUID

from flask import Response

from tocsin.api.dialects.mobilefirst import lists, representations
from tocsin.api.dialects.mobilefirst.access import Caller, authorized
from tocsin.api.dialects.mobilefirst.bodies import body
from tocsin.api.dialects.mobilefirst.chapters import IN_APPLICATION, chapter
from tocsin.api.dialects.mobilefirst.devices import changes, no_such_device, registered, registration
from tocsin.api.dialects.mobilefirst.errors import answer, nothing, unauthenticated
from tocsin.api.dialects.mobilefirst.representations import ANONYMOUS, of_record, of_row
from tocsin.api.dialects.routing import serving
from tocsin.api.reads import reading
from tocsin.api.requests import context
from tocsin.api.services import services
from tocsin.api.writes import readable
from tocsin.commands.devices import change_device, load_device, register_device, update_device
from tocsin.commands.people import USER
from tocsin.domain.device import RetireDevice
from tocsin.projections import devices as read_model
from tocsin.projections.devices import DeviceFilter

READ, WRITE = "devices.read", "devices.write"
SERVES = ("devices", "audience")
FILTERS = {lists.PLATFORM: lists.EQUAL}

blueprint = chapter("devices", f"{IN_APPLICATION}/devices")
serves = serving(blueprint)


@serves("GET", "")
def list_all(application_id: str) -> Response:
    """The devices, or those of one user or of one platform. Not for phones: they hold the tokens of others."""
    caller = authorized(application_id, READ, WRITE)
    where, user = lists.place(), lists.narrowed("userId")
    wanted = DeviceFilter(
        registered=True,
        user_digest=services().digest(USER, user) if user not in (None, ANONYMOUS) else None,
        has_user=False if user == ANONYMOUS else None,
        matching=lists.on_devices(lists.filters(FILTERS), {}),
    )
    with reading("devices") as connection:
        found = read_model.slice_devices(connection, caller.app_id, wanted, offset=where.offset, limit=where.size)
    expand = lists.expanded()
    return lists.listed(
        "devices",
        found,
        lambda row: representations.device(application_id, of_row(row), expand=expand, agent=expand),
        where,
    )


@serves("POST", "")
def register(application_id: str) -> Response:
    """Register a device, or report it again. A phone that registers for somebody always sends its secret."""
    caller = authorized(application_id, WRITE, mobile=True)
    wanted = registration(body())
    if caller.credential_id is None and isinstance(wanted.user, str):
        raise unauthenticated()
    done = register_device(services().engine, context(caller.actor, caller.scope), caller.app_id, wanted)
    return readable(_shown(caller, done.result.device_id, 201), done.position, SERVES)


@serves("GET", "/<path:device_id>")
def get(application_id: str, device_id: str) -> Response:
    """One device. That it is not there tells a phone to register."""
    caller = authorized(application_id, READ, WRITE, mobile=True)
    with reading("devices") as connection:
        row = read_model.device(connection, caller.app_id, registered(caller.app_id, device_id.rstrip("/")))
    if row is None or row.retired is not None:
        raise no_such_device()
    return answer(200, representations.device(application_id, of_row(row)))


@serves("PUT", "/<path:device_id>")
def update(application_id: str, device_id: str) -> Response:
    """Change a device's user, token or phone number."""
    caller = authorized(application_id, WRITE, mobile=True)
    given = body()
    device_id = device_id.rstrip("/")
    own = registered(caller.app_id, device_id)
    wanted = changes(given, device_id)
    if caller.credential_id is None and isinstance(wanted["user"], str):
        raise unauthenticated()
    who = context(caller.actor, caller.scope)
    done = update_device(services().engine, who, caller.app_id, own, token_shape=False, **wanted)
    return readable(_shown(caller, own, 200), done.position, SERVES)


@serves("DELETE", "/<path:device_id>")
def delete(application_id: str, device_id: str) -> Response:
    """Unregister a device; its subscriptions go with it."""
    caller = authorized(application_id, WRITE, mobile=True)
    own = registered(caller.app_id, device_id.rstrip("/"))
    done = change_device(services().engine, context(caller.actor, caller.scope), caller.app_id, own, RetireDevice())
    return readable(nothing(), done.position, SERVES)


def _shown(caller: Caller, own: UUID, status: int) -> Response:
    """A device as the record has it now."""
    phone = of_record(load_device(services().engine, caller.app_id, own))
    return answer(status, representations.device(caller.application_id, phone, agent=status == 201))
