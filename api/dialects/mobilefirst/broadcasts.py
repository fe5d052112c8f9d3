"""The tag of broadcasts, which every device is subscribed to from the start and may leave.

Who leaves it is marked, so that a broadcast also reaches the app's devices of other APIs, which know no such tag.
"""

from __future__ import annotations

from tocsin.domain.device import Subscribe, Unsubscribe

BROADCAST = "Push.ALL"
"""As it is shown; it is taken in any case."""

SILENCED = "Push.NONE"
"""On the devices that have left it. Never shown."""

EXPRESSION = f"!{SILENCED}"
"""Whom a broadcast is for."""


def tag_named(name: str) -> str:
    """The tag of a name, with that of broadcasts in one spelling."""
    return BROADCAST if is_broadcast(name) else name


def is_broadcast(name: str) -> bool:
    """Whether this is the tag of broadcasts."""
    return name.lower() == BROADCAST.lower()


def is_reserved(name: str) -> bool:
    """Whether nobody may create a tag of this name."""
    return name.lower() in (BROADCAST.lower(), SILENCED.lower())


def subscribing(tag: str) -> list[Subscribe | Unsubscribe]:
    """What subscribes a device to a tag."""
    return [Subscribe(tag=tag), *([Unsubscribe(tag=SILENCED)] if tag == BROADCAST else [])]


def unsubscribing(tag: str) -> list[Subscribe | Unsubscribe]:
    """What takes it off a tag."""
    return [Unsubscribe(tag=tag), *([Subscribe(tag=SILENCED)] if tag == BROADCAST else [])]
