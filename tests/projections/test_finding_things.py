"""Sends, tags, segments, webhooks, users and sessions, found by what the APIs know them by."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from history import History, like_each_other
from lives import requested
from psycopg import Connection

from tocsin.domain.audience import Audience, Criteria, Segment
from tocsin.domain.entry import Actor
from tocsin.domain.errors import Invalid
from tocsin.domain.events.app import (
    AppCreated,
    CredentialIssued,
    CredentialRevoked,
    SegmentDeleted,
    SegmentSaved,
    TagCreated,
    TagUpdated,
    WebhookCreated,
    WebhookUpdated,
)
from tocsin.domain.events.send import SendWithdrawn
from tocsin.domain.events.token import TokenIssued, TokenRevoked
from tocsin.domain.events.user import SessionClosed, SessionExtended, SessionOpened, UserCreated
from tocsin.domain.personal import Personal
from tocsin.projections import apps, sends, users
from tocsin.projections.pages import Term
from tocsin.projections.sends import SendFilter

Project = Callable[..., None]
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_a_send_is_found_by_its_number_and_its_short_id(
    history: History, project: Project, connection: Connection[Any]
) -> None:
    send_id = uuid4()
    moxie = Actor(principal="credential:1", dialect="moxie")
    members = {"name": "n", "campaign": "c", "labels": ("a", "b"), "inbox": True, "protected": True, "pace": 100}
    audience = Audience(segments=(Segment(name="staff"),), properties={"city": ("Oxford",)})
    number = history.append(send_id, requested(audience=audience, **members), actor=moxie)
    project("sends")
    by_number = sends.send_by_number(connection, history.app_id, number)
    handles = history.record.handles
    assert by_number == sends.send_by_handle(connection, history.app_id, handles, handles.of(send_id))
    assert by_number is not None
    row = by_number.row
    assert (row.send_id, row.name, row.campaign, row.labels) == (send_id, "n", "c", ["a", "b"])
    assert (row.inbox, row.protected, row.pace, row.requested_through, row.personal) == (
        True,
        True,
        100,
        "moxie",
        False,
    )
    assert row.audience["segments"] == ["staff"]
    assert row.audience["properties"] == {"city": ["Oxford"]}
    assert sends.send_by_number(connection, uuid4(), number) is None
    assert sends.send_by_handle(connection, uuid4(), handles, handles.of(send_id)) is None
    assert sends.send_by_handle(connection, history.app_id, handles, "no handle") is None


def test_what_two_things_share_as_their_short_id_finds_neither(
    history: History, project: Project, connection: Connection[Any]
) -> None:
    handles, app_id, other = history.record.handles, history.app_id, uuid4()
    ours, alike = like_each_other(2)
    theirs, lost = like_each_other(2)
    one, two = like_each_other(2)
    for send_id, app in ((ours, app_id), (alike, app_id), (theirs, app_id), (lost, other)):
        history.append(send_id, requested(), app=app)
    for app in (one, two):
        history.append(app, AppCreated(name="x"), app=app)
    project("sends", "apps")
    assert sends.send(connection, app_id, ours) is not None
    assert sends.send_by_handle(connection, app_id, handles, handles.of(ours)) is None
    assert apps.app(connection, one) is not None
    assert apps.app_by_handle(connection, handles, handles.of(one)) is None
    for app, send_id in ((app_id, theirs), (other, lost)):
        found = sends.send_by_handle(connection, app, handles, handles.of(theirs))
        assert found is not None
        assert found.row.send_id == send_id


def test_sends_are_listed_by_their_labels_and_counted(
    history: History, project: Project, connection: Connection[Any]
) -> None:
    ids = [uuid4() for _ in range(4)]
    for send_id, labels in zip(ids, [(), ("a",), ("a", "b"), ("b",)], strict=True):
        history.append(send_id, requested(labels=labels))
    history.append(ids[3], SendWithdrawn())
    project("sends", "agenda")

    def found(offset: int = 0, limit: int = 10, **wanted: Any) -> tuple[list[UUID], int]:
        cut = sends.slice_sends(connection, history.app_id, SendFilter(**wanted), offset=offset, limit=limit)
        return [one.row.send_id for one in cut.items], cut.total

    assert found() == (ids[::-1], 4)
    assert found(withdrawn=False) == ([ids[2], ids[1], ids[0]], 3)
    assert found(labels=("a",)) == ([ids[2], ids[1]], 2)
    assert found(labels=("a", "b")) == ([ids[2]], 1)
    assert found(labels=("a",), no_labels=("b",)) == ([ids[1]], 1)
    assert found(offset=1, limit=2) == ([ids[2], ids[1]], 4)
    assert found(offset=9) == ([], 4)
    assert found(through="system") == (ids[::-1], 4)
    assert found(through="other") == ([], 0)
    assert found(since=datetime(2026, 1, 1, tzinfo=UTC)) == (ids[::-1], 4)
    assert found(since=datetime(2999, 1, 1, tzinfo=UTC)) == ([], 0)
    listed = sends.list_sends(connection, history.app_id, wanted=SendFilter(labels=("b",)), limit=1)
    assert [one.row.send_id for one in listed.items] == [ids[3]]


def test_what_an_app_keeps_is_found(history: History, project: Project, connection: Connection[Any]) -> None:
    app_id, webhook_id = history.app_id, uuid4()
    history.append(
        app_id,
        AppCreated(name="x"),
        TagCreated(tag="b", description="Bridges"),
        TagCreated(tag="a", description="Alarms"),
        SegmentSaved(name="s", criteria=Criteria(tags=("a",))),
        SegmentSaved(name="t", criteria=Criteria()),
        SegmentDeleted(name="t"),
        WebhookCreated(webhook_id=webhook_id, name="hook", url="https://example.org", events=("*",), format="other"),
        WebhookUpdated(webhook_id=webhook_id, url="https://example.net"),
    )
    history.append(app_id, TagUpdated(tag="a", description="All alarms"))
    project("apps")
    handles = history.record.handles
    assert apps.app_by_handle(connection, handles, handles.of(app_id)) == apps.app(connection, app_id)
    assert apps.app_by_handle(connection, handles, "x") is None
    tag = apps.tag(connection, app_id, "a")
    assert tag is not None
    assert tag.description == "All alarms"
    assert tag.updated_at > tag.created_at
    [segment] = apps.list_segments(connection, app_id)
    assert (segment.name, segment.criteria) == ("s", {"tags": ["a"]})
    webhook = apps.webhook_by_name(connection, app_id, "hook")
    assert webhook is not None
    assert (webhook.format, webhook.url) == ("other", "https://example.net")
    assert apps.webhook_by_name(connection, uuid4(), "hook") is None
    assert [one.app_id for one in apps.slice_apps(connection, [app_id, uuid4()]).items] == [app_id]


def test_tags_are_filtered_by_groups_of_terms(history: History, project: Project, connection: Connection[Any]) -> None:
    tags = [TagCreated(tag=tag, description=f"About {tag}%") for tag in ("ant", "bee", "cat")]
    history.append(history.app_id, AppCreated(name="x"), *tags)
    project("apps")

    def found(*matching: list[Term]) -> list[str]:
        return [tag.tag for tag in apps.slice_tags(connection, history.app_id, matching).items]

    named, like = Term("name", "equals", "ant"), Term("description", "contains", "ut c")
    assert found() == ["ant", "bee", "cat"]
    assert found([named, like]) == ["ant", "cat"]
    assert found([named], [like]) == []
    assert found([Term("description", "contains", "%")]) == ["ant", "bee", "cat"]
    assert found([Term("description", "contains", "_")]) == []
    with pytest.raises(Invalid):
        found([Term("position", "equals", "1")])


def test_credentials_without_a_public_half_are_found_by_their_app(
    history: History, project: Project, connection: Connection[Any]
) -> None:
    issued = [
        CredentialIssued(credential_id=uuid4(), kind=kind, dialect=dialect, name="n", secret_id=uuid4())
        for kind, dialect in [("api-token", "one"), ("api-token", "two"), ("client", "one"), ("api-token", "one")]
    ]
    revoked = CredentialRevoked(credential_id=issued[3].credential_id)
    history.append(history.app_id, AppCreated(name="x"), *issued, revoked)
    project("apps")

    def found(*wanted: str) -> list[UUID]:
        return [one.credential_id for one in apps.credentials_in_force(connection, history.app_id, *wanted)]

    assert found("one") == [issued[0].credential_id, issued[2].credential_id]
    assert found("one", "api-token") == [issued[0].credential_id]
    assert found("three") == []
    every = apps.credentials_of_dialect(connection, "one", "api-token")
    assert [one.credential_id for one in every] == [issued[0].credential_id]


def test_a_session_is_found_by_its_secret_and_lasts_as_long_as_it_was_extended(
    history: History, project: Project, connection: Connection[Any]
) -> None:
    user_id, session_id, secret_id = uuid4(), uuid4(), uuid4()
    soon, later = NOW + timedelta(minutes=1), NOW + timedelta(minutes=2)
    number = history.append(user_id, UserCreated(name=Personal(user_id, "ada"), roles=("admin",)))
    history.append(user_id, SessionOpened(session_id=session_id, secret_id=secret_id, expires_at=soon))
    project("users")
    found = users.session_by_secret(connection, secret_id)
    assert found is not None
    assert (found.session_id, found.user_id) == (session_id, user_id)
    assert found.is_open(NOW)
    assert not found.is_open(soon)
    history.append(user_id, SessionExtended(session_id=session_id, expires_at=later))
    project("users")
    longer = users.session_by_secret(connection, secret_id)
    assert longer is not None
    assert longer.is_open(soon)
    history.append(user_id, SessionClosed(session_id=session_id, reason="signed out"))
    project("users")
    closed = users.session_by_secret(connection, secret_id)
    assert closed is not None
    assert not closed.is_open(NOW)
    user = users.user_by_number(connection, history.app_id, number)
    assert user is not None
    assert (user.user_id, user.roles) == (user_id, ["admin"])
    assert users.user_by_number(connection, uuid4(), number) is None


def test_a_revoked_token_is_known(history: History, project: Project, connection: Connection[Any]) -> None:
    tokens = [uuid4(), uuid4()]
    for token in tokens:
        history.append(token, TokenIssued(credential_id=uuid4(), expires_at=NOW))
    history.append(tokens[1], TokenRevoked())
    project("users")
    assert [users.is_revoked(connection, token) for token in tokens] == [False, True]
