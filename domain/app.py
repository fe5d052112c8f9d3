"""What may be done with an app: its providers, credentials, tags, webhooks and templates."""

from __future__ import annotations

import re
from typing import Any, TypeVar, assert_never

from msgspec import UNSET

from tocsin.domain.app_commands import (
    AppCommand,
    ConfigureProvider,
    CreateApp,
    CreateTag,
    CreateWebhook,
    DeleteSegment,
    DeleteTag,
    DeleteTemplate,
    DeleteWebhook,
    DisableApp,
    DropProviderParts,
    EnableApp,
    IssueCredential,
    KeepProviderPart,
    RemoveProvider,
    RevokeCredential,
    SaveSegment,
    SaveTemplate,
    UpdateApp,
    UpdateTag,
    UpdateWebhook,
)
from tocsin.domain.app_state import App, evolve, fold
from tocsin.domain.audience_rules import check_criteria
from tocsin.domain.entry import Fact
from tocsin.domain.errors import Conflict, Invalid, NotFound
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
from tocsin.domain.message import check_message
from tocsin.domain.platforms import PROVIDERS
from tocsin.domain.rules import json_object, one_of, optional_text, same_json, text
from tocsin.domain.tags import tag_name
from tocsin.domain.webhooks import hook_events, hook_types, hook_url

__all__ = [
    "KINDS",
    "ROLES",
    "App",
    "AppCommand",
    "ConfigureProvider",
    "CreateApp",
    "CreateTag",
    "CreateWebhook",
    "DeleteSegment",
    "DeleteTag",
    "DeleteTemplate",
    "DeleteWebhook",
    "DisableApp",
    "DropProviderParts",
    "EnableApp",
    "IssueCredential",
    "KeepProviderPart",
    "RemoveProvider",
    "RevokeCredential",
    "SaveSegment",
    "SaveTemplate",
    "UpdateApp",
    "UpdateTag",
    "UpdateWebhook",
    "decide",
    "evolve",
    "fold",
]

ROLES = ("admin", "registrar", "sender", "auditor", "operator")

KINDS = ("bearer", "client", "app-secret", "api-token", "device-secret", "hmac")
"""Kinds of credentials: what their holder sends or signs with."""

MAX_NAME = 255
MAX_TEXT = 1000
MAX_SCOPE = 4000
MAX_SETTINGS = 16_384
MAX_CONFIGURATION = 16_384
"""Bytes of JSON."""

LETTING_GO = (
    RevokeCredential,
    RemoveProvider,
    DropProviderParts,
    DeleteTag,
    DeleteWebhook,
    DeleteTemplate,
    DeleteSegment,
)
"""What a disabled app takes too: nothing is opened by it."""

_HOST = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?")

Key = TypeVar("Key")
Value = TypeVar("Value")


