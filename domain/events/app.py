"""The App stream: the application itself, its credentials, providers, tags, webhooks and templates."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from msgspec import UNSET, UnsetType

from tocsin.domain.audience import Criteria
from tocsin.domain.entry import Fact
from tocsin.domain.message import Message


class AppCreated(Fact, frozen=True, kw_only=True):
    """``hosts``: host names by which a call without a credential finds this app. ``settings``: by dialect."""

    name: str
    hosts: tuple[str, ...] = ()
    settings: dict[str, Any] = {}


class AppUpdated(Fact, frozen=True, kw_only=True):
    """Only what changed is set."""

    name: str | UnsetType = UNSET
    hosts: tuple[str, ...] | UnsetType = UNSET
    settings: dict[str, Any] | UnsetType = UNSET


class AppDisabled(Fact, frozen=True, kw_only=True):
    reason: str | None = None


class AppEnabled(Fact, frozen=True, kw_only=True):
    pass


class ProviderConfigured(Fact, frozen=True, kw_only=True):
    """``profile`` tells several configurations of one provider apart. The secret itself lies in the vault."""

    provider: str
    profile: str = "default"
    configuration: dict[str, Any]
    secret_id: UUID
    fingerprint: str


class ProviderRemoved(Fact, frozen=True, kw_only=True):
    provider: str
    profile: str = "default"


class ProviderPartsChanged(Fact, frozen=True, kw_only=True):
    """``parts``: of a provider's secret that is handed in piece by piece, the pieces that are kept, by name, as ids in
    the vault; the others are gone."""

    provider: str
    profile: str = "default"
    parts: dict[str, UUID]


class CredentialIssued(Fact, frozen=True, kw_only=True):
    """``kind``: what it proves possession of (``bearer``, ``hmac``, ``client``, ``app-secret``, …).

    ``public_id`` is the half a caller shows openly (a key id, a client id, an app code), where the kind has one.
    """

    credential_id: UUID
    kind: str
    dialect: str
    name: str
    roles: tuple[str, ...] = ()
    scope: str | None = None
    public_id: str | None = None
    secret_id: UUID


class CredentialRevoked(Fact, frozen=True, kw_only=True):
    credential_id: UUID
    reason: str | None = None


class TagCreated(Fact, frozen=True, kw_only=True):
    tag: str
    description: str = ""


class TagUpdated(Fact, frozen=True, kw_only=True):
    tag: str
    description: str


class TagDeleted(Fact, frozen=True, kw_only=True):
    tag: str


class WebhookCreated(Fact, frozen=True, kw_only=True):
    """``events``: names of events, a ``*`` at the end for all that begin so. ``format``: how they are told, ``native``
    or as another API does; ``types``: what that calls what it was asked for."""

    webhook_id: UUID
    name: str
    url: str
    events: tuple[str, ...]
    secret_id: UUID | None = None
    format: str = "native"
    types: tuple[str, ...] = ()


class WebhookUpdated(Fact, frozen=True, kw_only=True):
    webhook_id: UUID
    url: str | UnsetType = UNSET
    events: tuple[str, ...] | UnsetType = UNSET
    secret_id: UUID | None | UnsetType = UNSET
    format: str | UnsetType = UNSET
    types: tuple[str, ...] | UnsetType = UNSET


class WebhookDeleted(Fact, frozen=True, kw_only=True):
    webhook_id: UUID


class TemplateSaved(Fact, frozen=True, kw_only=True):
    template_id: UUID
    name: str
    message: Message


class TemplateDeleted(Fact, frozen=True, kw_only=True):
    template_id: UUID


class SegmentSaved(Fact, frozen=True, kw_only=True):
    """Devices that meet the criteria can be sent to by this name."""

    name: str
    criteria: Criteria


class SegmentDeleted(Fact, frozen=True, kw_only=True):
    name: str
