"""The rows of the read model of apps, as its queries return them."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from tocsin.projections.tables import Table

SCHEMA = "apps_v1"


class App(msgspec.Struct, frozen=True):
    """``hosts``: by which a call without a credential finds it. ``settings``: by dialect."""

    app_id: UUID
    name: str
    hosts: list[str]
    settings: dict[str, Any]
    disabled: bool
    created_at: datetime
    created_position: int
    position: int


class Provider(msgspec.Struct, frozen=True):
    """A provider's configuration for one app; ``fingerprint`` tells its secret from another."""

    app_id: UUID
    provider: str
    profile: str
    configuration: dict[str, Any]
    secret_id: UUID
    fingerprint: str
    configured_at: datetime
    position: int


class Credential(msgspec.Struct, frozen=True):
    """What a caller authenticates with; the secret itself, hashed, is in the vault under ``secret_id``."""

    credential_id: UUID
    app_id: UUID
    kind: str
    dialect: str
    name: str
    roles: list[str]
    scope: str | None
    public_id: str | None
    secret_id: UUID
    revoked: bool
    issued_at: datetime
    revoked_at: datetime | None
    created_position: int
    position: int


class Tag(msgspec.Struct, frozen=True):
    """A tag that was created by name; devices may have others. Its count is ``devices.tag_counts``."""

    app_id: UUID
    tag: str
    description: str
    created_at: datetime
    updated_at: datetime
    position: int


class Webhook(msgspec.Struct, frozen=True):
    """Where to report which events, in which ``format``; ``types``: what that calls them."""

    webhook_id: UUID
    app_id: UUID
    name: str
    url: str
    events: list[str]
    secret_id: UUID | None
    format: str
    types: list[str]
    created_at: datetime
    created_position: int
    position: int


class Template(msgspec.Struct, frozen=True):
    """A message kept for later; ``message`` is the JSON of a ``domain.message.Message``."""

    template_id: UUID
    app_id: UUID
    name: str
    message: dict[str, Any]
    created_at: datetime
    created_position: int
    position: int


class Segment(msgspec.Struct, frozen=True):
    """An audience kept by name; ``criteria`` is the JSON of a ``domain.audience.Criteria``."""

    app_id: UUID
    name: str
    criteria: dict[str, Any]
    created_at: datetime
    updated_at: datetime
    position: int


APPS = Table(SCHEMA, "app", App, "app_id")
PROVIDERS = Table(SCHEMA, "provider", Provider, "app_id", "provider", "profile")
CREDENTIALS = Table(SCHEMA, "credential", Credential, "credential_id")
TAGS = Table(SCHEMA, "tag", Tag, "app_id", "tag")
WEBHOOKS = Table(SCHEMA, "webhook", Webhook, "webhook_id")
TEMPLATES = Table(SCHEMA, "template", Template, "template_id")
SEGMENTS = Table(SCHEMA, "segment", Segment, "app_id", "name")
