"""Every branch of what may be done with an app, one sentence each."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from tocsin.domain.app import (
    App,
    AppCommand,
    ConfigureProvider,
    CreateApp,
    CreateTag,
    CreateWebhook,
    DeleteTag,
    DeleteTemplate,
    DeleteWebhook,
    DisableApp,
    EnableApp,
    IssueCredential,
    RemoveProvider,
    RevokeCredential,
    SaveTemplate,
    UpdateApp,
    UpdateTag,
    UpdateWebhook,
    decide,
    evolve,
    fold,
)
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
from tocsin.domain.events.device import OptedIn
from tocsin.domain.message import Message
from tocsin.domain.rules import OutOfPlace

ONE, TWO, SECRET = UUID(int=1), UUID(int=2), UUID(int=3)
CREATE = CreateApp(name="campus", hosts=("Alerts.example.org",), settings={"moxie": {"default": True}})


def provider(**changes: Any) -> ConfigureProvider:
    values = {"provider": "apns", "configuration": {"topic": "org.example"}, "secret_id": SECRET, "fingerprint": "ab"}
    return ConfigureProvider(**{**values, **changes})


def credential(**changes: Any) -> IssueCredential:
    values = {"credential_id": ONE, "kind": "bearer", "dialect": "native", "name": "ops", "secret_id": SECRET}
    return IssueCredential(**{**values, **changes})


def webhook(**changes: Any) -> CreateWebhook:
    values = {"webhook_id": ONE, "name": "pager", "url": "https://example.org/hook", "events": ("send.completed",)}
    return CreateWebhook(**{**values, **changes})


def template(**changes: Any) -> SaveTemplate:
    return SaveTemplate(**{"template_id": ONE, "name": "fire", "message": Message(body="Fire"), **changes})


def after(*commands: AppCommand) -> App:
    state: App | None = None
    for command in commands:
        state = fold(decide(state, command), state)
    assert state is not None
    return state


def only(facts: list[Fact]) -> Fact:
    (fact,) = facts
    return fact


def test_an_app_is_created_with_its_hosts_in_lower_case() -> None:
    assert only(decide(None, CREATE)) == AppCreated(
        name="campus", hosts=("alerts.example.org",), settings={"moxie": {"default": True}}
    )


def test_an_app_is_created_once() -> None:
    with pytest.raises(Conflict):
        decide(after(CREATE), CREATE)


def test_an_app_nobody_created_is_not_found() -> None:
    with pytest.raises(NotFound):
        decide(None, EnableApp())


def test_an_update_names_only_what_changed() -> None:
    state = after(CREATE)
    assert only(decide(state, UpdateApp(name="campus", hosts=("alerts.example.org", "b.example")))) == AppUpdated(
        hosts=("alerts.example.org", "b.example")
    )
    assert decide(state, UpdateApp(name="campus", settings={"moxie": {"default": True}})) == []
    assert only(decide(state, UpdateApp(settings={"moxie": {"default": 1}}))) == AppUpdated(
        settings={"moxie": {"default": 1}}
    )
    renamed = evolve(state, AppUpdated(name="city"))
    assert (renamed.name, renamed.hosts, renamed.settings) == ("city", state.hosts, state.settings)


def test_a_disabled_app_takes_nothing_but_being_enabled() -> None:
    state = after(CREATE, DisableApp(reason="unpaid"))
    assert state.disabled
    for command in (UpdateApp(name="x"), provider(), credential(), CreateTag(tag="a"), webhook(), template()):
        with pytest.raises(Conflict):
            decide(state, command)
    assert only(decide(state, EnableApp())) == AppEnabled()
    assert not after(CREATE, DisableApp(), EnableApp()).disabled


def test_a_disabled_app_still_lets_things_go() -> None:
    state = after(CREATE, credential(), provider(), webhook(), template(), CreateTag(tag="a"), DisableApp())
    for command in (
        RevokeCredential(credential_id=ONE),
        RemoveProvider(provider="apns"),
        DeleteWebhook(webhook_id=ONE),
        DeleteTemplate(template_id=ONE),
        DeleteTag(tag="a"),
    ):
        assert len(decide(state, command)) == 1


def test_disabling_and_enabling_twice_are_no_events() -> None:
    assert only(decide(after(CREATE), DisableApp(reason="unpaid"))) == AppDisabled(reason="unpaid")
    assert decide(after(CREATE, DisableApp()), DisableApp()) == []
    assert decide(after(CREATE), EnableApp()) == []


def test_a_provider_is_configured_by_profile() -> None:
    configured = only(decide(after(CREATE), provider(profile="beta")))
    assert configured == ProviderConfigured(
        provider="apns", profile="beta", configuration={"topic": "org.example"}, secret_id=SECRET, fingerprint="ab"
    )
    assert set(after(CREATE, provider(), provider(profile="beta")).providers) == {("apns", "default"), ("apns", "beta")}


def test_the_same_configuration_and_secret_again_is_no_event_and_anything_else_is() -> None:
    state = after(CREATE, provider())
    assert decide(state, provider(secret_id=TWO)) == []
    assert decide(state, provider(fingerprint="cd")) != []
    assert decide(state, provider(configuration={"topic": "org.other"})) != []


def test_a_provider_is_removed_once() -> None:
    state = after(CREATE, provider())
    assert only(decide(state, RemoveProvider(provider="apns"))) == ProviderRemoved(provider="apns")
    with pytest.raises(NotFound):
        decide(after(CREATE, provider(), RemoveProvider(provider="apns")), RemoveProvider(provider="apns"))


def test_a_credential_is_issued_with_its_roles() -> None:
    issued = only(decide(after(CREATE), credential(roles=("sender", "auditor", "sender"), public_id="k1")))
    assert issued == CredentialIssued(
        credential_id=ONE,
        kind="bearer",
        dialect="native",
        name="ops",
        roles=("sender", "auditor"),
        public_id="k1",
        secret_id=SECRET,
    )
    with pytest.raises(Conflict):
        decide(after(CREATE, credential()), credential())


def test_a_credential_is_revoked_once() -> None:
    revoke = RevokeCredential(credential_id=ONE, reason="left")
    assert only(decide(after(CREATE, credential()), revoke)) == CredentialRevoked(credential_id=ONE, reason="left")
    assert after(CREATE, credential(), revoke).revoked == {ONE}
    assert decide(after(CREATE, credential(), revoke), revoke) == []
    with pytest.raises(NotFound):
        decide(after(CREATE), revoke)


def test_a_tag_is_created_described_and_deleted() -> None:
    state = after(CREATE, CreateTag(tag="staff", description="who works here"))
    assert state.tags == {"staff": "who works here"}
    assert only(decide(state, UpdateTag(tag="staff", description="all"))) == TagUpdated(tag="staff", description="all")
    assert decide(state, UpdateTag(tag="staff", description="who works here")) == []
    assert only(decide(state, DeleteTag(tag="staff"))) == TagDeleted(tag="staff")
    assert only(decide(after(CREATE, CreateTag(tag="a"), DeleteTag(tag="a")), CreateTag(tag="a"))) == TagCreated(
        tag="a"
    )


def test_a_tag_that_exists_is_not_created_and_one_that_does_not_is_not_found() -> None:
    with pytest.raises(Conflict):
        decide(after(CREATE, CreateTag(tag="caf\u00e9")), CreateTag(tag="cafe\u0301"))
    for command in (UpdateTag(tag="a", description=""), DeleteTag(tag="a")):
        with pytest.raises(NotFound):
            decide(after(CREATE), command)


def test_a_webhook_is_created_changed_and_deleted() -> None:
    state = after(CREATE, webhook())
    assert state.webhooks[ONE] == WebhookCreated(
        webhook_id=ONE, name="pager", url="https://example.org/hook", events=("send.completed",)
    )
    update = UpdateWebhook(webhook_id=ONE, url="https://example.org/hook", events=("send.expired",), secret_id=SECRET)
    changed = only(decide(state, update))
    assert changed == WebhookUpdated(webhook_id=ONE, events=("send.expired",), secret_id=SECRET)
    assert evolve(state, changed).webhooks[ONE].events == ("send.expired",)
    assert decide(state, UpdateWebhook(webhook_id=ONE, events=("send.completed",))) == []
    retyped = only(decide(state, UpdateWebhook(webhook_id=ONE, types=("onSubscribe", "onSubscribe"))))
    assert evolve(state, retyped).webhooks[ONE].types == ("onSubscribe",)
    assert only(decide(state, DeleteWebhook(webhook_id=ONE))) == WebhookDeleted(webhook_id=ONE)
    assert after(CREATE, webhook(), DeleteWebhook(webhook_id=ONE)).webhooks == {}


def test_a_webhook_names_events_by_their_beginning_too_and_each_once() -> None:
    asked = ("*", "device.sub*", "delivery.failed", "delivery.*", "*")
    assert after(CREATE, webhook(events=asked)).webhooks[ONE].events == asked[:4]


def test_webhooks_have_names_and_ids_of_their_own() -> None:
    for command in (webhook(), webhook(webhook_id=TWO)):
        with pytest.raises(Conflict):
            decide(after(CREATE, webhook()), command)
    for command in (UpdateWebhook(webhook_id=ONE), DeleteWebhook(webhook_id=ONE)):
        with pytest.raises(NotFound):
            decide(after(CREATE), command)


def test_a_template_is_saved_again_only_where_it_differs() -> None:
    state = after(CREATE, template())
    assert decide(state, template()) == []
    changed = template(message=Message(body="Fire!"))
    assert only(decide(state, changed)) == TemplateSaved(template_id=ONE, name="fire", message=Message(body="Fire!"))
    with pytest.raises(Conflict):
        decide(state, template(template_id=TWO))


def test_a_template_is_deleted_once() -> None:
    delete = DeleteTemplate(template_id=ONE)
    assert only(decide(after(CREATE, template()), delete)) == TemplateDeleted(template_id=ONE)
    with pytest.raises(NotFound):
        decide(after(CREATE, template(), delete), delete)


@pytest.mark.parametrize(
    ("command", "field"),
    [
        (UpdateApp(name=" "), "name"),
        (UpdateApp(hosts=("https://example.org",)), "hosts"),
        (UpdateApp(hosts=("example.org:8080",)), "hosts"),
        (UpdateApp(settings={"a": "x" * 17_000}), "settings"),
        (DisableApp(reason="x" * 1001), "reason"),
        (provider(provider="pigeon"), "provider"),
        (provider(profile=""), "profile"),
        (provider(fingerprint=""), "fingerprint"),
        (provider(configuration=["x"]), "configuration"),
        (credential(roles=("king",)), "roles"),
        (credential(kind=""), "kind"),
        (credential(name="x" * 256), "name"),
        (credential(scope=" "), "scope"),
        (CreateTag(tag="a!"), "tag"),
        (CreateTag(tag="a", description="x" * 1001), "description"),
        (webhook(url="ftp://example.org"), "url"),
        (webhook(events=()), "events"),
        (webhook(events=(" ",)), "events"),
        (webhook(events=("device.registerd",)), "events"),
        (webhook(events=("chunk.outcomes_recorded",)), "events"),
        (webhook(events=("send.completed", "pigeon.*")), "events"),
        (webhook(events=("send.completed",) * 101), "events"),
        (webhook(types=("",)), "types"),
        (webhook(types=("onSubscribe",) * 101), "types"),
        (template(message=Message()), "message"),
        (template(name=""), "name"),
    ],
)
def test_a_command_that_breaks_a_rule_is_refused_with_its_field(command: AppCommand, field: str) -> None:
    with pytest.raises(Invalid) as refusal:
        decide(after(CREATE), command)
    assert refusal.value.facts["field"] == field


def test_a_stream_that_does_not_begin_with_its_creation_cannot_be_folded() -> None:
    with pytest.raises(OutOfPlace):
        fold([AppEnabled()])
    with pytest.raises(OutOfPlace):
        evolve(after(CREATE), OptedIn())
