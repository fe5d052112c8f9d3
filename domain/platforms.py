"""Which provider reaches which platform, and what the tokens of each look like."""

from __future__ import annotations

import re

from tocsin.domain.errors import Invalid
from tocsin.domain.rules import text, web_address

PROVIDERS = ("apns", "fcm", "wns")

APPLE = ("ios", "ipados", "macos", "tvos", "visionos", "watchos")

PROVIDER_OF: dict[str, str | None] = {
    **dict.fromkeys(APPLE, "apns"),
    "android": "fcm",
    "windows": "wns",
    **dict.fromkeys(("huawei", "sms", "web", "web-chrome", "web-firefox", "web-safari", "chrome-extension")),
}
"""Every platform known by name. None: its devices register and are left out of every audience as ``no-provider``."""

PLATFORMS = tuple(PROVIDER_OF)

MAX_TOKEN = 4096
"""Characters. Providers promise no length; all that were ever seen are far shorter."""

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,31}")
_HEX = re.compile(r"(?:[0-9a-fA-F]{2}){32,100}")


def provider_for(platform: str) -> str | None:
    """``apns``, ``fcm`` or ``wns``; None where no adapter reaches the platform, or nobody knows it."""
    return PROVIDER_OF.get(platform)


def check_platform(platform: str) -> None:
    """A platform's name: 1 to 32 lower-case letters, digits, dots, dashes. It need not be one we can reach.

    Errors: Invalid with ``field`` platform.
    """
    if not _NAME.fullmatch(platform):
        raise Invalid(
            "platform must be 1 to 32 lower-case letters, digits, dots, underscores or dashes", field="platform"
        )


def check_token(platform: str, token: object, *, shape: bool = True) -> None:
    """A push token of at most ``MAX_TOKEN`` characters, and, unless ``shape`` is false, of its provider's form.

    APNs: the device token in hexadecimal, 64 to 200 digits ("Registering your app with APNs": of variable length).
    WNS: the channel URI, https. FCM: opaque. Errors: Invalid with ``field`` token, which never repeats the token.
    """
    given = text(token, "token", MAX_TOKEN)
    provider = provider_for(platform)
    if shape and provider == "apns" and not _HEX.fullmatch(given):
        raise Invalid(f"the token of an {platform} device is 64 to 200 hexadecimal digits", field="token")
    if shape and provider == "wns":
        web_address(given, "token", longest=MAX_TOKEN)
