"""Every event's stable name and schema version: the one table between history and the classes of today.

A name, once recorded, is for ever. Renaming a class changes only its row here. When a fact changes shape its version
rises and the old shape is turned into the new on reading, by the function in ``UPCASTS``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tocsin.domain.entry import Fact
from tocsin.domain.events import app, chunk, device, group, notification, operation, receipt, send, token, usage, user

CATALOG: dict[str, tuple[type[Fact], int]] = {
    "app.created": (app.AppCreated, 1),
    "app.updated": (app.AppUpdated, 1),
    "app.disabled": (app.AppDisabled, 1),
    "app.enabled": (app.AppEnabled, 1),
    "app.provider_configured": (app.ProviderConfigured, 1),
    "app.provider_removed": (app.ProviderRemoved, 1),
    "app.provider_parts_changed": (app.ProviderPartsChanged, 1),
    "app.credential_issued": (app.CredentialIssued, 1),
    "app.credential_revoked": (app.CredentialRevoked, 1),
    "app.tag_created": (app.TagCreated, 1),
    "app.tag_updated": (app.TagUpdated, 1),
    "app.tag_deleted": (app.TagDeleted, 1),
    "app.webhook_created": (app.WebhookCreated, 1),
    "app.webhook_updated": (app.WebhookUpdated, 1),
    "app.webhook_deleted": (app.WebhookDeleted, 1),
    "app.template_saved": (app.TemplateSaved, 1),
    "app.template_deleted": (app.TemplateDeleted, 1),
    "app.segment_saved": (app.SegmentSaved, 1),
    "app.segment_deleted": (app.SegmentDeleted, 1),
    "user.created": (user.UserCreated, 1),
    "user.credential_changed": (user.UserCredentialChanged, 1),
    "user.session_opened": (user.SessionOpened, 1),
    "user.session_extended": (user.SessionExtended, 1),
    "user.session_closed": (user.SessionClosed, 1),
    "user.disabled": (user.UserDisabled, 1),
    "user.enabled": (user.UserEnabled, 1),
    "user.erased": (user.UserErased, 1),
    "group.joined": (group.GroupJoined, 1),
    "group.left": (group.GroupLeft, 1),
    "token.issued": (token.TokenIssued, 1),
    "token.revoked": (token.TokenRevoked, 1),
    "device.registered": (device.DeviceRegistered, 1),
    "device.updated": (device.DeviceUpdated, 1),
    "device.token_changed": (device.TokenChanged, 1),
    "device.subscribed": (device.Subscribed, 1),
    "device.unsubscribed": (device.Unsubscribed, 1),
    "device.badge_changed": (device.BadgeChanged, 1),
    "device.opted_out": (device.OptedOut, 1),
    "device.opted_in": (device.OptedIn, 1),
    "device.retired": (device.DeviceRetired, 1),
    "device.restored": (device.DeviceRestored, 1),
    "notification.created": (notification.NotificationCreated, 1),
    "notification.amended": (notification.NotificationAmended, 1),
    "notification.followup_added": (notification.FollowupAdded, 1),
    "notification.followup_amended": (notification.FollowupAmended, 1),
    "notification.followup_withdrawn": (notification.FollowupWithdrawn, 1),
    "notification.withdrawn": (notification.NotificationWithdrawn, 1),
    "send.requested": (send.SendRequested, 1),
    "send.approved": (send.SendApproved, 1),
    "send.rejected": (send.SendRejected, 1),
    "send.scheduled": (send.SendScheduled, 1),
    "send.started": (send.SendStarted, 1),
    "send.audience_frozen": (send.AudienceFrozen, 1),
    "send.devices_excluded": (send.DevicesExcluded, 1),
    "send.cancelled": (send.SendCancelled, 1),
    "send.withdrawn": (send.SendWithdrawn, 1),
    "send.expired": (send.SendExpired, 1),
    "send.completed": (send.SendCompleted, 1),
    "chunk.planned": (chunk.ChunkPlanned, 1),
    "chunk.due": (chunk.ChunkDue, 1),
    "chunk.attempt_started": (chunk.AttemptStarted, 1),
    "chunk.outcomes_recorded": (chunk.OutcomesRecorded, 1),
    "chunk.retry_set": (chunk.RetrySet, 1),
    "chunk.held": (chunk.ChunkHeld, 1),
    "chunk.released": (chunk.ChunkReleased, 1),
    "chunk.attempt_abandoned": (chunk.AttemptAbandoned, 1),
    "chunk.outcome_arrived_late": (chunk.OutcomeArrivedLate, 1),
    "chunk.completed": (chunk.ChunkCompleted, 1),
    "usage.reported": (usage.UsageReported, 1),
    "receipt.received": (receipt.ReceiptReceived, 1),
    "receipt.opened": (receipt.ReceiptOpened, 1),
    "receipt.removed": (receipt.ReceiptRemoved, 1),
    "operation.started": (operation.OperationStarted, 1),
    "operation.finished": (operation.OperationFinished, 1),
}

Upcast = Callable[[dict[str, Any]], dict[str, Any]]

UPCASTS: dict[tuple[str, int], Upcast] = {}
"""(name, old version) → the fact's JSON object one version up, applied in turn until today's version."""

NAMES: dict[type[Fact], tuple[str, int]] = {cls: (name, version) for name, (cls, version) in CATALOG.items()}


def name_of(fact: Fact) -> str:
    """The stable name of a fact's type, such as ``device.registered``."""
    return NAMES[type(fact)][0]
