"""What can be asked of an app."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from msgspec import UNSET, UnsetType

from tocsin.domain.audience import Criteria
from tocsin.domain.message import Message
from tocsin.domain.rules import Command


class CreateApp(Command, frozen=True, kw_only=True):
    """That no other app has a host is held by the claims written with it."""

    name: str
    hosts: tuple[str, ...] = ()
    settings: dict[str, Any] = {}


class UpdateApp(Command, frozen=True, kw_only=True):
    """What is UNSET stays as it is; ``settings`` are replaced as a whole."""

    name: str | UnsetType = UNSET
    hosts: tuple[str, ...] | UnsetType = UNSET
    settings: dict[str, Any] | UnsetType = UNSET


class DisableApp(Command, frozen=True, kw_only=True):
    reason: str | None = None


class EnableApp(Command, frozen=True, kw_only=True):
    pass


class ConfigureProvider(Command, frozen=True, kw_only=True):
    """The same configuration with a secret of the same ``fingerprint`` is no event.

    ``from_parts``: the secret is what the parts come to, which stay for when one of them is replaced; else they go.
    """

    provider: str
    profile: str = "default"
    configuration: dict[str, Any]
    secret_id: UUID
    fingerprint: str
    from_parts: bool = False


class RemoveProvider(Command, frozen=True, kw_only=True):
    provider: str
    profile: str = "default"


class KeepProviderPart(Command, frozen=True, kw_only=True):
    """Keeps a part of a provider's secret, in the place of the one of this name."""

    provider: str
    profile: str = "default"
    part: str
    secret_id: UUID


class DropProviderParts(Command, frozen=True, kw_only=True):
    provider: str
    profile: str = "default"


class IssueCredential(Command, frozen=True, kw_only=True):
    """Members as in ``CredentialIssued``."""

    credential_id: UUID
    kind: str
    dialect: str
    name: str
    roles: tuple[str, ...] = ()
    scope: str | None = None
    public_id: str | None = None
    secret_id: UUID


class RevokeCredential(Command, frozen=True, kw_only=True):
    credential_id: UUID
    reason: str | None = None


class CreateTag(Command, frozen=True, kw_only=True):
    tag: str
    description: str = ""


class UpdateTag(Command, frozen=True, kw_only=True):
    tag: str
    description: str


class DeleteTag(Command, frozen=True, kw_only=True):
    tag: str


class CreateWebhook(Command, frozen=True, kw_only=True):
    webhook_id: UUID
    name: str
    url: str
    events: tuple[str, ...]
    secret_id: UUID | None = None
    format: str = "native"
    types: tuple[str, ...] = ()


class UpdateWebhook(Command, frozen=True, kw_only=True):
    webhook_id: UUID
    url: str | UnsetType = UNSET
    events: tuple[str, ...] | UnsetType = UNSET
    secret_id: UUID | None | UnsetType = UNSET
    format: str | UnsetType = UNSET
    types: tuple[str, ...] | UnsetType = UNSET


class DeleteWebhook(Command, frozen=True, kw_only=True):
    webhook_id: UUID


class SaveTemplate(Command, frozen=True, kw_only=True):
    """A new template, or a new content of one that exists."""

    template_id: UUID
    name: str
    message: Message


class DeleteTemplate(Command, frozen=True, kw_only=True):
    template_id: UUID


class SaveSegment(Command, frozen=True, kw_only=True):
    """A new segment, or new criteria of one that exists."""

    name: str
    criteria: Criteria


class DeleteSegment(Command, frozen=True, kw_only=True):
    name: str


AppCommand = (
    CreateApp
    | UpdateApp
    | DisableApp
    | EnableApp
    | ConfigureProvider
    | RemoveProvider
    | KeepProviderPart
    | DropProviderParts
    | IssueCredential
    | RevokeCredential
    | CreateTag
    | UpdateTag
    | DeleteTag
    | CreateWebhook
    | UpdateWebhook
    | DeleteWebhook
    | SaveTemplate
    | DeleteTemplate
    | SaveSegment
    | DeleteSegment
)
