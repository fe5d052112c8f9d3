"""The push settings: three profiles, each on or off, in sandbox or in production mode, with keys to Google and Apple.

A profile in a mode is one provider configuration of the engine's; what else is set stands in the app's own settings.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any
from uuid import UUID

from tocsin.api.dialects.baasbox.access import NAME, Caller, own_settings
from tocsin.api.dialects.baasbox.errors import Refusal, coded
from tocsin.api.dialects.settings import settings_of
from tocsin.api.providers import set_key
from tocsin.api.requests import context
from tocsin.api.services import services
from tocsin.commands.apps import load_enabled
from tocsin.commands.context import Context
from tocsin.commands.providers import keep_provider_part
from tocsin.commands.settings import change_settings
from tocsin.domain.audience import DEFAULT_PROFILE
from tocsin.domain.errors import Invalid

UNKNOWN_KEY = "The specified key is not valid"
WAITING = "Kept, and used once both the certificate and its password are set"
UNUSED = "Kept, and not used"

_KEY = re.compile(r"profile([123])\.(?:(sandbox|production)\.)?(.+)")


class Kind(Enum):
    """What a setting holds, by its name without profile and mode."""

    ENABLE = "push.profile.enable"
    SANDBOX = "push.sandbox.enable"
    TIMEOUT = "push.apple.timeout"
    GOOGLE_KEY = "android.api.key"
    CERTIFICATE = "ios.certificate"
    CERTIFICATE_PASSWORD = "ios.certificate.password"  # noqa: S105 - the name of a setting


OF_A_MODE = (Kind.GOOGLE_KEY, Kind.CERTIFICATE, Kind.CERTIFICATE_PASSWORD)

PARTS = {Kind.CERTIFICATE: "certificate", Kind.CERTIFICATE_PASSWORD: "password"}
"""The halves of what Apple is reached with, by the names they are kept under."""


@dataclass(frozen=True, slots=True)
class Key:
    """A setting of a profile; ``sandbox``: of which mode, None where it is of both."""

    text: str
    number: int
    sandbox: bool | None
    kind: Kind


def key_of(text: str) -> Key:
    """A key as it stands in an address. Raises Refusal."""
    found = _KEY.fullmatch(text)
    kind = next((kind for kind in Kind if found and kind.value == found[3]), None)
    if found is None or kind is None or (kind in OF_A_MODE) != (found[2] is not None):
        raise Refusal(404, UNKNOWN_KEY)
    return Key(text, int(found[1]), found[2] == "sandbox" if found[2] else None, kind)


def is_enabled(app_id: UUID, number: int) -> bool:
    """Whether a profile is on: as it was set, else the first alone."""
    value = stored(app_id).get(f"profile{number}.{Kind.ENABLE.value}")
    return number == 1 if value is None else value == "true"


def profile_name(app_id: UUID, number: int, *, sandbox: bool | None = None) -> str:
    """By which name the engine knows a profile, in the mode it is in or in another."""
    if sandbox is None:
        sandbox = stored(app_id).get(f"profile{number}.{Kind.SANDBOX.value}") == "true"
    name = DEFAULT_PROFILE if number == 1 else f"profile{number}"
    return f"{name}-sandbox" if sandbox else name


def configured_providers(app_id: UUID, profile: str) -> set[str]:
    """The providers a profile has a configuration of, of those this API sends to."""
    known = load_enabled(services().engine, app_id).providers
    return {provider for provider, name in known if name == profile} & {"apns", "fcm"}


def stored(app_id: UUID) -> Mapping[str, Any]:
    """What was set that is no secret: texts, by key."""
    return settings_of(own_settings(app_id), "push")


def shown(app_id: UUID, key: Key) -> Any:
    """A setting as an administrator sees it. Of what is secret only whether it is there."""
    profile = profile_name(app_id, key.number, sandbox=key.sandbox)
    match key.kind:
        case Kind.GOOGLE_KEY:
            return "fcm" in configured_providers(app_id, profile)
        case Kind.CERTIFICATE | Kind.CERTIFICATE_PASSWORD:
            return PARTS[key.kind] in _halves(app_id, profile) or "apns" in configured_providers(app_id, profile)
        case Kind.ENABLE:
            return str(is_enabled(app_id, key.number)).lower()
    return stored(app_id).get(key.text, "false" if key.kind is Kind.SANDBOX else "0")


def set_value(caller: Caller, key: Key, value: str) -> None:
    """Switch a profile or its mode, or set its time-out. Raises Refusal for a mode that nothing is configured for."""
    app_id, number = caller.app_id, key.number
    if key.kind is Kind.ENABLE and value == "true":
        _needs_provider(app_id, profile_name(app_id, number), "50301")
    if key.kind is Kind.SANDBOX and is_enabled(app_id, number):
        _needs_provider(app_id, profile_name(app_id, number, sandbox=value == "true"), "50306")
    _store(caller, key.text, value)


def set_google_key(caller: Caller, key: Key, value: str) -> None:
    """The key is a service account's JSON, as Google takes the short keys of old no longer. Raises Refusal."""
    profile = profile_name(caller.app_id, key.number, sandbox=key.sandbox)
    try:
        set_key(_context(caller), caller.app_id, "fcm", {}, value.encode(), profile=profile)
    except (Invalid, UnicodeEncodeError) as error:
        raise coded("50304") from error


def set_apple_half(caller: Caller, key: Key, secret: bytes) -> str:
    """Keep a certificate or its password, whichever comes first, and use both once they fit; "" where they do.

    Until then what was used before stays in use.
    """
    profile = profile_name(caller.app_id, key.number, sandbox=key.sandbox)
    who = _context(caller)
    keep_provider_part(services().engine, who, caller.app_id, "apns", PARTS[key.kind], secret, profile=profile)
    certificate = _opened(caller.app_id, profile, Kind.CERTIFICATE)
    password = _opened(caller.app_id, profile, Kind.CERTIFICATE_PASSWORD)
    if certificate is None or password is None:
        return WAITING
    configuration = {"environment": "development" if key.sandbox else "production"}
    try:
        told = _context(caller), caller.app_id, "apns", configuration, certificate
        set_key(*told, profile=profile, password=password.decode(), from_parts=True)
    except Invalid as error:
        return f"{UNUSED}: {error.message}"
    return ""


def _needs_provider(app_id: UUID, profile: str, code: str) -> None:
    if not configured_providers(app_id, profile):
        raise coded(code)


def _halves(app_id: UUID, profile: str) -> Mapping[str, UUID]:
    """The halves that are kept of what Apple is reached with, by their names."""
    return load_enabled(services().engine, app_id).parts.get(("apns", profile), {})


def _opened(app_id: UUID, profile: str, half: Kind) -> bytes | None:
    """A half as it was set; None where it was not, or was replaced a moment ago."""
    secret_id = _halves(app_id, profile).get(PARTS[half])
    try:
        return None if secret_id is None else services().record.vault.open(secret_id)
    except KeyError:
        return None


def _store(caller: Caller, key: str, value: str) -> None:
    def change(own: Mapping[str, Any]) -> dict[str, Any]:
        return {**own, "push": {**settings_of(own, "push"), key: value}}

    change_settings(services().engine, _context(caller), caller.app_id, NAME, change)


def _context(caller: Caller) -> Context:
    return context(caller.actor, caller.credential_id)