def decide(state: App | None, command: AppCommand) -> list[Fact]:
    """The facts ``command`` brings about, none where everything is so already.

    A disabled app takes ``EnableApp``, and lets things go; nothing else. Errors: Invalid with ``field``, Conflict,
    NotFound.
    """
    if isinstance(command, CreateApp):
        return _create(state, command)
    if state is None:
        raise NotFound("there is no such app")
    if isinstance(command, EnableApp):
        return [AppEnabled()] if state.disabled else []
    if isinstance(command, DisableApp):
        optional_text(command.reason, "reason", MAX_TEXT)
        return [] if state.disabled else [AppDisabled(reason=command.reason)]
    if state.disabled and not isinstance(command, LETTING_GO):
        raise Conflict("this app is disabled: enable it first")
    match command:
        case UpdateApp():
            return _update(state, command)
        case ConfigureProvider():
            return _configure_provider(state, command)
        case RemoveProvider(provider=provider, profile=profile):
            _known(state.providers, (provider, profile), "provider configuration")
            return [ProviderRemoved(provider=provider, profile=profile), *_drop_parts(state, provider, profile)]
        case KeepProviderPart():
            return _keep_part(state, command)
        case DropProviderParts(provider=provider, profile=profile):
            return _drop_parts(state, provider, profile)
        case IssueCredential():
            return _issue_credential(state, command)
        case RevokeCredential():
            return _revoke_credential(state, command)
        case CreateTag():
            return _create_tag(state, command)
        case UpdateTag():
            return _update_tag(state, command)
        case DeleteTag(tag=tag):
            _known(state.tags, tag_name(tag), "tag")
            return [TagDeleted(tag=tag_name(tag))]
        case CreateWebhook():
            return _create_webhook(state, command)
        case UpdateWebhook():
            return _update_webhook(state, command)
        case DeleteWebhook(webhook_id=webhook_id):
            _known(state.webhooks, webhook_id, "webhook")
            return [WebhookDeleted(webhook_id=webhook_id)]
        case SaveTemplate():
            return _save_template(state, command)
        case DeleteTemplate(template_id=template_id):
            _known(state.templates, template_id, "template")
            return [TemplateDeleted(template_id=template_id)]
        case SaveSegment():
            return _save_segment(state, command)
        case DeleteSegment(name=name):
            _known(state.segments, name, "segment")
            return [SegmentDeleted(name=name)]
        case _:
            assert_never(command)


def _known(things: dict[Key, Value], key: Key, what: str) -> Value:
    if key not in things:
        raise NotFound(f"this app has no such {what}")
    return things[key]


def _create(state: App | None, command: CreateApp) -> list[Fact]:
    if state is not None:
        raise Conflict("this app exists already")
    text(command.name, "name", MAX_NAME)
    json_object(command.settings, "settings", MAX_SETTINGS)
    return [AppCreated(name=command.name, hosts=_hosts(command.hosts), settings=command.settings)]


def _hosts(hosts: tuple[str, ...]) -> tuple[str, ...]:
    lowered = tuple(host.lower() for host in hosts)
    for host in lowered:
        if not _HOST.fullmatch(host):
            raise Invalid("a host is a name such as alerts.example.org, without scheme and port", field="hosts")
    return tuple(dict.fromkeys(lowered))


def _update(state: App, command: UpdateApp) -> list[Fact]:
    changes: dict[str, Any] = {}
    if command.name is not UNSET:
        changes["name"] = text(command.name, "name", MAX_NAME)
    if command.hosts is not UNSET:
        changes["hosts"] = _hosts(command.hosts)
    if command.settings is not UNSET:
        json_object(command.settings, "settings", MAX_SETTINGS)
        changes["settings"] = command.settings
    changed = {name: value for name, value in changes.items() if not same_json(value, getattr(state, name))}
    return [AppUpdated(**changed)] if changed else []


def _configure_provider(state: App, command: ConfigureProvider) -> list[Fact]:
    one_of(command.provider, "provider", PROVIDERS)
    text(command.profile, "profile", 64)
    text(command.fingerprint, "fingerprint", MAX_NAME)
    json_object(command.configuration, "configuration", MAX_CONFIGURATION)
    before = state.providers.get((command.provider, command.profile))
    if (
        before is not None
        and before.fingerprint == command.fingerprint
        and same_json(before.configuration, command.configuration)
    ):
        return []
    configured = ProviderConfigured(
        provider=command.provider,
        profile=command.profile,
        configuration=command.configuration,
        secret_id=command.secret_id,
        fingerprint=command.fingerprint,
    )
    return [configured, *([] if command.from_parts else _drop_parts(state, command.provider, command.profile))]


def _keep_part(state: App, command: KeepProviderPart) -> list[Fact]:
    provider = one_of(command.provider, "provider", PROVIDERS)
    profile = text(command.profile, "profile", 64)
    before = state.parts.get((provider, profile), {})
    parts = {**before, text(command.part, "part", 64): command.secret_id}
    return [ProviderPartsChanged(provider=provider, profile=profile, parts=parts)]


