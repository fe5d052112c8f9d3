"""The read model of apps: their providers, credentials, tags, webhooks and templates."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from msgspec import UNSET
from msgspec.structs import replace

from tocsin.domain.catalog import name_of
from tocsin.domain.entry import Entry, Fact
from tocsin.domain.events.app import (
    AppCreated,
    AppDisabled,
    AppEnabled,
    AppUpdated,
    CredentialIssued,
    CredentialRevoked,
    ProviderConfigured,
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
from tocsin.projections.apps_queries import (
    app,
    app_by_handle,
    app_by_host,
    are_webhooks_used,
    credential,
    credential_by_public_id,
    credentials_in_force,
    credentials_of_dialect,
    default_app,
    enabled_webhooks,
    enabled_webhooks_of,
    is_provider_used,
    list_apps,
    list_credentials,
    list_segments,
    list_tags,
    list_templates,
    list_webhooks,
    provider,
    providers,
    slice_apps,
    slice_tags,
    slice_webhooks,
    tag,
    template,
    webhook,
    webhook_by_name,
)
from tocsin.projections.apps_rows import (
    APPS,
    CREDENTIALS,
    PROVIDERS,
    SEGMENTS,
    TAGS,
    TEMPLATES,
    WEBHOOKS,
    App,
    Credential,
    Provider,
    Segment,
    Tag,
    Template,
    Webhook,
)
from tocsin.projections.projection import Projection, Target, of_streams
from tocsin.projections.tables import Table

__all__ = [
    "App",
    "AppsProjection",
    "Credential",
    "Provider",
    "Segment",
    "Tag",
    "Template",
    "Webhook",
    "app",
    "app_by_handle",
    "app_by_host",
    "are_webhooks_used",
    "credential",
    "credential_by_public_id",
    "credentials_in_force",
    "credentials_of_dialect",
    "default_app",
    "enabled_webhooks",
    "enabled_webhooks_of",
    "is_provider_used",
    "list_apps",
    "list_credentials",
    "list_segments",
    "list_tags",
    "list_templates",
    "list_webhooks",
    "provider",
    "providers",
    "slice_apps",
    "slice_tags",
    "slice_webhooks",
    "tag",
    "template",
    "webhook",
    "webhook_by_name",
]

Rule = tuple[Table[Any], Callable[[Entry, Any], Any], Callable[[Any, Entry, Any], Any]]
"""The table a fact is about, the key of the row in it, and the row after the fact (None: no more)."""


class AppsProjection(Projection):
    """Folds the App streams."""

    name = "apps"
    wanted = of_streams("app") - {"app.provider_parts_changed"}

    def fold(self, target: Target, entries: Sequence[Entry]) -> None:
        for table in (APPS, PROVIDERS, CREDENTIALS, TAGS, WEBHOOKS, TEMPLATES, SEGMENTS):
            _fold(target, table, [entry for entry in entries if _RULES[type(entry.fact)][0] is table])


def _fold(target: Target, table: Table[Any], entries: Sequence[Entry]) -> None:
    keyed = [(_RULES[type(entry.fact)][1](entry, entry.fact), entry) for entry in entries]
    before = table.load(target, {key for key, _ in keyed})
    rows: dict[Any, Any] = dict(before)
    for key, entry in keyed:
        if rows.get(key) is None and type(entry.fact) not in _BEGINNINGS:
            raise LookupError(f"{name_of(entry.fact)} is about {key}, which is not there")
        rows[key] = _RULES[type(entry.fact)][2](rows.get(key), entry, entry.fact)
    table.save(target, before, rows)


def _app_created(_: None, entry: Entry, fact: AppCreated) -> App:
    assert entry.recorded_at is not None
    return App(
        app_id=entry.originator_id,
        name=fact.name,
        hosts=list(fact.hosts),
        settings=fact.settings,
        disabled=False,
        created_at=entry.recorded_at,
        created_position=entry.position,
        position=entry.position,
    )


def _changed(row: Any, entry: Entry, fact: Fact) -> Any:
    """The row with every field of the fact that is set and that the row has too."""
    given = {name: getattr(fact, name) for name in fact.__struct_fields__ if name in row.__struct_fields__}
    changes = {name: list(value) if isinstance(value, tuple) else value
               for name, value in given.items() if value is not UNSET}  # fmt: skip
    return replace(row, **changes, position=entry.position)


def _provider_configured(_: Provider | None, entry: Entry, fact: ProviderConfigured) -> Provider:
    assert entry.recorded_at is not None
    return Provider(
        app_id=entry.originator_id,
        provider=fact.provider,
        profile=fact.profile,
        configuration=fact.configuration,
        secret_id=fact.secret_id,
        fingerprint=fact.fingerprint,
        configured_at=entry.recorded_at,
        position=entry.position,
    )


def _credential_issued(_: None, entry: Entry, fact: CredentialIssued) -> Credential:
    assert entry.recorded_at is not None
    return Credential(
        credential_id=fact.credential_id,
        app_id=entry.originator_id,
        kind=fact.kind,
        dialect=fact.dialect,
        name=fact.name,
        roles=list(fact.roles),
        scope=fact.scope,
        public_id=fact.public_id,
        secret_id=fact.secret_id,
        revoked=False,
        issued_at=entry.recorded_at,
        revoked_at=None,
        created_position=entry.position,
        position=entry.position,
    )


def _credential_revoked(row: Credential, entry: Entry, _: CredentialRevoked) -> Credential:
    return replace(row, revoked=True, revoked_at=entry.recorded_at, position=entry.position)


def _tag_created(_: Tag | None, entry: Entry, fact: TagCreated) -> Tag:
    assert entry.recorded_at is not None
    at = entry.recorded_at
    return Tag(entry.originator_id, fact.tag, fact.description, at, at, entry.position)


def _tag_updated(row: Tag, entry: Entry, fact: TagUpdated) -> Tag:
    assert entry.recorded_at is not None
    return replace(row, description=fact.description, updated_at=entry.recorded_at, position=entry.position)


def _webhook_created(_: None, entry: Entry, fact: WebhookCreated) -> Webhook:
    assert entry.recorded_at is not None
    return Webhook(
        webhook_id=fact.webhook_id,
        app_id=entry.originator_id,
        name=fact.name,
        url=fact.url,
        events=list(fact.events),
        secret_id=fact.secret_id,
        format=fact.format,
        types=list(fact.types),
        created_at=entry.recorded_at,
        created_position=entry.position,
        position=entry.position,
    )


def _template_saved(row: Template | None, entry: Entry, fact: TemplateSaved) -> Template:
    assert entry.recorded_at is not None
    return Template(
        template_id=fact.template_id,
        app_id=entry.originator_id,
        name=fact.name,
        message=msgspec.to_builtins(fact.message),
        created_at=row.created_at if row else entry.recorded_at,
        created_position=row.created_position if row else entry.position,
        position=entry.position,
    )


def _segment_saved(row: Segment | None, entry: Entry, fact: SegmentSaved) -> Segment:
    assert entry.recorded_at is not None
    return Segment(
        app_id=entry.originator_id,
        name=fact.name,
        criteria=msgspec.to_builtins(fact.criteria),
        created_at=row.created_at if row else entry.recorded_at,
        updated_at=entry.recorded_at,
        position=entry.position,
    )


def _gone(_: Any, _entry: Entry, _fact: Fact) -> None:
    return None


def _by(*fields: str) -> Callable[[Entry, Any], Any]:
    """The key of a row that its app's id and fields of the fact make; one field alone needs no app."""
    if len(fields) == 1:
        return lambda _, fact: getattr(fact, fields[0])
    return lambda entry, fact: (entry.originator_id, *(getattr(fact, name) for name in fields[1:]))


