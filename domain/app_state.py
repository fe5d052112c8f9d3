"""What an app's events come to."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeVar
from uuid import UUID

import msgspec
from msgspec import UNSET
from msgspec.structs import replace

from tocsin.domain.audience import Criteria
from tocsin.domain.entry import Fact
from tocsin.domain.events.app import (
    AppCreated,
    AppDisabled,
    AppEnabled,
    AppUpdated,
    CredentialIssued,
    CredentialRevoked,
    ProviderConfigured,
    ProviderPartsChanged,
    ProviderRemoved,
    SegmentDeleted,
    SegmentSaved,
    TagCreated,
    TagDeleted,
    TagUpdated,
    TemplateDeleted,
    TemplateSaved,
    WebhookCreated,
    WebhookDeleted,
    WebhookUpdated,
)
from tocsin.domain.rules import OutOfPlace

Key = TypeVar("Key")
Value = TypeVar("Value")


class App(msgspec.Struct, frozen=True, kw_only=True):
    """``providers``: by provider and profile. ``parts``: by the same, of a secret that is handed in piece by piece, the
    ids of the pieces by their names. ``revoked``: the credentials that no longer open anything. ``tags``: the
    descriptions of the tags that were created by name."""

    name: str
    hosts: tuple[str, ...] = ()
    settings: dict[str, Any] = {}
    disabled: bool = False
    providers: dict[tuple[str, str], ProviderConfigured] = {}
    parts: dict[tuple[str, str], dict[str, UUID]] = {}
    credentials: dict[UUID, CredentialIssued] = {}
    revoked: frozenset[UUID] = frozenset()
    tags: dict[str, str] = {}
    webhooks: dict[UUID, WebhookCreated] = {}
    templates: dict[UUID, TemplateSaved] = {}
    segments: dict[str, Criteria] = {}

    @property
    def secrets(self) -> frozenset[UUID]:
        """The ids of the secrets it needs: those of its providers, whole and in parts, its webhooks and its credentials
        in force."""
        signing = (webhook.secret_id for webhook in self.webhooks.values())
        return frozenset(
            {configured.secret_id for configured in self.providers.values()}
            | {secret_id for parts in self.parts.values() for secret_id in parts.values()}
            | {secret_id for secret_id in signing if secret_id is not None}
            | {issued.secret_id for own, issued in self.credentials.items() if own not in self.revoked}
        )


def fold(facts: Iterable[Fact], state: App | None = None) -> App | None:
    """The state after ``facts``, from ``state`` or from nothing."""
    for fact in facts:
        state = evolve(state, fact)
    return state


def evolve(state: App | None, fact: Fact) -> App:
    """The state after ``fact``. Errors: OutOfPlace for a fact that cannot begin an app, or of another stream."""
    if state is None:
        if isinstance(fact, AppCreated):
            return App(name=fact.name, hosts=fact.hosts, settings=fact.settings)
        raise OutOfPlace("app", fact)
    match fact:
        case AppUpdated():
            return replace(state, **_set(fact, "name", "hosts", "settings"))
        case AppDisabled():
            return replace(state, disabled=True)
        case AppEnabled():
            return replace(state, disabled=False)
        case ProviderConfigured(provider=provider, profile=profile):
            return replace(state, providers={**state.providers, (provider, profile): fact})
        case ProviderRemoved(provider=provider, profile=profile):
            return replace(state, providers=_less(state.providers, (provider, profile)))
        case ProviderPartsChanged(provider=provider, profile=profile, parts=parts):
            others = _less(state.parts, (provider, profile))
            return replace(state, parts={**others, (provider, profile): parts} if parts else others)
        case CredentialIssued(credential_id=credential_id):
            return replace(state, credentials={**state.credentials, credential_id: fact})
        case CredentialRevoked(credential_id=credential_id):
            return replace(state, revoked=state.revoked | {credential_id})
        case TagCreated(tag=tag, description=description) | TagUpdated(tag=tag, description=description):
            return replace(state, tags={**state.tags, tag: description})
        case TagDeleted(tag=tag):
            return replace(state, tags=_less(state.tags, tag))
    return _evolve_kept(state, fact)


def _evolve_kept(state: App, fact: Fact) -> App:
    match fact:
        case WebhookCreated(webhook_id=webhook_id):
            return replace(state, webhooks={**state.webhooks, webhook_id: fact})
        case WebhookUpdated(webhook_id=webhook_id):
            changed = replace(state.webhooks[webhook_id], **_set(fact, "url", "events", "secret_id", "format", "types"))
            return replace(state, webhooks={**state.webhooks, webhook_id: changed})
        case WebhookDeleted(webhook_id=webhook_id):
            return replace(state, webhooks=_less(state.webhooks, webhook_id))
        case TemplateSaved(template_id=template_id):
            return replace(state, templates={**state.templates, template_id: fact})
        case TemplateDeleted(template_id=template_id):
            return replace(state, templates=_less(state.templates, template_id))
        case SegmentSaved(name=name):
            return replace(state, segments={**state.segments, name: fact.criteria})
        case SegmentDeleted(name=name):
            return replace(state, segments=_less(state.segments, name))
    raise OutOfPlace("app", fact)


def _set(fact: Fact, *names: str) -> dict[str, Any]:
    """The members of ``fact`` that say something."""
    return {name: getattr(fact, name) for name in names if getattr(fact, name) is not UNSET}


def _less(things: dict[Key, Value], key: Key) -> dict[Key, Value]:
    return {other: value for other, value in things.items() if other != key}
