"""The Notification stream: a message people can read, with its validity, follow-ups and history."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from msgspec import UNSET, UnsetType

from tocsin.domain.entry import Fact


class NotificationCreated(Fact, frozen=True, kw_only=True):
    """In force from ``starts_at`` to ``expires_at`` (None: until withdrawn)."""

    body: str
    title: str | None = None
    label: str | None = None
    url: str | None = None
    data: dict[str, Any] = {}
    starts_at: datetime
    expires_at: datetime | None = None


class NotificationAmended(Fact, frozen=True, kw_only=True):
    """Only what changed is set."""

    body: str | UnsetType = UNSET
    title: str | None | UnsetType = UNSET
    label: str | None | UnsetType = UNSET
    url: str | None | UnsetType = UNSET
    data: dict[str, Any] | UnsetType = UNSET
    starts_at: datetime | UnsetType = UNSET
    expires_at: datetime | None | UnsetType = UNSET


class FollowupAdded(Fact, frozen=True, kw_only=True):
    """``followup_id``: numbered from 1 within the notification, never used again."""

    followup_id: int
    body: str
    at: datetime


class FollowupAmended(Fact, frozen=True, kw_only=True):
    followup_id: int
    body: str | UnsetType = UNSET
    at: datetime | UnsetType = UNSET


class FollowupWithdrawn(Fact, frozen=True, kw_only=True):
    followup_id: int
    reason: str | None = None


class NotificationWithdrawn(Fact, frozen=True, kw_only=True):
    reason: str | None = None
