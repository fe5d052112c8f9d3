"""What became of a notification: how many were reached, and why others were not."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from tocsin.api.dialects.twinpush.representations import date, notification
from tocsin.projections.failures import Failure
from tocsin.projections.sends_rows import Send, SendRow

STATUSES = {
    "requested": "draft",
    "scheduled": "scheduled",
    "started": "sending",
    "sending": "sending",
    "completed": "sent",
}
"""By the engine's; every other means that it was stopped before its end."""

PLATFORMS_OF = {"apns": "ios", "fcm": "android"}


def report(found: Send, received: int, opened: int, failed: Sequence[Failure]) -> dict[str, Any]:
    """What became of a notification so far."""
    row, tally = found.row, found.tally
    nobody = bool(tally.audience) and tally.failed == tally.audience
    problems = [_failure(one) for one in failed] + _exclusions(row)
    return {
        "type": "NotificationReport",
        "status": "error" if nobody else STATUSES.get(row.status, "error"),
        "delivery_count": tally.delivered,
        "opening_count": opened,
        "received_count": received,
        "errors": problems,
        "notification": notification(row),
    }


def _failure(one: Failure) -> dict[str, Any]:
    told = f": {one.reason}" if one.reason else ""
    return _problem(
        PLATFORMS_OF.get(one.provider, "all"), "error", one.code, f"{one.devices} devices{told}", one.first_at
    )


def _exclusions(row: SendRow) -> list[dict[str, Any]]:
    """Devices that were meant and left out, by reason; and that nobody was meant at all."""
    if row.frozen_at is None:
        return []
    if not row.audience_count and not row.excluded:
        return [_problem("all", "warning", "no-devices", "no device is in the target", row.frozen_at)]
    return [
        _problem("all", "warning", reason, f"{devices} devices of the target were left out", row.frozen_at)
        for reason, devices in sorted(row.excluded.items())
    ]


def _problem(platform: str, level: str, key: str, message: str, at: datetime) -> dict[str, Any]:
    return {"platform": platform, "level": level, "key": key, "message": message, "created_at": date(at)}
