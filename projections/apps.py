"""The read model of apps: their providers, credentials, tags, webhooks and templates."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any
from uuid import UUID

import msgspec
from msgspec import UNSET
from msgspec.structs import replace
from psycopg import Connection

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
from tocsin.domain.identity import ids_of
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
from tocsin.projections.pages import Conditions, Matching, Page, Slice, page
from tocsin.projections.projection import Projection, Target, of_streams
from tocsin.projections.tables import Table

Rule = tuple[Table[Any], Callable[[Entry, Any], Any], Callable[[Any, Entry, Any], Any]]
"""The table a fact is about, the key of the row in it, and the row after the fact (None: no more)."""


class AppsProjection(Projection):
    """Folds the App streams."""

    name = "apps"
    wanted = of_streams("app")

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


def app(connection: Connection[Any], app_id: UUID) -> App | None:
    """One app."""
    return APPS.first(connection, "where app_id = %s", app_id)


def app_by_host(connection: Connection[Any], host: str) -> App | None:
    """The app that answers under this host name."""
    return APPS.first(connection, "where hosts @> array[%s::text] order by created_position", host)


def app_by_handle(connection: Connection[Any], handle: str) -> App | None:
    """The app whose id in short form (``domain.identity.handle``) this is."""
    ids = ids_of(handle)
    return APPS.first(connection, "where app_id between %s and %s", *ids) if ids else None


def default_app(connection: Connection[Any], dialect: str) -> App | None:
    """The app a dialect's calls go to that name none: ``settings[dialect]["default"]`` is true; the oldest such."""
    return APPS.first(
        connection,
        "where settings -> %s::text -> 'default' = 'true'::jsonb and not disabled order by created_position",
        dialect,
    )


def list_apps(connection: Connection[Any], *, after: int = 0, limit: int = 100) -> Page[App, int]:
    """Every app, from those whose ``created_position`` is above ``after``."""
    found = APPS.select(connection, "where created_position > %s order by created_position limit %s", after, limit + 1)
    return page(found, limit, lambda row: row.created_position)


def providers(connection: Connection[Any], app_id: UUID) -> list[Provider]:
    """Every provider's configuration, by provider and profile."""
    return PROVIDERS.select(connection, "where app_id = %s order by provider, profile", app_id)


def provider(connection: Connection[Any], app_id: UUID, kind: str, profile: str = "default") -> Provider | None:
    """One provider's configuration."""
    return PROVIDERS.first(connection, "where app_id = %s and provider = %s and profile = %s", app_id, kind, profile)


def credential(connection: Connection[Any], credential_id: UUID) -> Credential | None:
    """One credential, revoked or not, of whichever app."""
    return CREDENTIALS.first(connection, "where credential_id = %s", credential_id)


def credential_by_public_id(
    connection: Connection[Any], dialect: str, public_id: str, kind: str | None = None
) -> Credential | None:
    """The credential whose openly shown half this is; one that is revoked only where no other has it."""
    return CREDENTIALS.first(
        connection,
        "where public_id = %s and dialect = %s and kind = coalesce(%s::text, kind)"
        " order by revoked, created_position desc",
        public_id,
        dialect,
        kind,
    )


def list_credentials(
    connection: Connection[Any], app_id: UUID, *, after: int = 0, limit: int = 100
) -> Page[Credential, int]:
    """An app's credentials, from those whose ``created_position`` is above ``after``."""
    return _of_app(connection, CREDENTIALS, app_id, after, limit)


def credentials_in_force(
    connection: Connection[Any], app_id: UUID, dialect: str, kind: str | None = None
) -> list[Credential]:
    """An app's credentials of one API that are not revoked, for one whose callers show no public half."""
    return CREDENTIALS.select(
        connection,
        "where app_id = %s and dialect = %s and kind = coalesce(%s::text, kind) and not revoked"
        " order by created_position",
        *(app_id, dialect, kind),
    )


def list_webhooks(connection: Connection[Any], app_id: UUID, *, after: int = 0, limit: int = 100) -> Page[Webhook, int]:
    """An app's webhooks, from those whose ``created_position`` is above ``after``."""
    return _of_app(connection, WEBHOOKS, app_id, after, limit)


def webhook(connection: Connection[Any], app_id: UUID, webhook_id: UUID) -> Webhook | None:
    """One webhook."""
    return WEBHOOKS.first(connection, "where webhook_id = %s and app_id = %s", webhook_id, app_id)


def webhook_by_name(connection: Connection[Any], app_id: UUID, name: str) -> Webhook | None:
    """One webhook by its name."""
    return WEBHOOKS.first(connection, "where name = %s and app_id = %s", name, app_id)


def list_segments(connection: Connection[Any], app_id: UUID) -> list[Segment]:
    """An app's segments by name."""
    return SEGMENTS.select(connection, "where app_id = %s order by name", app_id)


def list_templates(
    connection: Connection[Any], app_id: UUID, *, after: int = 0, limit: int = 100
) -> Page[Template, int]:
    """An app's templates, from those whose ``created_position`` is above ``after``."""
    return _of_app(connection, TEMPLATES, app_id, after, limit)


def template(connection: Connection[Any], app_id: UUID, template_id: UUID) -> Template | None:
    """One template."""
    return TEMPLATES.first(connection, "where template_id = %s and app_id = %s", template_id, app_id)


def tag(connection: Connection[Any], app_id: UUID, name: str) -> Tag | None:
    """One tag that was created by name."""
    return TAGS.first(connection, "where app_id = %s and tag = %s", app_id, name)


def list_tags(connection: Connection[Any], app_id: UUID, *, after: str = "", limit: int = 100) -> Page[Tag, str]:
    """The tags that were created by name, in the order of their bytes, from those after ``after``."""
    found = TAGS.select(
        connection,
        'where app_id = %s and tag collate "C" > %s order by tag collate "C" limit %s',
        *(app_id, after, limit + 1),
    )
    return page(found, limit, lambda row: row.tag)


def slice_tags(
    connection: Connection[Any], app_id: UUID, matching: Matching = (), *, offset: int = 0, limit: int = 100
) -> Slice[Tag]:
    """So many of an app's tags by name from the ``offset``-th on. ``matching``: on ``name`` and ``description``."""
    conditions = Conditions.of("app_id = %s", app_id)
    conditions.match(matching, {"name": "tag", "description": "description"})
    rows, total = TAGS.slice(connection, conditions, 'tag collate "C"', offset, limit)
    return Slice(tuple(rows), total)


def slice_apps(connection: Connection[Any], ids: Collection[UUID], *, offset: int = 0, limit: int = 100) -> Slice[App]:
    """So many of these apps from the ``offset``-th on, in the order they were created."""
    conditions = Conditions.of("app_id = any(%s)", list(ids))
    rows, total = APPS.slice(connection, conditions, "created_position", offset, limit)
    return Slice(tuple(rows), total)


def _of_app(connection: Connection[Any], table: Table[Any], app_id: UUID, after: int, limit: int) -> Page[Any, int]:
    condition = "where app_id = %s and created_position > %s order by created_position limit %s"
    return page(table.select(connection, condition, app_id, after, limit + 1), limit, lambda row: row.created_position)
