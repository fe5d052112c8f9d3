"""Every branch of what may be done with a user, one sentence each."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from tocsin.domain.entry import Fact
from tocsin.domain.errors import Conflict, Invalid, NotFound, Unauthenticated
from tocsin.domain.events.device import OptedIn
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
from tocsin.domain.rules import OutOfPlace
from tocsin.domain.user import (
    ChangeCredential,
    CloseSession,
    CreateUser,
    DisableUser,
    EnableUser,
    EraseUser,
    OpenSession,
    User,
    UserCommand,
    decide,
    evolve,
    fold,
)

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SOON = NOW + timedelta(minutes=5)
ANN, SECRET, S1, S2 = UUID(int=1), UUID(int=2), UUID(int=3), UUID(int=4)
NAME = Personal(ANN, "ann")
CREATE = CreateUser(name=NAME, profile=Personal(ANN, {"team": "red"}))


def session(session_id: UUID = S1, **changes: Any) -> OpenSession:
    return OpenSession(**{"session_id": session_id, "secret_id": SECRET, "now": NOW, **changes})


def after(*commands: UserCommand) -> User:
    state: User | None = None
    for command in commands:
        state = fold(decide(state, command), state)
    assert state is not None
    return state


def only(facts: list[Fact]) -> Fact:
    (fact,) = facts
    return fact


def test_a_user_is_created_by_name() -> None:
    assert only(decide(None, CREATE)) == UserCreated(name=NAME, profile=Personal(ANN, {"team": "red"}))


def test_a_user_is_created_once() -> None:
    with pytest.raises(Conflict):
        decide(after(CREATE), CREATE)


@pytest.mark.parametrize(
    ("command", "field"),
    [
        (CreateUser(name=Personal(ANN, " ")), "name"),
        (CreateUser(name=Personal(ANN, "x" * 256)), "name"),
        (CreateUser(name=NAME, profile=Personal(ANN, "text")), "profile"),
    ],
)
def test_a_user_that_breaks_a_rule_is_refused_with_its_field(command: CreateUser, field: str) -> None:
    with pytest.raises(Invalid) as refusal:
        decide(None, command)
    assert refusal.value.facts["field"] == field


def test_a_new_password_ends_the_open_sessions() -> None:
    facts = decide(after(CREATE, session()), ChangeCredential(secret_id=SECRET))
    assert facts == [SessionClosed(session_id=S1, reason="password changed"), UserCredentialChanged(secret_id=SECRET)]
    assert after(CREATE, ChangeCredential(secret_id=SECRET)).secret_id == SECRET


def test_a_password_that_was_replaced_opens_no_session() -> None:
    first = ChangeCredential(secret_id=SECRET)
    assert after(CREATE, first, session(password=SECRET)).sessions
    for replaced in (S1, None):
        with pytest.raises(Unauthenticated):
            decide(after(CREATE, first, ChangeCredential(secret_id=replaced)), session(password=SECRET))


def test_a_session_is_opened_and_closed() -> None:
    assert only(decide(after(CREATE), session(expires_at=SOON))) == SessionOpened(
        session_id=S1, secret_id=SECRET, expires_at=SOON
    )
    close = CloseSession(session_id=S1, reason="logout")
    assert only(decide(after(CREATE, session()), close)) == SessionClosed(session_id=S1, reason="logout")
    assert decide(after(CREATE, session(), close), close) == []


def test_a_session_is_opened_once() -> None:
    with pytest.raises(Conflict):
        decide(after(CREATE, session()), session())


def test_a_session_ends_in_the_future() -> None:
    with pytest.raises(Invalid) as refusal:
        decide(after(CREATE), session(expires_at=NOW))
    assert refusal.value.facts["field"] == "expires_at"


def test_opening_a_session_closes_those_that_expired() -> None:
    state = after(CREATE, session(expires_at=SOON))
    facts = decide(state, session(S2, now=SOON))
    assert facts == [SessionClosed(session_id=S1, reason="expired"), SessionOpened(session_id=S2, secret_id=SECRET)]
    still_open = decide(state, session(S2, now=SOON - timedelta(seconds=1)))
    assert [type(fact) for fact in still_open] == [SessionOpened]


def test_a_disabled_user_is_signed_out_and_cannot_sign_in() -> None:
    facts = decide(after(CREATE, session()), DisableUser(reason="left"))
    assert facts == [SessionClosed(session_id=S1, reason="disabled"), UserDisabled(reason="left")]
    with pytest.raises(Conflict):
        decide(after(CREATE, DisableUser()), session())


def test_disabling_and_enabling_are_events_once_each() -> None:
    assert decide(after(CREATE, DisableUser()), DisableUser()) == []
    assert only(decide(after(CREATE, DisableUser()), EnableUser())) == UserEnabled()
    assert decide(after(CREATE), EnableUser()) == []
    assert not after(CREATE, DisableUser(), EnableUser()).disabled


def test_of_an_erased_user_nothing_personal_is_kept() -> None:
    erase = EraseUser(devices=(S1,), reason="asked for it")
    assert only(decide(after(CREATE, session()), erase)) == UserErased(devices=(S1,), reason="asked for it")
    assert after(CREATE, ChangeCredential(secret_id=SECRET), session(), erase) == User(name=None, erased=True)


def test_an_erased_user_is_not_found_and_the_name_is_free_again() -> None:
    with pytest.raises(NotFound):
        decide(after(CREATE, EraseUser()), session())
    assert after(CREATE, EraseUser(), CREATE).name == NAME


def test_a_user_nobody_created_is_not_found() -> None:
    with pytest.raises(NotFound):
        decide(None, EnableUser())


def test_a_stream_that_does_not_begin_with_a_user_cannot_be_folded() -> None:
    with pytest.raises(OutOfPlace):
        fold([UserEnabled()])
    with pytest.raises(OutOfPlace):
        evolve(after(CREATE), OptedIn())
    with pytest.raises(OutOfPlace):
        evolve(after(CREATE), UserCreated(name=NAME))
