"""From TwinPush to the engine: its devices are Devices, its notifications Sends."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from msgspec import UNSET

from tocsin.api.dialects.settings import settings_of, through
from tocsin.api.dialects.twinpush import contents, errors
from tocsin.api.dialects.twinpush.access import NAME
from tocsin.api.dialects.twinpush.contents import RICH
from tocsin.api.dialects.twinpush.errors import Refusal, invalid
from tocsin.api.dialects.twinpush.schemas import flag, text, texts, time
from tocsin.api.dialects.twinpush.targets import target
from tocsin.api.reads import reading
from tocsin.commands.devices import Registration
from tocsin.domain.audience import Audience
from tocsin.domain.properties import TYPES, property_value
from tocsin.domain.send import RequestSend
from tocsin.projections import deliveries
from tocsin.projections.apps_rows import App
from tocsin.projections.devices import Device

PLATFORMS = ("ios", "android", "huawei")

ATTRIBUTES = (
    "language",
    "device_code",
    "device_model",
    "device_manufacturer",
    "app_version",
    "sdk_version",
    "os_version",
)
"""What a device reports of itself, under the same names in both."""

TOKENS = ("push_token", "token", "regid", "pin")
"""What clients of all ages call the token."""

SPEEDS: dict[str, int | None] = {"instant": None, "fast": 100_000, "normal": 10_000, "slow": 1_000}
"""Devices a minute, by ``delivery_speed``, the fastest first."""

SPEED = "normal"

_PRINTED = re.compile(r"<?[0-9a-fA-F]+(?: [0-9a-fA-F]+)+>?|<[0-9a-fA-F]+>")

PLACES = {"latitude": 90, "longitude": 180}
"""Degrees, at most, either way."""


def registration(body: Mapping[str, Any]) -> Registration:
    """A device that reports itself: which one it is, is said by ``udid`` and ``platform``. Raises Refusal."""
    platform, udid = text(body, "platform"), _said(body, "udid")
    if udid is None or platform is None:
        raise invalid("udid and platform, or device_id, must be given")
    if platform not in PLATFORMS:
        raise invalid(f"platform must be one of {', '.join(PLATFORMS)}")
    return Registration(platform=platform, external_id=f"{platform}:{udid}", seen=True, **reported(body))


def renewal(known: Device, told: Mapping[str, Any]) -> Registration:
    """A device that is known reports itself again. ``told``: of ``reported``."""
    return Registration(
        platform=known.platform, device_id=known.device_id, token_scope=known.token_scope, seen=True, **told
    )


def reported(body: Mapping[str, Any]) -> dict[str, Any]:
    """What a registration sets: what is absent stays, what is empty goes. Raises Refusal."""
    attributes = {name: _said(body, name) for name in ATTRIBUTES if name in body}
    token = next((_token(body, name) for name in TOKENS if name in body), UNSET)
    alias = _said(body, "alias_device") if "alias_device" in body else UNSET
    return {"token": token, "alias": alias, "attributes": attributes, "token_shape": False}


def badge(known: Device) -> tuple[int, int]:
    """The position of what last set the number on the icon, and the number, as far as it was ever told."""
    with reading("deliveries") as connection:
        return deliveries.badge(connection, known.device_id)


def place(body: Mapping[str, Any]) -> dict[str, float]:
    """Where a device is, in degrees. Raises Refusal."""
    inner = body.get("device")
    told = inner if isinstance(inner, dict) else body
    return {name: _degrees(told.get(name), name, most) for name, most in PLACES.items()}


def custom_property(body: Mapping[str, Any]) -> dict[str, Any]:
    """What is set of a device's property, but for whose it is. Raises Refusal.

    A value that is absent takes it away, as Android's SDK cannot send null. The manual shows a float with commas
    between its thousands, which JSON can only carry as text.
    """
    name, kind, value = text(body, "name"), text(body, "type"), body.get("value")
    if name is None or (value is not None and kind not in TYPES):
        raise Refusal(errors.INVALID_PROPERTY)
    if kind == "float" and isinstance(value, str):
        value = _decimal(value, "value")
    if value is not None:
        property_value(name, str(kind), value)
    return {"name": name, "type": kind or "string", "value": value}


def send_requested(app: App, body: Mapping[str, Any], now: datetime) -> RequestSend:
    """A new notification. Raises Refusal.

    Old clients wrap the content in ``notification``, with the target beside it or inside.
    """
    inner = body.get("notification")
    asked = {**body, **inner} if isinstance(inner, dict) else body
    own = settings_of(app.settings, NAME)
    common = contents.content(asked, _tags(asked))
    options = _options(asked, inbox=own.get("inbox") is True)
    audience, personal = target(app.app_id, asked, common)
    return RequestSend(
        message=contents.message(common),
        audience=Audience(**audience, through=through(own)),
        personal=personal,
        now=now,
        labels=common.tags,
        **options,
    )


def _options(asked: Mapping[str, Any], inbox: bool) -> dict[str, Any]:
    since = asked.get("send_since")
    return {
        "not_before": time(since, "send_since") if since else None,
        "pace": SPEEDS[_speed(asked)],
        "name": text(asked, "name"),
        "campaign": text(asked, "group_name"),
        "inbox": flag(asked.get("inbox"), "inbox", inbox),
        "protected": flag(asked.get("protected_content"), "protected_content", False),
    }


def speed_of(pace: int | None) -> str:
    """What a pace is called: the slowest speed that is not slower."""
    if pace is None:
        return "instant"
    return [name for name, devices in SPEEDS.items() if devices is None or devices >= pace][-1]


def _token(body: Mapping[str, Any], name: str) -> str | None:
    """A token; old Apple clients print theirs in groups of digits, between angle brackets. Raises Refusal."""
    token = text(body, name)
    return "".join(token.strip("<>").split()) if token and _PRINTED.fullmatch(token) else token


def _said(body: Mapping[str, Any], name: str) -> str | None:
    """Text, which some clients write as a number. Raises Refusal."""
    value = body.get(name)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    return text(body, name)


def _tags(asked: Mapping[str, Any]) -> tuple[str, ...]:
    tags = texts(asked.get("tags"), "tags")
    return (*tags, RICH) if asked.get("url") and RICH not in tags else tags


def _speed(asked: Mapping[str, Any]) -> str:
    speed = text(asked, "delivery_speed") or SPEED
    if speed not in SPEEDS:
        raise invalid(f"delivery_speed must be one of {', '.join(SPEEDS)}")
    return speed


def _degrees(value: Any, name: str, most: int) -> float:
    degrees = _decimal(value, name) if isinstance(value, str) else value
    # So asked, it also refuses what is no number.
    if isinstance(degrees, bool) or not isinstance(degrees, int | float) or not abs(degrees) <= most:
        raise invalid(f"{name} must be a number of degrees from -{most} to {most}")
    return degrees


def _decimal(value: str, name: str) -> float:
    """A number as text. Raises Refusal."""
    try:
        return float(value.replace(",", ""))
    except ValueError as error:
        raise invalid(f"{name} must be a number") from error
