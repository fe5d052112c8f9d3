"""Applications and whether they are enabled."""

from __future__ import annotations

from flask import Response

from tocsin.api.dialects.mobilefirst import lists, representations
from tocsin.api.dialects.mobilefirst.access import (
    APPLICATION,
    APPS_WRITE,
    Caller,
    authorized,
    authorized_for_apps,
    reaches,
)
from tocsin.api.dialects.mobilefirst.applications import KIND, NAME, named_applications
from tocsin.api.dialects.mobilefirst.bodies import body, flag, text
from tocsin.api.dialects.mobilefirst.chapters import BASE, chapter
from tocsin.api.dialects.mobilefirst.errors import answer, insufficient_scope, invalid, nothing
from tocsin.api.dialects.routing import serving
from tocsin.api.reads import await_position, reading
from tocsin.api.requests import context
from tocsin.api.services import services
from tocsin.api.writes import readable
from tocsin.commands.app_lives import close_app, open_app
from tocsin.commands.apps import INSTANCE, change_app
from tocsin.commands.devices import change_devices
from tocsin.domain.app import DisableApp, EnableApp
from tocsin.domain.device import RetireDevice
from tocsin.domain.token import allows
from tocsin.projections import apps, devices
from tocsin.projections.devices import DeviceFilter

READ = "apps.read"
SERVES = ("apps",)
FILTERS = {lists.PLATFORM: lists.EQUAL}
LONGEST_ID = 255
REGISTERED = DeviceFilter(registered=True)

blueprint = chapter("applications", f"{BASE}/apps")
serves = serving(blueprint)


@serves("GET", "")
def list_all() -> Response:
    """The applications the client's scope names and that are its own, or all where it is the instance's."""
    _, token = authorized_for_apps(READ)
    where, expand = lists.place(), lists.expanded()
    lists.filters(FILTERS)
    known = {
        app_id: name
        for app_id, name in named_applications().items()
        if reaches(token, app_id) and allows(token.scope, APPLICATION + name)
    }
    with reading("apps") as connection:
        found = apps.slice_apps(connection, known, offset=where.offset, limit=where.size)
    return lists.listed(
        "applications", found, lambda app: representations.application(known[app.app_id], app, expand=expand), where
    )


@serves("POST", "")
def create() -> Response:
    """Create an application. For clients of the instance alone: those of one app see no other."""
    given = body()
    application_id = text(given, "applicationId")
    caller, token = authorized_for_apps(APPS_WRITE, application_id)
    if token.app_id != INSTANCE:
        raise insufficient_scope(f"{APPS_WRITE} {APPLICATION}{application_id}")
    enabled = flag(given, "enabled", True)
    if len(application_id) > LONGEST_ID or "/" in application_id:
        raise invalid("applicationId")
    assert caller.credential_id is not None
    done = open_app(
        services().engine,
        context(caller.actor, caller.credential_id),
        application_id,
        kind=KIND,
        dialect=NAME,
        public_id=application_id,
        disabled=not enabled,
    )
    return readable(answer(201, _status(application_id, enabled)), done.position, SERVES)


@serves("GET", "/<application_id>")
def get(application_id: str) -> Response:
    """One application."""
    found = authorized(application_id, READ, disabled=True).application
    assert found is not None
    return answer(200, representations.application(application_id, found.app))


@serves("DELETE", "/<application_id>")
def delete(application_id: str) -> Response:
    """Delete an application and all that is in it; its history stays."""
    caller = authorized(application_id, APPS_WRITE, disabled=True)
    engine = services().engine
    await_position(engine.record.head().position, ["devices"])
    _retire_devices(caller)
    done = close_app(engine, context(caller.actor, caller.scope), caller.app_id, NAME)
    return readable(nothing(), done.position, ("apps", "devices", "audience"))


@serves("GET", "/<application_id>/status")
def get_status(application_id: str) -> Response:
    """Whether it is enabled."""
    found = authorized(application_id, READ, disabled=True).application
    assert found is not None
    return answer(200, _status(application_id, not found.disabled))


@serves("PUT", "/<application_id>/status")
def put_status(application_id: str) -> Response:
    """Enable or disable it: disabled, it takes nothing."""
    caller = authorized(application_id, APPS_WRITE, disabled=True)
    enabled = flag(body(), "enabled")
    command = EnableApp() if enabled else DisableApp()
    done = change_app(services().engine, context(caller.actor, caller.scope), caller.app_id, command)
    return readable(answer(200, _status(application_id, enabled)), done.position, SERVES)


def _retire_devices(caller: Caller) -> None:
    """A thousand at a time, so that nobody who writes has to wait long."""
    after: int | None = 0
    while after is not None:
        with reading("devices") as connection:
            page = devices.list_devices(connection, caller.app_id, REGISTERED, after=after, limit=1000)
        ids = [row.device_id for row in page.items]
        change_devices(services().engine, context(caller.actor, caller.scope), caller.app_id, ids, RetireDevice())
        after = page.next


def _status(application_id: str, enabled: bool) -> dict[str, str]:
    return {"applicationId": application_id, "enabled": str(enabled).lower()}
