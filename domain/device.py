"""What may be done with a device: registered, updated, subscribed, retired, restored."""

from __future__ import annotations

import re
from math import isfinite
from typing import Any, TypeVar, assert_never

from msgspec import UNSET, UnsetType

from tocsin.domain.device_commands import (
    ChangeBadge,
    ChangeToken,
    ClearProperties,
    DeviceCommand,
    OptIn,
    OptOut,
    RegisterDevice,
    RetireDevice,
    SetProperty,
    Subscribe,
    Unsubscribe,
    UpdateDevice,
)
from tocsin.domain.device_state import PERSONAL, Device, evolve, fold, merged
from tocsin.domain.entry import Fact
from tocsin.domain.errors import Conflict, Invalid, NotFound
from tocsin.domain.events.device import (
    BadgeChanged,
    DeviceRegistered,
    DeviceRestored,
    DeviceRetired,
    DeviceUpdated,
    OptedIn,
    OptedOut,
    Retirement,
    Subscribed,
    TokenChanged,
    Unsubscribed,
)
from tocsin.domain.personal import Personal
from tocsin.domain.platforms import check_platform, check_token
from tocsin.domain.properties import with_property
from tocsin.domain.rules import between, json_object, one_of, optional_text, same_json, text
from tocsin.domain.tags import tag_name

__all__ = [
    "ENVIRONMENTS",
    "ChangeBadge",
    "ChangeToken",
    "ClearProperties",
    "Device",
    "DeviceCommand",
    "OptIn",
    "OptOut",
    "RegisterDevice",
    "RetireDevice",
    "SetProperty",
    "Subscribe",
    "Unsubscribe",
    "UpdateDevice",
    "decide",
    "evolve",
    "fold",
]

MAX_NAME = 255
"""Characters of an external id, a user, an alias."""

MAX_PHONE = 64
MAX_SCOPE = 64
LARGEST_BADGE = 2**31 - 1
MAX_PROPERTIES = 4096
"""Bytes of the custom properties as JSON."""

MAX_ATTRIBUTES = 40
MAX_ATTRIBUTE = 255

ENVIRONMENTS = ("production", "development")

_ATTRIBUTE_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}")

T = TypeVar("T")

REMOVING = (Retirement.REQUESTED, Retirement.ERASED)
"""Retirements after which nothing is kept for a return: the subscriptions go too."""


def decide(state: Device | None, command: DeviceCommand) -> list[Fact]:
    """The facts ``command`` brings about, none where everything is so already.

    A retired device takes a registration, which restores it, and still lets go (unsubscribe, opt out, be erased).
    Errors: Invalid with ``field``, Conflict, NotFound.
    """
    if isinstance(command, RegisterDevice):
        return _register(state, command)
    if state is None:
        raise NotFound("there is no such device")
    match command:
        case UpdateDevice():
            return _update(_active(state), command)
        case ChangeToken():
            return _change_token(_active(state), command)
        case SetProperty():
            return _set_property(_active(state), command)
        case ClearProperties():
            return _clear_properties(_active(state))
        case ChangeBadge():
            return _change_badge(_active(state), command)
        case Subscribe():
            return _subscribe(_active(state), tag_name(command.tag))
        case Unsubscribe():
            tag = tag_name(command.tag)
            return [Unsubscribed(tag=tag)] if tag in state.tags else []
        case OptOut():
            return _opt_out(state, command)
        case OptIn():
            return [OptedIn()] if _active(state).opted_out else []
        case RetireDevice():
            return _retire(state, command)
        case _:
            assert_never(command)


def _register(state: Device | None, command: RegisterDevice) -> list[Fact]:
    check_platform(command.platform)
    optional_text(command.external_id, "external_id", MAX_NAME)
    optional_text(command.token_scope, "token_scope", MAX_SCOPE)
    _check_values(command)
    if command.token is not UNSET and command.token is not None:
        check_token(command.platform, command.token.value, shape=command.token_shape)
    if state is None:
        return [_first(command)]
    _check_same(state, command)
    if state.retired is None:
        return _new_token(state, command.token) + _changes(state, command)
    return [DeviceRestored(), *_token_on_return(state, command.token), *_changes(state, command)]


def _token_on_return(state: Device, token: Personal | None | UnsetType) -> list[Fact]:
    """A token that moved away or died is not the device's any more: it has none, or says it anew, equal or not."""
    if state.retired not in (Retirement.TOKEN_MOVED, Retirement.UNREGISTERED):
        return _new_token(state, token)
    return [TokenChanged(token=None if token is UNSET else token)]


def _first(command: RegisterDevice) -> DeviceRegistered:
    attributes = merged({}, command.attributes)
    _check_number(attributes)
    return DeviceRegistered(
        platform=command.platform,
        token=_given(command.token),
        user=_given(command.user),
        alias=_given(command.alias),
        phone=_given(command.phone),
        properties=_given(command.properties),
        external_id=command.external_id,
        environment=_given(command.environment),
        attributes=attributes,
        token_scope=command.token_scope,
    )


def _given(value: T | None | UnsetType) -> T | None:
    return None if isinstance(value, UnsetType) else value


def _check_same(state: Device, command: RegisterDevice) -> None:
    if state.erased:
        raise Conflict("this device was erased: register it under another id")
    if command.platform != state.platform:
        raise Conflict(f"this device is of platform {state.platform}, which never changes", field="platform")
    if command.external_id is not None and command.external_id != state.external_id:
        raise Conflict("this device has another external id, which never changes", field="external_id")


