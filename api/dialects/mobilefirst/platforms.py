"""Platforms: one letter for each system a phone has, a word for each browser."""

from __future__ import annotations

from tocsin.domain.platforms import APPLE

PLATFORMS = {
    "A": "ios",
    "G": "android",
    "W": "windows",
    "M": "windows",
    "WEB_CHROME": "web-chrome",
    "WEB_FIREFOX": "web-firefox",
    "WEB_SAFARI": "web-safari",
    "APPEXT_CHROME": "chrome-extension",
}
"""What each registers as. ``M`` is an older word for Windows, which is answered as ``W``."""

_SHOWN = {
    **{platform: shown for shown, platform in reversed(PLATFORMS.items())},
    **dict.fromkeys(APPLE, "A"),
    "windows": "W",
}


def shown_platform(platform: str) -> str:
    """A platform as this API says it; one that it has no word for by its own name, in capitals."""
    return _SHOWN.get(platform, platform.upper())


def engine_platforms(shown: str) -> tuple[str, ...]:
    """The platforms a word of this API means: ``A`` is everything of Apple's. None has the name of a word not known."""
    platform = PLATFORMS.get(shown)
    return APPLE if platform == "ios" else (platform or shown.lower(),)
