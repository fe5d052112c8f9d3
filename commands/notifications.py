"""Commands on notifications and their follow-ups."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from tocsin.commands.apps import load_enabled
from tocsin.commands.context import Context
from tocsin.commands.engine import Decision, Done, Engine, Loaded
from tocsin.commands.ids import new_id
from tocsin.domain import notification
from tocsin.domain.errors import NotFound
from tocsin.domain.notification import Notification


@dataclass(frozen=True, slots=True)
class NotificationResult:
    """A notification as it stands after the command; ``followup_id`` is the follow-up it was about, if any."""

    notification_id: UUID
    app_id: UUID
    notification: Notification
    followup_id: int | None = None


def create_notification(
    engine: Engine, context: Context, app_id: UUID, command: Any, notification_id: UUID | None = None
) -> Done[NotificationResult]:
    """Carry out a ``CreateNotification``. Raises NotFound and Conflict for the app, Invalid for the content."""
    chosen = notification_id or new_id()

    def decide() -> Decision[NotificationResult]:
        load_enabled(engine, app_id)
        loaded = engine.load(chosen, notification)
        facts, state = loaded.decide(command)
        assert state is not None
        return Decision(NotificationResult(chosen, app_id, state), [loaded.change(app_id, facts)])

    return engine.carry_out(context, decide)


def change_notification(
    engine: Engine, context: Context, app_id: UUID, notification_id: UUID, command: Any
) -> Done[NotificationResult]:
    """Carry out any other notification command. Raises NotFound, Conflict after it was withdrawn, Invalid."""

    def decide() -> Decision[NotificationResult]:
        loaded = load_notification(engine, app_id, notification_id)
        facts, state = loaded.decide(command)
        assert state is not None
        followup_id = next((fact.followup_id for fact in facts if hasattr(fact, "followup_id")), None)
        return Decision(NotificationResult(notification_id, app_id, state, followup_id), [loaded.change(app_id, facts)])

    return engine.carry_out(context, decide)


def load_notification(engine: Engine, app_id: UUID, notification_id: UUID) -> Loaded[Notification]:
    """A notification of this app. Raises NotFound."""
    loaded = engine.load(notification_id, notification)
    if loaded.state is None or loaded.entries[0].app_id != app_id:
        raise NotFound("there is no such notification", notification=str(notification_id))
    return loaded
