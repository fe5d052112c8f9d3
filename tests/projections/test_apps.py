"""What the read model of apps answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

from history import History
from psycopg import Connection

from tocsin.domain.events.app import (
    AppCreated,
    AppDisabled,
    AppEnabled,
    AppUpdated,
    CredentialIssued,
    CredentialRevoked,
    ProviderConfigured,
    ProviderRemoved,
    TagCreated,
    TagDeleted,
    TagUpdated,
    TemplateDeleted,
    TemplateSaved,
    WebhookCreated,
    WebhookDeleted,
    WebhookUpdated,
)
from tocsin.domain.message import Message
from tocsin.projections import apps

Project = Callable[..., None]


def issued(credential: UUID, public_id: str | None = None, dialect: str = "native") -> CredentialIssued:
    return CredentialIssued(
        credential_id=credential,
        kind="bearer",
        dialect=dialect,
        name="console",
        roles=("admin", "sender"),
        public_id=public_id,
        secret_id=uuid4(),
    )


def test_an_app_is_found_by_id_and_by_host(history: History, project: Project, connection: Connection[Any]) -> None:
    app = history.app_id
    history.append(app, AppCreated(name="University", hosts=("push.example", "alerts.example")))
    project("apps")
    found = apps.app(connection, app)
    assert found is not None
    assert (found.name, found.hosts, found.disabled) == ("University", ["push.example", "alerts.example"], False)
    assert apps.app_by_host(connection, "alerts.example") == found
    assert apps.app_by_host(connection, "alerts.exampl") is None
    history.append(app, AppUpdated(hosts=("new.example",)), AppDisabled())
    project("apps")
    assert apps.app_by_host(connection, "alerts.example") is None
    changed = apps.app_by_host(connection, "new.example")
    assert changed is not None
    assert (changed.name, changed.disabled, changed.position) == ("University", True, history.position)


def test_the_default_app_of_a_dialect_is_the_oldest_that_says_so_and_is_not_disabled(
    history: History, project: Project, connection: Connection[Any]
) -> None:
    first, second, other = uuid4(), uuid4(), uuid4()
    chosen = {"moxie": {"default": True}}
    history.append(other, AppCreated(name="other", settings={"moxie": {"default": False}}))
    history.append(first, AppCreated(name="first", settings=chosen))
    history.append(second, AppCreated(name="second", settings=chosen))
    project("apps")
    assert getattr(apps.default_app(connection, "moxie"), "app_id", None) == first
    assert apps.default_app(connection, "twinpush") is None
    history.append(first, AppDisabled())
    project("apps")
    assert getattr(apps.default_app(connection, "moxie"), "app_id", None) == second
    history.append(first, AppEnabled())
    project("apps")
    assert getattr(apps.default_app(connection, "moxie"), "app_id", None) == first


def test_a_credential_is_found_by_id_and_by_its_open_half(
    history: History, project: Project, connection: Connection[Any]
) -> None:
    old, new, elsewhere = uuid4(), uuid4(), uuid4()
    history.append(history.app_id, AppCreated(name="app"), issued(old, "key"), issued(elsewhere, "key", "moxie"))
    project("apps")
    found = apps.credential(connection, old)
    assert found is not None
    assert (found.roles, found.revoked, found.app_id) == (["admin", "sender"], False, history.app_id)
    assert apps.credential_by_public_id(connection, "native", "key") == found
    history.append(history.app_id, CredentialRevoked(credential_id=old), issued(new, "key"))
    project("apps")
    revoked = apps.credential(connection, old)
    assert revoked is not None
    assert revoked.revoked
    assert revoked.revoked_at is not None
    assert getattr(apps.credential_by_public_id(connection, "native", "key"), "credential_id", None) == new
    assert apps.credential_by_public_id(connection, "native", "key", "hmac") is None
    listed = apps.list_credentials(connection, history.app_id, limit=2)
    assert [one.credential_id for one in listed.items] == [old, elsewhere]
    rest = apps.list_credentials(connection, history.app_id, after=listed.next or 0)
    assert [one.credential_id for one in rest.items] == [new]


def test_a_providers_configuration_is_kept_by_profile(
    history: History, project: Project, connection: Connection[Any]
) -> None:
    app = history.app_id

    def configured(topic: str, profile: str = "default") -> ProviderConfigured:
        return ProviderConfigured(
            provider="apns", profile=profile, configuration={"topic": topic}, secret_id=uuid4(), fingerprint="f"
        )

    history.append(app, AppCreated(name="app"), configured("one"), configured("two"), configured("three", "tests"))
    project("apps")
    found = apps.provider(connection, app, "apns")
    assert found is not None
    assert found.configuration == {"topic": "two"}
    assert [one.profile for one in apps.providers(connection, app)] == ["default", "tests"]
    history.append(app, ProviderRemoved(provider="apns"))
    project("apps")
    assert apps.provider(connection, app, "apns") is None
    assert [one.profile for one in apps.providers(connection, app)] == ["tests"]


def test_tags_webhooks_and_templates_come_change_and_go(
    history: History, project: Project, connection: Connection[Any]
) -> None:
    app, webhook, template = history.app_id, uuid4(), uuid4()
    history.append(app, AppCreated(name="app"), *(TagCreated(tag=f"tag-{number}") for number in range(5)))
    created = WebhookCreated(webhook_id=webhook, name="w", url="https://a.example", events=("send.completed",))
    history.append(app, created, TemplateSaved(template_id=template, name="t", message=Message(body="one")))
    project("apps")
    first = apps.list_tags(connection, app, limit=3)
    assert [one.tag for one in first.items] == ["tag-0", "tag-1", "tag-2"]
    assert [one.tag for one in apps.list_tags(connection, app, after=first.next or "").items] == ["tag-3", "tag-4"]
    history.append(app, TagUpdated(tag="tag-1", description="Floor one"), TagDeleted(tag="tag-2"))
    history.append(app, WebhookUpdated(webhook_id=webhook, url="https://b.example"))
    history.append(app, TemplateSaved(template_id=template, name="t", message=Message(body="two")))
    project("apps")
    assert getattr(apps.tag(connection, app, "tag-1"), "description", None) == "Floor one"
    assert apps.tag(connection, app, "tag-2") is None
    (hook,) = apps.list_webhooks(connection, app).items
    assert hook == apps.webhook(connection, app, webhook)
    assert (hook.url, hook.events) == ("https://b.example", ["send.completed"])
    (kept,) = apps.list_templates(connection, app).items
    assert kept == apps.template(connection, app, template)
    assert kept.message == {"body": "two"}
    history.append(app, WebhookDeleted(webhook_id=webhook), TemplateDeleted(template_id=template))
    project("apps")
    assert apps.list_webhooks(connection, app).items == ()
    assert apps.list_templates(connection, app).items == ()


def test_apps_are_listed_in_the_order_they_were_created(
    history: History, project: Project, connection: Connection[Any]
) -> None:
    ids = [uuid4() for _ in range(5)]
    for app in ids:
        history.append(app, AppCreated(name="app"))
    project("apps")
    first = apps.list_apps(connection, limit=3)
    second = apps.list_apps(connection, after=first.next or 0, limit=3)
    assert [one.app_id for one in (*first.items, *second.items)] == ids
