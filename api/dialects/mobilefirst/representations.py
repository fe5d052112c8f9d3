"""Applications, devices and all that is theirs, as this API shows them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote, urlencode
from uuid import UUID

from tocsin.api.dialects.mobilefirst.applications import Application
from tocsin.api.dialects.mobilefirst.chapters import BASE
from tocsin.api.dialects.mobilefirst.lists import root
from tocsin.api.dialects.mobilefirst.platforms import shown_platform
from tocsin.commands.engine import Loaded
from tocsin.domain.device import Device as DeviceState
from tocsin.domain.personal import Personal
from tocsin.projections.apps_rows import App
from tocsin.projections.devices import Device

ANONYMOUS = "anonymous"
"""The user of a device that has none."""

USER_AGENT = "user_agent"
"""The attribute that keeps the ``User-Agent`` a device registered with."""

Shown = dict[str, str]


def date(moment: datetime) -> str:
    """A date, to the second, in UTC."""
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def href(application_id: str, *parts: str, **query: str) -> str:
    """The address of something in an application."""
    path = "/".join(quote(part, safe="") for part in (application_id, *parts))
    return f"{root()}{BASE}/apps/{path}" + (f"?{urlencode(query)}" if query else "")


def application(application_id: str, app: App, *, expand: bool = True) -> Shown:
    """An application."""
    shown = {"applicationId": application_id, "enabled": str(not app.disabled).lower()}
    if not expand:
        return shown
    created = date(app.created_at)
    return {**shown, "createdMode": "API", "createdTime": created, "href": href(application_id)}


def status(found: Application) -> Shown:
    """Whether an application is enabled."""
    return application(found.application_id, found.app, expand=False)


@dataclass(frozen=True, slots=True)
class Phone:
    """A device, by the ids and in the words of this API. ``user_agent``: of the request that registered it."""

    device_id: str
    platform: str
    token: str
    user: str
    phone: str | None
    user_agent: str | None
    created_at: datetime
    updated_at: datetime


def of_row(row: Device) -> Phone:
    """A device as its read model has it."""
    return Phone(
        device_id=device_id(row.external_id, row.device_id),
        platform=shown_platform(row.platform),
        token=row.token or "",
        user=row.user_name or ANONYMOUS,
        phone=row.phone,
        user_agent=row.attributes.get(USER_AGENT),
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


def of_record(loaded: Loaded[DeviceState]) -> Phone:
    """A device as the record has it, for whoever has just changed it."""
    state, entries = loaded.state, loaded.entries
    created_at, updated_at = entries[0].recorded_at, entries[-1].recorded_at
    assert state is not None
    assert created_at is not None
    assert updated_at is not None
    return Phone(
        device_id=device_id(state.external_id, loaded.stream_id),
        platform=shown_platform(state.platform),
        token=_clear(state.token) or "",
        user=named(state.user),
        phone=_clear(state.phone),
        user_agent=state.attributes.get(USER_AGENT),
        created_at=created_at,
        updated_at=updated_at,
    )


def device(application_id: str, phone: Phone, *, expand: bool = True, agent: bool = False) -> Shown:
    """A device, whose user is always said. ``agent``: with the ``User-Agent`` it registered with, if it had one."""
    shown = {
        "deviceId": phone.device_id,
        "href": href(application_id, "devices", phone.device_id),
        "platform": phone.platform,
        "token": phone.token,
        "userId": phone.user,
    }
    if phone.phone is not None:
        shown["phoneNumber"] = phone.phone
    if expand:
        shown |= {
            "createdMode": "API",
            "createdTime": date(phone.created_at),
            "lastUpdatedTime": date(phone.updated_at),
        }
    return {**shown, "userAgent": phone.user_agent} if agent and phone.user_agent else shown


def device_id(external_id: str | None, own: UUID) -> str:
    """The id a device is known by: the one it chose, or where it chose none, its own."""
    return external_id or str(own)


def named(user: Personal | None) -> str:
    """A device's user, who is always said."""
    return _clear(user) or ANONYMOUS


def _clear(value: Personal | None) -> str | None:
    return None if value is None or value.erased else value.value
