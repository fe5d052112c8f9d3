"""What an app's settings say of one dialect: ``{"<dialect>": {…}}``, written by the app's owner and never trusted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def settings_of(settings: Mapping[str, Any], dialect: str) -> dict[str, Any]:
    """The dialect's own part; empty where there is none, or something else."""
    own = settings.get(dialect)
    return own if isinstance(own, dict) else {}


def through(own: Mapping[str, Any]) -> tuple[str, ...]:
    """The APIs whose devices a dialect's pushes go to, ``{"through": […]}``; empty: all of the app's devices."""
    named = own.get("through")
    return tuple(name for name in named if isinstance(name, str)) if isinstance(named, list) else ()
