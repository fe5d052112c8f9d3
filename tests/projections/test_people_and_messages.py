"""What the read models of users, notifications and operations answer."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from history import History
from psycopg import Connection

from tocsin.domain.entry import Actor
from tocsin.domain.events.notification import (
    FollowupAdded,
    FollowupAmended,
    FollowupWithdrawn,
    NotificationAmended,
    NotificationCreated,
    NotificationWithdrawn,
)
from tocsin.domain.events.operation import OperationFinished, OperationKind, OperationStarted
from tocsin.domain.events.user import (
    SessionClosed,
    SessionOpened,
    UserCreated,
    UserCredentialChanged,
    UserDisabled,
    UserEnabled,
    UserErased,
)
from tocsin.domain.personal import Personal
from tocsin.projections import notifications, operations, users
from tocsin.projections.notifications import When

Project = Callable[..., None]

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def created(user: UUID, name: str = "alice") -> UserCreated:
    return UserCreated(name=Personal(user, name), profile=Personal(user, {"faculty": "law"}))


def test_a_user_is_found_by_id_and_by_name(history: History, project: Project, connection: Connection[Any]) -> None:
    user, secret = uuid4(), uuid4()
    history.append(user, created(user), UserCredentialChanged(secret_id=secret))
    project("users")
    found = users.user(connection, history.app_id, user)
    assert found is not None
    assert (found.name, found.profile, found.secret_id, found.state) == ("alice", {"faculty": "law"}, secret, "active")
    digest = history.record.keyring.digest("user", "alice")
    assert users.user_by_name(connection, history.app_id, digest) == found
    assert users.user_by_name(connection, uuid4(), digest) is None
    history.append(user, UserDisabled())
    project("users")
    assert getattr(users.user(connection, history.app_id, user), "state", None) == "disabled"
    history.append(user, UserEnabled())
    project("users")
    assert getattr(users.user(connection, history.app_id, user), "state", None) == "active"


def test_sessions_are_open_until_they_are_closed(
    history: History, project: Project, connection: Connection[Any]
) -> None:
    user, first, second = uuid4(), uuid4(), uuid4()
    history.append(user, created(user), SessionOpened(session_id=first, secret_id=uuid4(), expires_at=NOON))
    history.append(user, SessionOpened(session_id=second, secret_id=uuid4()))
    project("users")
    assert [one.session_id for one in users.sessions(connection, user)] == [second, first]
    history.append(user, SessionClosed(session_id=first, reason="signed out"))
    project("users")
    closed = users.session(connection, first)
    assert closed is not None
    assert (closed.reason, closed.expires_at) == ("signed out", NOON)
    assert closed.closed_at is not None
    assert [one.session_id for one in users.sessions(connection, user)] == [second]


def test_nothing_is_left_of_an_erased_user_and_the_name_is_free_again(
    history: History, project: Project, connection: Connection[Any]
) -> None:
    user, session = uuid4(), uuid4()
    history.append(user, created(user), SessionOpened(session_id=session, secret_id=uuid4()))
    project("users")
    history.append(user, UserErased())
    project("users")
    found = users.user(connection, history.app_id, user)
    assert found is not None
    assert (found.state, found.name, found.profile, found.name_digest) == ("erased", None, None, None)
    assert getattr(users.session(connection, session), "reason", None) == "erased"
    assert users.user_by_name(connection, history.app_id, history.record.keyring.digest("user", "alice")) is None
    history.append(user, created(user, "alice"))
    project("users")
    again = users.user(connection, history.app_id, user)
    assert again is not None
    assert (again.state, again.name) == ("active", "alice")


def test_users_are_paged(history: History, project: Project, connection: Connection[Any]) -> None:
    ids = [uuid4() for _ in range(5)]
    for user in ids:
        history.append(user, created(user, f"user {user}"))
    project("users")
    first = users.list_users(connection, history.app_id, limit=3)
    second = users.list_users(connection, history.app_id, after=first.next or 0, limit=3)
    assert [one.user_id for one in (*first.items, *second.items)] == ids


def test_a_notification_is_read_with_its_followups(
    history: History, project: Project, connection: Connection[Any]
) -> None:
    one = uuid4()
    position = history.append(one, NotificationCreated(body="Threat", title="Alert", starts_at=NOON, data={"b": 4}))
    history.append(
        one,
        FollowupAdded(followup_id=1, body="Security services have arrived on scene", at=NOON),
        FollowupAdded(followup_id=2, body="Fire department working", at=NOON + HOUR),
    )
    project("notifications")
    history.append(
        one,
        NotificationAmended(title=None, expires_at=NOON + 2 * HOUR),
        FollowupAmended(followup_id=2, body="Fire department is working"),
        FollowupWithdrawn(followup_id=1, reason="wrong"),
    )
    project("notifications")
    found = notifications.notification(connection, history.app_id, one)
    assert found is not None
    assert found == notifications.notification_by_number(connection, history.app_id, position)
    assert (found.row.body, found.row.title, found.row.data) == ("Threat", None, {"b": 4})
    assert [row.body for row in found.followups] == [
        "Security services have arrived on scene",
        "Fire department is working",
    ]
    assert found.followups[0].reason == "wrong"
    assert found.followups[1].withdrawn_at is None
    assert not found.is_in_force(NOON - HOUR)
    assert found.is_in_force(NOON)
    assert not found.is_in_force(NOON + 2 * HOUR)
    assert notifications.notification(connection, uuid4(), one) is None


def test_notifications_are_listed_by_whether_they_are_in_force(
    history: History, project: Project, connection: Connection[Any]
) -> None:
    forever, over, coming, withdrawn, never = ids = [uuid4() for _ in range(5)]
    history.append(forever, NotificationCreated(body="b", starts_at=NOON))
    history.append(over, NotificationCreated(body="b", starts_at=NOON - 2 * HOUR, expires_at=NOON))
    history.append(coming, NotificationCreated(body="b", starts_at=NOON + HOUR))
    history.append(withdrawn, NotificationCreated(body="b", starts_at=NOON), NotificationWithdrawn(reason="r"))
    history.append(never, NotificationCreated(body="b", starts_at=NOON, expires_at=NOON + HOUR))
    project("notifications")

    def listed(when: When | None, now: datetime = NOON) -> list[UUID]:
        found = notifications.list_notifications(connection, history.app_id, now=now, when=when)
        return [one.row.notification_id for one in found.items]

    assert listed(When.CURRENT) == [never, forever]
    assert listed(When.UPCOMING) == [coming]
    assert listed(When.PAST) == [withdrawn, over]
    assert listed(None) == ids[::-1]
    for now in (NOON - HOUR, NOON, NOON + HOUR, NOON + 9 * HOUR):
        apart = [set(listed(when, now)) for when in When]
        assert set.union(*apart) == set(ids)
        assert sum(map(len, apart)) == len(ids)
    first = notifications.list_notifications(connection, history.app_id, now=NOON, limit=3)
    second = notifications.list_notifications(connection, history.app_id, now=NOON, limit=3, before=first.next)
    assert [one.row.notification_id for one in (*first.items, *second.items)] == ids[::-1]


def test_operations_tell_who_did_what_and_how_it_ended(
    history: History, project: Project, connection: Connection[Any]
) -> None:
    one, other = uuid4(), uuid4()
    started = OperationStarted(kind=OperationKind.REBUILD, parameters={"read_models": ["devices"]})
    history.append(one, started, actor=Actor(principal="credential:1"))
    history.append(other, OperationStarted(kind=OperationKind.EXPORT))
    project("operations")
    found = operations.operation(connection, one)
    assert found is not None
    assert (found.kind, found.started_by, found.outcome) == ("rebuild", "credential:1", None)
    history.append(one, OperationFinished(outcome="succeeded", result={"events": 3}))
    project("operations")
    found = operations.operation(connection, one)
    assert found is not None
    assert (found.outcome, found.result, found.parameters) == ("succeeded", {"events": 3}, {"read_models": ["devices"]})
    assert [row.operation_id for row in operations.list_operations(connection).items] == [other, one]
    assert operations.list_operations(connection, kind=OperationKind.REBUILD).items == (found,)
    assert operations.list_operations(connection, before=found.created_position).items == ()
