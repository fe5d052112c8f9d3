"""Which events a role is shown: those of what it may read by its own address."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from tocsin.api.native.access import AUDITOR, OPERATOR, REGISTRAR, SENDER, Caller
from tocsin.projections.feed import FEED_NAMES


def _named(*starts: str) -> frozenset[str]:
    return frozenset(name for name in FEED_NAMES if name.startswith(starts))


_EVERYBODYS = _named("app.created", "app.updated", "app.disabled", "app.enabled", "app.tag_", "notification.")
_PUSHED = _named("send.", "chunk.", "delivery.", "receipt.")

_SHOWN: Mapping[str, frozenset[str]] = {
    REGISTRAR: _EVERYBODYS | _named("device.", "user.", "group.", "usage.", "receipt."),
    SENDER: _EVERYBODYS | _PUSHED | _named("app.template_", "app.segment_"),
    OPERATOR: _EVERYBODYS | _PUSHED | _named("app.", "operation.") - _named("app.credential_"),
}


def shown(who: Caller) -> Collection[str] | None:
    """The names of the events that a caller is shown, of ``FEED_NAMES``; None: all of them."""
    if who.has(AUDITOR):
        return None
    return frozenset[str]().union(*(_SHOWN.get(role, ()) for role in who.roles))
