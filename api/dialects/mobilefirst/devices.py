"""From this API's devices to the engine's: registrations, and which device is meant by the id it chose."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any
from uuid import UUID

from flask import request
from msgspec import UNSET, UnsetType

from tocsin.api.dialects.mobilefirst import bodies
from tocsin.api.dialects.mobilefirst.bodies import Body
from tocsin.api.dialects.mobilefirst.broadcasts import BROADCAST
from tocsin.api.dialects.mobilefirst.errors import Refusal, invalid, missing
from tocsin.api.dialects.mobilefirst.platforms import PLATFORMS
from tocsin.api.dialects.mobilefirst.representations import ANONYMOUS, USER_AGENT
from tocsin.api.services import services
from tocsin.commands.devices import Registration, load_device
from tocsin.commands.engine import Loaded
from tocsin.commands.people import EXTERNAL_ID
from tocsin.domain.device import MAX_ATTRIBUTE, MAX_NAME, Device
from tocsin.domain.errors import NotFound

LONGEST_USER = 254


def registration(given: Body) -> Registration:
    """What a device says when it registers: all of it, so that what it leaves out is no more. Raises Refusal."""
    platform = PLATFORMS.get(bodies.text(given, "platform"))
    if platform is None:
        raise invalid("platform")
    agent = user_agent()
    return Registration(
        platform=platform,
        external_id=_device_id(bodies.text(given, "deviceId")),
        token=bodies.text(given, "token"),
        user=_user(given),
        phone=_phone(given),
        attributes={} if agent is None else {USER_AGENT: agent},
        tags_when_new=(BROADCAST,),
        token_shape=False,
    )


def changes(given: Body, device_id: str) -> dict[str, Any]:
    """What is to change of a device; its platform never does. Raises Refusal."""
    named = bodies.optional_text(given, "deviceId")
    if named not in (None, device_id):
        raise invalid("deviceId")
    token: str | UnsetType = bodies.text(given, "token") if given.get("token") is not None else UNSET
    return {
        "token": token,
        "user": _user(given) if "userId" in given else UNSET,
        "phone": _phone(given) if "phoneNumber" in given else UNSET,
    }


def registered(app_id: UUID, device_id: str) -> UUID:
    """The device that registered by this id and did not unregister, by the record. Raises Refusal."""
    return standing(app_id, device_id).stream_id


def standing(app_id: UUID, device_id: str) -> Loaded[Device]:
    """As ``registered``, with its state and its history."""
    own = own_id(app_id, device_id)
    if own is not None:
        try:
            loaded = load_device(services().engine, app_id, own)
        except NotFound:
            raise no_such_device() from None
        if loaded.state is not None and loaded.state.retired is None:
            return loaded
    raise no_such_device()


def no_such_device() -> Refusal:
    """What is said of a device that is not registered."""
    return missing("devices", "deviceId")


def user_agent() -> str | None:
    """The request's ``User-Agent``, as much of it as can be kept."""
    said = "".join(filter(str.isprintable, request.headers.get("User-Agent", ""))).strip()
    return said[:MAX_ATTRIBUTE].strip() or None


def own_id(app_id: UUID, device_id: str) -> UUID | None:
    """The engine's id of the device that has ever registered by this one; None where it cannot be any's."""
    return own_ids(app_id, [device_id]).get(device_id)


def own_ids(app_id: UUID, device_ids: Collection[str]) -> dict[str, UUID]:
    """The engine's ids of many devices; one that cannot be any's is not in the answer."""
    engine = services().engine
    digests = {device_id: engine.digest(EXTERNAL_ID, device_id) for device_id in device_ids}
    holders = engine.record.owners(app_id, EXTERNAL_ID, list(digests.values())) if digests else {}
    found = {device_id: holders.get(digest) or _uuid(device_id) for device_id, digest in digests.items()}
    return {device_id: own for device_id, own in found.items() if own is not None}


def _uuid(device_id: str) -> UUID | None:
    """A device that chose no id is known by its own."""
    try:
        return UUID(device_id)
    except ValueError:
        return None


def _device_id(device_id: str) -> str:
    if len(device_id) > MAX_NAME:
        raise invalid("deviceId")
    return device_id


def _user(given: Body) -> str | None:
    """The user; that nobody is known is said in three ways."""
    user = bodies.optional_text(given, "userId")
    if user is not None and len(user) > LONGEST_USER:
        raise invalid("userId")
    return None if user == ANONYMOUS else user


def _phone(given: Body) -> str | None:
    """A number to call, which some clients send as a number."""
    value = given.get("phoneNumber")
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return bodies.optional_text(given, "phoneNumber")