_APP: Callable[[Entry, Any], Any] = lambda entry, _: entry.originator_id  # noqa: E731
_PROVIDER = _by("app_id", "provider", "profile")
_CREDENTIAL = _by("credential_id")
_TAG = _by("app_id", "tag")
_WEBHOOK = _by("webhook_id")
_TEMPLATE = _by("template_id")
_SEGMENT = _by("app_id", "name")

_RULES: dict[type[Fact], Rule] = {
    AppCreated: (APPS, _APP, _app_created),
    AppUpdated: (APPS, _APP, _changed),
    AppDisabled: (APPS, _APP, lambda row, entry, _: replace(row, disabled=True, position=entry.position)),
    AppEnabled: (APPS, _APP, lambda row, entry, _: replace(row, disabled=False, position=entry.position)),
    ProviderConfigured: (PROVIDERS, _PROVIDER, _provider_configured),
    ProviderRemoved: (PROVIDERS, _PROVIDER, _gone),
    CredentialIssued: (CREDENTIALS, _CREDENTIAL, _credential_issued),
    CredentialRevoked: (CREDENTIALS, _CREDENTIAL, _credential_revoked),
    TagCreated: (TAGS, _TAG, _tag_created),
    TagUpdated: (TAGS, _TAG, _tag_updated),
    TagDeleted: (TAGS, _TAG, _gone),
    WebhookCreated: (WEBHOOKS, _WEBHOOK, _webhook_created),
    WebhookUpdated: (WEBHOOKS, _WEBHOOK, _changed),
    WebhookDeleted: (WEBHOOKS, _WEBHOOK, _gone),
    TemplateSaved: (TEMPLATES, _TEMPLATE, _template_saved),
    TemplateDeleted: (TEMPLATES, _TEMPLATE, _gone),
    SegmentSaved: (SEGMENTS, _SEGMENT, _segment_saved),
    SegmentDeleted: (SEGMENTS, _SEGMENT, _gone),
}

_BEGINNINGS = {
    AppCreated,
    ProviderConfigured,
    CredentialIssued,
    TagCreated,
    WebhookCreated,
    TemplateSaved,
    SegmentSaved,
}
