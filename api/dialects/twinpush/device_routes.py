"""Devices: registered, listed, shown, changed, deleted; their badges, properties and use."""

from __future__ import annotations

from functools import partial
from typing import Any

from flask import Response, request

from tocsin.api.dialects.twinpush import access, errors, lookups, translation
from tocsin.api.dialects.twinpush.access import Caller
from tocsin.api.dialects.twinpush.representations import (
    device,
    objects,
    page,
    registered_device,
    single,
    whole_device,
)
from tocsin.api.dialects.twinpush.schemas import day, document, flag, paging, seconds, signed
from tocsin.api.dialects.twinpush.serving import Routes, called_by_device, done
from tocsin.api.reads import as_json, reading
from tocsin.api.requests import context
from tocsin.api.services import services
from tocsin.api.writes import readable
from tocsin.commands.devices import Registration, change_badge, change_device, load_device, register_device
from tocsin.commands.usage import report_usage
from tocsin.domain.device import ClearProperties, RetireDevice, SetProperty
from tocsin.projections import devices, usage
from tocsin.projections.devices import Device, DeviceFilter

SERVES = ("devices", "audience")

blueprint = Routes("devices", __name__)


@blueprint.serves("GET", "/apps/<app>/devices")
def list_devices(app: str) -> Response:
    """The app's devices, in the order they were registered."""
    caller = access.by_api_token(app)
    wanted, asked = _filter(), paging(document())
    with reading("devices", "usage") as connection:
        found = devices.slice_devices(connection, caller.app_id, wanted, offset=asked.offset, limit=asked.per_page)
        used = usage.usage(connection, [row.device_id for row in found.items])
    return as_json(page(found, asked, lambda rows: (device(row, used.get(row.device_id)) for row in rows)))


@blueprint.serves("POST", "/apps/<app>/devices/register", "/apps/<app>/devices", wrong=errors.DEVICE_NOT_CREATED)
def register(app: str) -> Response:
    """A device reports itself, or with ``device_id`` one that is known does."""
    caller, body = access.by_api_token(app), document()
    known = body.get("device_id")
    if known is None or known == "":
        return _register(caller, translation.registration(body))
    errors.invalid_here(errors.DEVICE_NOT_UPDATED)
    told = translation.reported(body)
    return _register(caller, translation.renewal(lookups.device(caller.app_id, str(known)), told))


@blueprint.serves("GET", "/apps/<app>/devices/<device_id>")
def show(app: str, device_id: str) -> Response:
    """One device."""
    caller = access.by_api_token(app)
    found = lookups.device(caller.app_id, device_id)
    with reading("usage") as connection:
        used = usage.usage(connection, [found.device_id])
    return as_json(single(whole_device(found, used.get(found.device_id))))


@blueprint.serves("PUT", "/apps/<app>/devices/<device_id>", wrong=errors.DEVICE_NOT_UPDATED)
def update(app: str, device_id: str) -> Response:
    """A device that is known reports itself again."""
    caller, told = access.by_api_token(app), translation.reported(document())
    return _register(caller, translation.renewal(lookups.device(caller.app_id, device_id), told))


@blueprint.serves("DELETE", "/apps/<app>/devices/<device_id>")
def delete(app: str, device_id: str) -> Response:
    """Nothing is sent to a device any more. It may register again."""
    caller = access.by_api_token(app)
    return _change(caller, lookups.device(caller.app_id, device_id), RetireDevice(), SERVES)


@blueprint.serves("GET", "/apps/<app>/devices/<device_id>/badge")
def badge(app: str, device_id: str) -> Response:
    """The number on the icon."""
    _, known = called_by_device(app, device_id)
    _, number = translation.badge(known)
    return as_json({"badge": number})


@blueprint.serves("POST", "/apps/<app>/devices/<device_id>/update_badge", wrong=errors.DEVICE_NOT_UPDATED)
def update_badge(app: str, device_id: str) -> Response:
    """Set the number on the icon, or change it."""
    access.app_addressed(app)
    number, change = signed(document().get("badge"), "badge")
    caller, known = called_by_device(app, device_id)
    engine = services().engine
    return done(
        caller,
        lambda context: change_badge(
            engine,
            context,
            caller.app_id,
            known.device_id,
            badge=None if change else number,
            change=number if change else None,
            shown=partial(translation.badge, known),
        ),
        ("deliveries",),
    )


@blueprint.serves("POST", "/apps/<app>/devices/<device_id>/open_app", wrong=errors.DEVICE_NOT_UPDATED)
def open_app(app: str, device_id: str) -> Response:
    """The app was opened."""
    return _used(app, device_id, "opened", "open_at")


@blueprint.serves("POST", "/apps/<app>/devices/<device_id>/close_app", wrong=errors.DEVICE_NOT_UPDATED)
def close_app(app: str, device_id: str) -> Response:
    """The app was closed, or went into the background."""
    return _used(app, device_id, "closed", "closed_at")


@blueprint.serves("POST", "/apps/<app>/devices/<device_id>/report_statistics", wrong=errors.DEVICE_NOT_UPDATED)
def report_statistics(app: str, device_id: str) -> Response:
    """Where the device is."""
    access.app_addressed(app)
    place = translation.place(document())
    caller, known = called_by_device(app, device_id)
    return _report(caller, known, **place)


@blueprint.serves("POST", "/apps/<app>/devices/<device_id>/set_custom_property", wrong=errors.INVALID_PROPERTY)
def set_custom_property(app: str, device_id: str) -> Response:
    """Give the device a property, or take one away."""
    access.app_addressed(app)
    told = translation.custom_property(document())
    caller, known = called_by_device(app, device_id)
    return _change(caller, known, SetProperty(device_id=known.device_id, **told), SERVES)


@blueprint.serves("DELETE", "/apps/<app>/devices/<device_id>/clear_custom_properties", wrong=errors.INVALID_PROPERTY)
def clear_custom_properties(app: str, device_id: str) -> Response:
    """Take all of its properties away."""
    return _change(*called_by_device(app, device_id), ClearProperties(), SERVES)


def _register(caller: Caller, registration: Registration) -> Response:
    engine = services().engine
    outcome = register_device(engine, context(caller.actor, caller.scope), caller.app_id, registration)
    loaded = load_device(engine, caller.app_id, outcome.result.device_id)
    body = objects(registered_device(caller.app_id, loaded, engine.clock()))
    return readable(as_json(body), outcome.position, (*SERVES, "usage"))


def _change(caller: Caller, known: Device, command: Any, serves: tuple[str, ...]) -> Response:
    engine = services().engine
    return done(
        caller,
        lambda context: change_device(engine, context, caller.app_id, known.device_id, command),
        serves,
    )


def _used(app: str, device_id: str, what: str, when: str) -> Response:
    access.app_addressed(app)
    at = seconds(document().get(when), when) or services().engine.clock()
    caller, known = called_by_device(app, device_id)
    return _report(caller, known, **{what: at})


def _report(caller: Caller, known: Device, **told: Any) -> Response:
    engine = services().engine
    return done(
        caller, lambda context: report_usage(engine, context, caller.app_id, known.device_id, **told), ("usage",)
    )


def _filter() -> DeviceFilter:
    date, active = request.args.get("date"), request.args.get("active")
    return DeviceFilter(
        removed=False,
        alias=request.args.get("alias") or None,
        active=None if not active else flag(active, "active", True),
        updated_since=day(date) if date else None,
    )
