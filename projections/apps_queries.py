"""What can be asked of the read model of apps."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any
from uuid import UUID

from psycopg import Connection

from tocsin.eventlog.handles import Handles
from tocsin.projections.apps_rows import (
    APPS,
    CREDENTIALS,
    PROVIDERS,
    SCHEMA,
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
from tocsin.projections.cursors import settled
from tocsin.projections.pages import Conditions, Matching, Page, Slice, page
from tocsin.projections.tables import Table


def app(connection: Connection[Any], app_id: UUID) -> App | None:
    """One app."""
    return APPS.first(connection, "where app_id = %s", app_id)


def app_by_host(connection: Connection[Any], host: str) -> App | None:
    """The app that answers under this host name."""
    return APPS.first(connection, "where hosts @> array[%s::text] order by created_position", host)


def app_by_handle(connection: Connection[Any], handles: Handles, handle: str) -> App | None:
    """The app whose id in short form this is; None where that of two apps is the same."""
    ids = handles.ids(handle)
    found = APPS.select(connection, "where app_id between %s and %s limit 2", *ids) if ids else []
    return found[0] if len(found) == 1 else None


def default_app(connection: Connection[Any], dialect: str) -> App | None:
    """The app a dialect's calls go to that name none: ``settings[dialect]["default"]`` is true; the oldest such."""
    return APPS.first(
        connection,
        "where settings -> %s::text -> 'default' = 'true'::jsonb and not disabled order by created_position",
        dialect,
    )


def list_apps(connection: Connection[Any], *, after: int = 0, limit: int = 100) -> Page[App, int]:
    """Every app, from those whose ``created_position`` is above ``after``."""
    condition = "where created_position > %s and created_position <= %s order by created_position limit %s"
    found = APPS.select(connection, condition, after, settled(connection, SCHEMA), limit + 1)
    return page(found, limit, lambda row: row.created_position)


def providers(connection: Connection[Any], app_id: UUID) -> list[Provider]:
    """Every provider's configuration, by provider and profile."""
    return PROVIDERS.select(connection, "where app_id = %s order by provider, profile", app_id)


def provider(connection: Connection[Any], app_id: UUID, kind: str, profile: str = "default") -> Provider | None:
    """One provider's configuration."""
    return PROVIDERS.first(connection, "where app_id = %s and provider = %s and profile = %s", app_id, kind, profile)


def is_provider_used(connection: Connection[Any], kind: str) -> bool:
    """Whether any app is configured for a provider."""
    return PROVIDERS.first(connection, "where provider = %s", kind) is not None


def are_webhooks_used(connection: Connection[Any]) -> bool:
    """Whether any app has a webhook."""
    return WEBHOOKS.first(connection, "") is not None


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


def credentials_of_dialect(connection: Connection[Any], dialect: str, kind: str) -> list[Credential]:
    """Every app's credentials of one API and kind that are not revoked, in the order they were issued."""
    condition = "where dialect = %s and kind = %s and not revoked order by created_position"
    return CREDENTIALS.select(connection, condition, dialect, kind)


def list_webhooks(connection: Connection[Any], app_id: UUID, *, after: int = 0, limit: int = 100) -> Page[Webhook, int]:
    """An app's webhooks, from those whose ``created_position`` is above ``after``."""
    return _of_app(connection, WEBHOOKS, app_id, after, limit)


def webhook(connection: Connection[Any], app_id: UUID, webhook_id: UUID) -> Webhook | None:
    """One webhook."""
    return WEBHOOKS.first(connection, "where webhook_id = %s and app_id = %s", webhook_id, app_id)


def webhook_by_name(connection: Connection[Any], app_id: UUID, name: str) -> Webhook | None:
    """One webhook by its name."""
    return WEBHOOKS.first(connection, "where name = %s and app_id = %s", name, app_id)


def slice_webhooks(
    connection: Connection[Any], app_id: UUID, form: str, *, offset: int = 0, limit: int = 100
) -> Slice[Webhook]:
    """So many of an app's webhooks of one format from the ``offset``-th on, in the order they were created."""
    conditions = Conditions.of("app_id = %s and format = %s", app_id, form)
    conditions.add(settled(connection, SCHEMA), "created_position <= %s")
    rows, total = WEBHOOKS.slice(connection, conditions, "created_position", offset, limit)
    return Slice(tuple(rows), total)


def enabled_webhooks(connection: Connection[Any]) -> dict[UUID, list[Webhook]]:
    """The webhooks of every app that is not disabled, by app."""
    found: dict[UUID, list[Webhook]] = {}
    for row in _webhooks(connection, ""):
        found.setdefault(row.app_id, []).append(row)
    return found


def enabled_webhooks_of(connection: Connection[Any], webhook_ids: Collection[UUID]) -> dict[UUID, Webhook]:
    """Those of these webhooks that exist, of apps that are not disabled."""
    found = _webhooks(connection, "and webhook_id = any(%s)", list(webhook_ids)) if webhook_ids else []
    return {row.webhook_id: row for row in found}


def _webhooks(connection: Connection[Any], condition: str, *parameters: object) -> list[Webhook]:
    enabled = "where exists (select from apps_v1.app a where a.app_id = t.app_id and not a.disabled)"
    return WEBHOOKS.select(connection, f"{enabled} {condition}", *parameters)


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
    conditions.add(settled(connection, SCHEMA), "created_position <= %s")
    rows, total = APPS.slice(connection, conditions, "created_position", offset, limit)
    return Slice(tuple(rows), total)


def _of_app(connection: Connection[Any], table: Table[Any], app_id: UUID, after: int, limit: int) -> Page[Any, int]:
    condition = (
        "where app_id = %s and created_position > %s and created_position <= %s order by created_position limit %s"
    )
    found = table.select(connection, condition, app_id, after, settled(connection, SCHEMA), limit + 1)
    return page(found, limit, lambda row: row.created_position)
