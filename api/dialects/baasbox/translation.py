"""BaasBox's calls as commands and queries of the engine."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec

from tocsin.api.dialects.baasbox.access import Caller
from tocsin.api.dialects.baasbox.errors import coded
from tocsin.api.dialects.baasbox.push_settings import configured_providers, is_enabled, profile_name
from tocsin.api.dialects.baasbox.schemas import Push, checked
from tocsin.api.reads import reading
from tocsin.api.services import services
from tocsin.commands.people import USER, user
from tocsin.commands.registrar import Registration
from tocsin.domain.audience import Audience
from tocsin.domain.message import Message
from tocsin.domain.platforms import provider_for
from tocsin.domain.send import RequestSend
from tocsin.projections import devices
from tocsin.projections.devices import Device
from tocsin.projections.devices_queries import DeviceFilter

PLATFORMS = ("ios", "android")
"""The systems that are sent to. Devices of any other are kept."""

UNKNOWN_PLATFORM = "unknown"
"""Of a device whose system has a name that no platform can have."""

_PLATFORM = re.compile(r"[a-z0-9][a-z0-9._-]{0,31}")
_DEVICES_OF_USER = 1000


def registration(caller_name: str, system: str, token: str) -> Registration:
    """A device becomes the user's, whoever had its token before."""
    name = system.lower()
    platform = name if _PLATFORM.fullmatch(name) else UNKNOWN_PLATFORM
    return Registration(platform=platform, token=token, user=caller_name, token_shape=False)


def own_device(caller: Caller, token: str) -> UUID | None:
    """The caller's own device that has this token."""
    for device in _devices(caller.app_id, caller.name):
        if device.token == token:
            return device.device_id
    return None


def pushes(app_id: UUID, push: Push) -> tuple[list[RequestSend], bool]:
    """One send for each profile, and whether every device they are for can be reached. Raises Refusal."""
    content = checked(push)
    wanted = {provider for name in push.users for provider in _providers_of(app_id, name)}
    complete = True
    for number in push.profiles:
        configured = configured_providers(app_id, profile_name(app_id, number))
        if not configured & (wanted or {"apns", "fcm"}):
            raise coded("50301")
        complete = complete and wanted <= configured
    return [_send(app_id, push.users, number, content) for number in push.profiles if push.users], complete


def check_profiles(app_id: UUID, numbers: Sequence[int]) -> None:
    """Refuses profiles that are switched off. Raises Refusal."""
    for number in numbers:
        if not is_enabled(app_id, number):
            raise coded("50305")


def log(app_id: UUID, push: Push) -> list[str]:
    """How a push was understood, as an administrator may be told: line by line, without a token of anybody's."""
    reached = {name: [one for one in _devices(app_id, name) if one.platform in PLATFORMS] for name in push.users}
    return [
        f"Payload message received: {push.message}",
        f"Users extracted: {','.join(push.users)}",
        f"Profiles computed: {','.join(map(str, push.profiles))}",
        *(f"Processing user {name}: the message will be sent to {len(own)} device(s)" for name, own in reached.items()),
    ]


def account(name: str, roles: Sequence[str], *, disabled: bool = False) -> dict[str, Any]:
    """A user's account."""
    status = "SUSPENDED" if disabled else "ACTIVE"
    return {"name": name, "status": status, "roles": [{"name": role} for role in roles]}


def user_data(
    user_id: UUID, name: str, roles: Sequence[str], profile: Any, signed_up: datetime | None, **more: Any
) -> dict[str, Any]:
    """A user, as the user sees themselves."""
    assert signed_up is not None
    shown = profile if isinstance(profile, dict) else {}
    registered = {"_social": {}, **(shown.get("visibleByRegisteredUsers") or {})}
    return {
        "user": account(name, roles),
        "id": str(user_id),
        "visibleByAnonymousUsers": shown.get("visibleByAnonymousUsers") or {},
        "visibleByTheUser": shown.get("visibleByTheUser") or {},
        "visibleByFriends": shown.get("visibleByFriends") or {},
        "visibleByRegisteredUsers": registered,
        "signUpDate": date(signed_up),
        "generated_username": False,
        **more,
    }


def date(time: datetime) -> str:
    """``2015-06-16T16:20:32.032+0200``, in UTC."""
    time = time.astimezone(UTC)
    return f"{time:%Y-%m-%dT%H:%M:%S}.{time.microsecond // 1000:03d}+0000"


def _send(app_id: UUID, users: Sequence[str], number: int, content: dict[str, Any]) -> RequestSend:
    engine = services().engine
    audience = Audience(
        users=tuple(user(engine.digest, app_id, name) for name in users),
        platforms=PLATFORMS,
        profile=profile_name(app_id, number),
    )
    return RequestSend(message=message(content), audience=audience, now=engine.clock())


def message(content: dict[str, Any]) -> Message:
    """On Apple's devices an alert, on Google's the data that the SDK looks for."""
    custom = {"custom": content["custom"]} if "custom" in content else {}
    text = {name: msgspec.json.encode(value).decode() for name, value in custom.items()}
    android: dict[str, Any] = {"ttl": f"{content['time_to_live']}s", "notification": None}
    if content.get("collapse_key"):
        android["collapse_key"] = content["collapse_key"]
    aps: dict[str, Any] = {
        "alert": _alert(content),
        "badge": content["badge"],
        **{name: content[name] for name in ("sound", "category") if name in content},
        **({"content-available": 1} if content.get("content-available") == 1 else {}),
    }
    return Message(
        body=content["message"] or None,
        data=custom,
        apns={"aps": aps},
        fcm={"data": {"message": content["message"], **text}, "notification": None, "android": android},
    )


_ALERT = {"localizedKey": "loc-key", "localizedArguments": "loc-args", "actionLocalizedKey": "action-loc-key"}


def _alert(content: dict[str, Any]) -> Any:
    """A text alone is sent as it is, as it was by the original."""
    localized = {theirs: content[ours] for ours, theirs in _ALERT.items() if ours in content}
    return {"body": content["message"], **localized} if localized else content["message"]


def _providers_of(app_id: UUID, name: str) -> set[str]:
    found = {provider_for(device.platform) for device in _devices(app_id, name) if device.platform in PLATFORMS}
    return {provider for provider in found if provider is not None}


def _devices(app_id: UUID, name: str) -> Sequence[Device]:
    wanted = DeviceFilter(user_digest=services().digest(USER, name), registered=True)
    with reading("devices") as connection:
        return devices.list_devices(connection, app_id, wanted, limit=_DEVICES_OF_USER).items
