"""What Moxie's requests hold. Bodies are JSON whatever their Content-Type says; members nobody knows are ignored."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from flask import request

from tocsin.api.bodies import decoded
from tocsin.api.dialects.moxie import errors
from tocsin.api.problems import Malformed
from tocsin.domain.errors import Invalid
from tocsin.domain.notification import AddFollowup, AmendFollowup, AmendNotification, CreateNotification

DATE = "%Y-%m-%dT%H:%M:%S"
VALIDITY = timedelta(hours=1)
"""How long a notification is in force that does not say so, from now on."""

SHORTEST_PUSH, LONGEST_PUSH = 3, 250
"""Characters."""

TRUTHS = ("true", "True", "1", "t")


def wants_history() -> bool:
    """Whether all notifications are asked for, not only those in force."""
    return request.args.get("history") in TRUTHS


def new_notification(now: datetime) -> CreateNotification:
    """The notification of this request. Raises Invalid."""
    body = _document(errors.MESSAGE_MISSING)
    return CreateNotification(
        body=_message(body),
        starts_at=_date(body["timestamp"]) if "timestamp" in body else now,
        expires_at=_date(body["expires"]) if "expires" in body else now + VALIDITY,
        url=_optional(body, "url"),
        label=_optional(body, "label"),
        ordered=False,
    )


def notification_changes() -> AmendNotification:
    """What this request changes of a notification. Raises Invalid."""
    body = _document(errors.NOTHING_TO_UPDATE)
    changes: dict[str, Any] = {"body": _message(body)} if "message" in body else {}
    changes |= {ours: _date(body[theirs]) for theirs, ours in _DATES.items() if theirs in body}
    changes |= {name: _optional(body, name) for name in ("url", "label") if name in body}
    if not changes:
        raise Invalid(errors.NOTHING_TO_UPDATE)
    return AmendNotification(**changes, ordered=False)


def new_followup(now: datetime) -> AddFollowup:
    """The follow-up of this request. Raises Invalid."""
    body = _document(errors.MESSAGE_MISSING)
    return AddFollowup(body=_message(body), at=_date(body["timestamp"]) if "timestamp" in body else now)


def followup_changes(followup_id: int) -> AmendFollowup:
    """What this request changes of a follow-up: its message, its date, or both. Raises Invalid."""
    body = _document(errors.MESSAGE_MISSING)
    changes: dict[str, Any] = {"at": _date(body["timestamp"])} if "timestamp" in body else {}
    if "message" in body or not changes:
        changes["body"] = _message(body)
    return AmendFollowup(followup_id=followup_id, **changes)


def push() -> tuple[str, str]:
    """The notification that is pushed, and what the devices show. Raises Invalid."""
    body = _document(errors.PUSH_INCOMPLETE)
    ident, message = body.get("notification"), body.get("message")
    if not isinstance(ident, str) or not isinstance(message, str):
        raise Invalid(errors.PUSH_INCOMPLETE)
    if not SHORTEST_PUSH <= len(message.strip()) <= LONGEST_PUSH:
        raise Invalid(errors.PUSH_LENGTH)
    return ident, message.strip()


def registration(key: str) -> str:
    """The push token a device reports under ``key``. Raises Invalid."""
    try:
        body = decoded(request.get_data())
    except Malformed as error:
        raise Invalid(errors.JSON_EXPECTED) from error
    token = body.get(key) if isinstance(body, dict) else None
    if not isinstance(token, str) or not token.strip():
        raise Invalid(errors.key_expected(key))
    return token


_DATES = {"timestamp": "starts_at", "expires": "expires_at"}


def _document(message: str) -> dict[str, Any]:
    """The body, a JSON object that holds something; anything else is refused with ``message``."""
    try:
        body = decoded(request.get_data())
    except Malformed as error:
        raise Invalid(message) from error
    if not isinstance(body, dict) or not body:
        raise Invalid(message)
    return body


def _message(body: dict[str, Any]) -> str:
    message = body.get("message")
    if not isinstance(message, str) or not message.strip():
        raise Invalid(errors.MESSAGE_MISSING)
    return message


def _optional(body: dict[str, Any], name: str) -> str | None:
    """A string; null and an empty one say nothing. Raises Invalid."""
    value = body.get(name)
    if value is not None and not isinstance(value, str):
        raise Invalid(f"'{name}' must be a string")
    return value or None


def _date(value: object) -> datetime:
    """A date as Moxie writes it, which is in UTC. Raises Invalid."""
    try:
        return datetime.strptime(value, DATE).replace(tzinfo=UTC)  # type: ignore[arg-type]
    except (TypeError, ValueError) as error:
        raise Invalid(errors.incorrect_date("null" if value is None else value)) from error
