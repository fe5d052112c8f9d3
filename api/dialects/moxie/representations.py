"""What Moxie answers with: the flat form of its reference and the HAL form of its server, in one body."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID

from flask import request

from tocsin.commands.notifications import NotificationResult
from tocsin.projections.notifications import Notification

ROOTS = ("/notifications", "/api/notifications")
"""Where the module is mounted."""


class FollowUp(NamedTuple):
    id: int
    message: str
    timestamp: datetime


class Alert(NamedTuple):
    """A notification as this API knows it."""

    ident: UUID
    message: str
    timestamp: datetime
    expires: datetime | None
    url: str | None
    label: str | None
    followups: Sequence[FollowUp]


def of_row(found: Notification) -> Alert:
    """A notification as the read model has it."""
    row = found.row
    standing = [FollowUp(one.followup_id, one.body, one.at) for one in found.followups if one.withdrawn_at is None]
    return Alert(row.notification_id, row.body, row.starts_at, row.expires_at, row.url, row.label, standing)


def of_result(result: NotificationResult) -> Alert:
    """A notification as a command left it."""
    state = result.notification
    standing = [FollowUp(number, one.body, one.at) for number, one in sorted(state.followups.items())]
    return Alert(
        result.notification_id, state.body, state.starts_at, state.expires_at, state.url, state.label, standing
    )


def notifications(alerts: Iterable[Alert]) -> dict[str, Any]:
    """A list. ``alerts`` is what an older JavaScript client looks for."""
    shown = [notification(alert) for alert in alerts]
    embedded = {"notifications": shown, "alerts": shown}
    return {"notifications": shown, "_embedded": embedded, "_links": _self(f"{root()}/")}


def notification(alert: Alert) -> dict[str, Any]:
    """One notification with its follow-ups."""
    shown: dict[str, Any] = {
        "uuid": str(alert.ident),
        "ident": str(alert.ident),
        "message": alert.message,
        "timestamp": date(alert.timestamp),
        "expires": None if alert.expires is None else date(alert.expires),
    }
    shown |= {name: value for name, value in (("url", alert.url), ("label", alert.label)) if value is not None}
    shown["followups"] = [_flat(one) for one in alert.followups]
    shown["_links"] = _self(notification_path(alert.ident))
    if alert.followups:
        shown["_embedded"] = {"followups": [followup(alert.ident, one) for one in alert.followups]}
    return shown


def followup(ident: UUID, one: FollowUp) -> dict[str, Any]:
    """One follow-up."""
    return {**_flat(one), "_links": _self(followup_path(ident, one.id))}


def root() -> str:
    """Under which of its roots the module was called."""
    return ROOTS[1] if request.path.startswith("/api/") else ROOTS[0]


def notification_path(ident: UUID) -> str:
    """Where a notification is."""
    return f"{root()}/{ident}"


def followup_path(ident: UUID, number: int) -> str:
    """Where a follow-up is."""
    return f"{notification_path(ident)}/followup/{number}"


def date(value: datetime) -> str:
    """A time as Moxie writes it: UTC, without saying so, to the second."""
    return value.astimezone(UTC).replace(microsecond=0, tzinfo=None).isoformat()


def _flat(one: FollowUp) -> dict[str, Any]:
    return {"id": one.id, "message": one.message, "timestamp": date(one.timestamp)}


def _self(path: str) -> dict[str, Any]:
    return {"self": {"href": path}}