def _drop_parts(state: App, provider: str, profile: str) -> list[Fact]:
    known = (provider, profile) in state.parts
    return [ProviderPartsChanged(provider=provider, profile=profile, parts={})] if known else []


def _issue_credential(state: App, command: IssueCredential) -> list[Fact]:
    if command.credential_id in state.credentials:
        raise Conflict("this credential was issued already")
    one_of(command.kind, "kind", KINDS)
    for field in ("dialect", "name"):
        text(getattr(command, field), field, MAX_NAME)
    optional_text(command.scope, "scope", MAX_SCOPE)
    optional_text(command.public_id, "public_id", MAX_NAME)
    for role in command.roles:
        one_of(role, "roles", ROLES)
    issued = CredentialIssued(
        credential_id=command.credential_id,
        kind=command.kind,
        dialect=command.dialect,
        name=command.name,
        roles=tuple(dict.fromkeys(command.roles)),
        scope=command.scope,
        public_id=command.public_id,
        secret_id=command.secret_id,
    )
    return [issued]


def _revoke_credential(state: App, command: RevokeCredential) -> list[Fact]:
    _known(state.credentials, command.credential_id, "credential")
    optional_text(command.reason, "reason", MAX_TEXT)
    if command.credential_id in state.revoked:
        return []
    return [CredentialRevoked(credential_id=command.credential_id, reason=command.reason)]


def _create_tag(state: App, command: CreateTag) -> list[Fact]:
    tag = tag_name(command.tag)
    if tag in state.tags:
        raise Conflict("this app has a tag of that name", tag=tag)
    return [TagCreated(tag=tag, description=_description(command.description))]


def _update_tag(state: App, command: UpdateTag) -> list[Fact]:
    tag = tag_name(command.tag)
    description = _description(command.description)
    return [] if _known(state.tags, tag, "tag") == description else [TagUpdated(tag=tag, description=description)]


def _description(description: str) -> str:
    return text(description, "description", MAX_TEXT) if description else description


def _create_webhook(state: App, command: CreateWebhook) -> list[Fact]:
    if command.webhook_id in state.webhooks:
        raise Conflict("this webhook exists already")
    name = text(command.name, "name", MAX_NAME)
    if any(other.name == name for other in state.webhooks.values()):
        raise Conflict("this app has a webhook of that name")
    created = WebhookCreated(
        webhook_id=command.webhook_id,
        name=name,
        url=hook_url(command.url),
        events=hook_events(command.events),
        secret_id=command.secret_id,
        format=text(command.format, "format", 64),
        types=hook_types(command.types),
    )
    return [created]


def _update_webhook(state: App, command: UpdateWebhook) -> list[Fact]:
    before = _known(state.webhooks, command.webhook_id, "webhook")
    changes: dict[str, Any] = {}
    if command.url is not UNSET:
        changes["url"] = hook_url(command.url)
    if command.events is not UNSET:
        changes["events"] = hook_events(command.events)
    if command.secret_id is not UNSET:
        changes["secret_id"] = command.secret_id
    if command.format is not UNSET:
        changes["format"] = text(command.format, "format", 64)
    if command.types is not UNSET:
        changes["types"] = hook_types(command.types)
    changed = {name: value for name, value in changes.items() if value != getattr(before, name)}
    return [WebhookUpdated(webhook_id=command.webhook_id, **changed)] if changed else []


def _save_template(state: App, command: SaveTemplate) -> list[Fact]:
    name = text(command.name, "name", MAX_NAME)
    check_message(command.message)
    if any(other.name == name for key, other in state.templates.items() if key != command.template_id):
        raise Conflict("this app has a template of that name")
    saved = TemplateSaved(template_id=command.template_id, name=name, message=command.message)
    return [] if state.templates.get(command.template_id) == saved else [saved]


def _save_segment(state: App, command: SaveSegment) -> list[Fact]:
    name = text(command.name, "name", MAX_NAME)
    criteria = check_criteria(command.criteria)
    return [] if state.segments.get(name) == criteria else [SegmentSaved(name=name, criteria=criteria)]