def _update(state: Device, command: UpdateDevice) -> list[Fact]:
    _check_values(command)
    return _changes(state, command)


def _changes(state: Device, command: RegisterDevice | UpdateDevice) -> list[Fact]:
    """The members and attributes that differ, in one event, or none."""
    given = {name: getattr(command, name) for name in (*PERSONAL, "environment")}
    changed = {
        name: value for name, value in given.items() if value is not UNSET and _differ(value, getattr(state, name))
    }
    attributes = {
        name: value for name, value in command.attributes.items() if not same_json(state.attributes.get(name), value)
    }
    if attributes:
        _check_number(merged(state.attributes, attributes))
        changed["attributes"] = attributes
    return [DeviceUpdated(**changed)] if changed else []


def _differ(one: Any, other: Any) -> bool:
    return one != other or (isinstance(one, Personal) and not same_json(one.value, other.value))


def _check_values(command: RegisterDevice | UpdateDevice) -> None:
    if isinstance(command.user, Personal):
        text(command.user.value, "user", MAX_NAME)
    if isinstance(command.alias, Personal):
        text(command.alias.value, "alias", MAX_NAME)
    if isinstance(command.phone, Personal):
        text(command.phone.value, "phone", MAX_PHONE)
    if isinstance(command.properties, Personal):
        json_object(command.properties.value, "properties", MAX_PROPERTIES)
    if isinstance(command.environment, str):
        one_of(command.environment, "environment", ENVIRONMENTS)
    for name, value in command.attributes.items():
        _check_attribute(name, value)


def _check_attribute(name: str, value: object) -> None:
    if not _ATTRIBUTE_NAME.fullmatch(name):
        raise Invalid(
            "an attribute's name is a letter, then up to 63 letters, digits, _ . or -", field=f"attributes.{name[:64]}"
        )
    if isinstance(value, str) and value:
        text(value, f"attributes.{name}", MAX_ATTRIBUTE)
    elif not _is_scalar(value):
        raise Invalid("an attribute's value is a string, a number, true, false or null", field=f"attributes.{name}")


def _is_scalar(value: object) -> bool:
    if isinstance(value, int):
        return -(2**63) <= value < 2**63
    return value is None or isinstance(value, str) or (isinstance(value, float) and isfinite(value))


def _check_number(attributes: dict[str, Any]) -> None:
    if len(attributes) > MAX_ATTRIBUTES:
        raise Invalid(f"a device has at most {MAX_ATTRIBUTES} attributes", field="attributes")


def _set_property(state: Device, command: SetProperty) -> list[Fact]:
    before = _clear(state.properties), _clear(state.property_types)
    after = with_property(*before, command.name, command.type, command.value)
    if same_json(list(after), list(before)):
        return []
    json_object(after[0], "properties", MAX_PROPERTIES)
    properties, types = (Personal(command.device_id, value) for value in after)
    return [DeviceUpdated(properties=properties, property_types=types)]


def _clear_properties(state: Device) -> list[Fact]:
    return [DeviceUpdated(properties=None, property_types=None)] if _clear(state.properties) else []


def _clear(value: Personal | None) -> dict[str, Any]:
    return {} if value is None or value.erased else dict(value.value)


def _change_badge(_: Device, command: ChangeBadge) -> list[Fact]:
    if (command.badge is None) == (command.change is None):
        raise Invalid("say the badge or the change to it, and not both", field="badge")
    if command.badge is not None:
        badge = between(command.badge, "badge", 0, LARGEST_BADGE)
    else:
        change = between(command.change or 0, "change", -LARGEST_BADGE, LARGEST_BADGE)
        badge = min(max(command.current + change, 0), LARGEST_BADGE)
    return [] if badge == command.current else [BadgeChanged(badge=badge, change=command.change)]


def _change_token(state: Device, command: ChangeToken) -> list[Fact]:
    one_of(command.source, "source", ("registration", "provider"))
    if command.token is not None:
        check_token(state.platform, command.token.value, shape=command.token_shape)
    return _new_token(state, command.token, command.source)


def _new_token(state: Device, token: Personal | None | UnsetType, source: str = "registration") -> list[Fact]:
    if token is UNSET or token == state.token:
        return []
    return [TokenChanged(token=token, source=source)]


def _active(state: Device) -> Device:
    if state.retired is not None:
        raise Conflict(f"this device is retired ({state.retired}): register it again first")
    return state


def _subscribe(state: Device, tag: str) -> list[Fact]:
    return [] if tag in state.tags else [Subscribed(tag=tag)]


def _opt_out(state: Device, command: OptOut) -> list[Fact]:
    optional_text(command.reason, "reason", MAX_NAME)
    return [] if state.opted_out else [OptedOut(reason=command.reason)]


def _retire(state: Device, command: RetireDevice) -> list[Fact]:
    erases = command.reason is Retirement.ERASED and state.retired is not Retirement.ERASED
    if state.retired is not None and not erases:
        return []
    leaves = sorted(state.tags) if command.reason in REMOVING else []
    retired = DeviceRetired(
        reason=command.reason,
        provider=command.provider,
        code=command.code,
        send_id=command.send_id,
        moved_to=command.moved_to,
    )
    return [*(Unsubscribed(tag=tag) for tag in leaves), retired]
