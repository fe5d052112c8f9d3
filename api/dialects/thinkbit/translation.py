"""From ThinkBIT to the engine: its users are Users, its registration tokens Devices in a group of their user's."""

from __future__ import annotations

import ipaddress
import time
from datetime import datetime
from typing import Any
from uuid import UUID

from flask import g, request

from tocsin.api.dialects.apps import app_of_call
from tocsin.api.dialects.settings import settings_of
from tocsin.api.dialects.thinkbit import errors, schemas
from tocsin.api.dialects.thinkbit.errors import Breach
from tocsin.api.reads import reading
from tocsin.api.requests import actor
from tocsin.api.services import services
from tocsin.commands.context import Context
from tocsin.commands.devices import DeviceResult, Registration, change_device, load_device, register_device
from tocsin.commands.engine import Done
from tocsin.commands.people import TOKEN, USER, token_digest
from tocsin.domain.device import RetireDevice
from tocsin.domain.entry import Actor
from tocsin.domain.errors import Forbidden, NotFound, Unauthenticated
from tocsin.projections import agenda, users
from tocsin.projections.apps_rows import App
from tocsin.projections.users import User

NAME = "thinkbit"

PLATFORM = "android"
"""What every token here is registered as: all of them are FCM's."""

PROVIDER = "fcm"
GROUP = "fcm_registration_tokens"

DEVICE_LIMIT = 18
REQUESTS_PER_MINUTE = 6000
CRON_ADDRESS = "10.0.0.1"

CRON_WAIT = 2.0
"""Seconds a cron call waits for the work that is due to be taken up."""

_LARGEST = 2**63 - 1
_LOOK = 0.05


def app_or_none() -> App | None:
    """The app these calls mean; None where none is configured."""
    if "thinkbit_app" not in g:
        try:
            g.thinkbit_app = app_of_call(NAME)
        except NotFound:
            g.thinkbit_app = None
    found: App | None = g.thinkbit_app
    return found


def setting(name: str, default: int, most: int) -> int:
    """A number of the app's settings, ``{"thinkbit": {name: …}}``; the default where it is none from 1 to ``most``."""
    value = _settings().get(name)
    return value if type(value) is int and 1 <= value <= most else default


def check_cron() -> None:
    """Let App Engine's cron through. Raises Unauthenticated, Forbidden.

    Its address must be one of those in ``X-Forwarded-For``: the whole of it, not a part.
    """
    if request.headers.get("X-Appengine-Cron") != "true":
        raise Unauthenticated(errors.NO_CRON_HEADER)
    trusted = _settings().get("cron_address")
    wanted = _address(trusted if isinstance(trusted, str) else CRON_ADDRESS)
    came = [_address(hop) for hop in request.headers.get("X-Forwarded-For", "").split(",")]
    if wanted is None or wanted not in came:
        raise Forbidden(errors.NO_CRON_ADDRESS)


def await_due_work() -> None:
    """Return once nothing is overdue that was when this was called, or after ``CRON_WAIT``: the scheduler does it."""
    asked, until = services().engine.clock(), time.monotonic() + CRON_WAIT
    while _is_due(asked) and time.monotonic() < until:
        time.sleep(_LOOK)


def _is_due(moment: datetime) -> bool:
    with reading() as connection:
        return bool(agenda.due(connection, moment, limit=1))


def user_addressed(shown: str) -> User:
    """The user whose number is in the address. Raises NotFound."""
    app = app_or_none()
    number = int(shown) if shown.isascii() and shown.isdigit() and len(shown) < 20 else 0
    if app is not None and 0 < number <= _LARGEST:
        with reading("users") as connection:
            found = users.user_by_number(connection, app.app_id, number)
        if found is not None and found.state != users.ERASED:
            return found
    raise NotFound(errors.no_user(shown))


def authorized(user: User) -> Actor:
    """Whoever signed in as this very user. Raises Unauthenticated, UnsupportedPrefix, Forbidden."""
    email, password = schemas.credentials()
    with reading("users") as connection:
        found = users.user_by_name(connection, user.app_id, services().digest(USER, email))
    secret_id = None if found is None or found.state != users.ACTIVE else found.secret_id
    if not services().checks.matches_password(secret_id, password) or found is None:
        raise errors.wrong_credentials()
    if found.user_id != user.user_id:
        raise errors.not_yours()
    return actor(f"user:{found.user_id}", NAME, str(secret_id))


def add(context: Context, user: User, registration_id: str) -> Done[DeviceResult]:
    """Add a device to its user's group; the oldest leaves a full one. Raises Breach where it is in it already."""
    if _device_of(user, registration_id) is not None:
        raise Breach(errors.TAKEN)
    registration = Registration(
        platform=PLATFORM,
        token=registration_id,
        user=user.name,
        token_shape=False,
        token_scope=_scope(user),
        group=GROUP,
        group_limit=setting("device_limit", DEVICE_LIMIT, 1000),
    )
    done = register_device(services().engine, context, user.app_id, registration)
    if not done.changed:
        # Somebody was quicker with the same one.
        raise Breach(errors.TAKEN)
    return done


def remove(context: Context, user: User, registration_id: str) -> Done[DeviceResult]:
    """Remove a device. Raises Breach where its user has none such."""
    device_id = _device_of(user, registration_id)
    if device_id is None:
        raise Breach(errors.SELECTED)
    done = change_device(services().engine, context, user.app_id, device_id, RetireDevice())
    if not done.changed:
        raise Breach(errors.SELECTED)
    return done


def shown(user: User, device_id: UUID, registration_id: str) -> dict[str, Any]:
    """A device as this API shows it, from the record itself: its number is the position of its first event."""
    entries = load_device(services().engine, user.app_id, device_id).entries
    return {
        "id": entries[0].position,
        "user_id": user.created_position,
        "registration_id": registration_id,
        "created_at": _date(entries[0].recorded_at),
        "updated_at": _date(entries[-1].recorded_at),
    }


def _device_of(user: User, registration_id: str) -> UUID | None:
    """The device of this user that has this token and is not retired. By the record: no read model may be behind."""
    engine = services().engine
    digest = token_digest(engine.digest, PROVIDER, registration_id, _scope(user))
    device_id = engine.record.owners(user.app_id, TOKEN, [digest]).get(digest)
    if device_id is None:
        return None
    state = load_device(engine, user.app_id, device_id).state
    assert state is not None
    owned = state.user is not None and state.user.subject == user.user_id
    return device_id if owned and state.retired is None else None


def _scope(user: User) -> str:
    """A token may be one device of each of several users."""
    return str(user.user_id)


def _settings() -> dict[str, Any]:
    app = app_or_none()
    return settings_of(app.settings, NAME) if app is not None else {}


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text.strip())
    except ValueError:
        return None


def _date(moment: datetime | None) -> str:
    assert moment is not None
    return f"{moment:%Y-%m-%d %H:%M:%S}"
