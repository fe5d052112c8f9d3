"""Sessions that last while they are used, groups that hold so many devices, access tokens, and messages removed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from tocsin.domain import group, receipt, token, user
from tocsin.domain.entry import Fact
from tocsin.domain.errors import Invalid, NotFound
from tocsin.domain.events.app import AppDisabled
from tocsin.domain.events.group import GroupJoined, GroupLeft, Leaving
from tocsin.domain.events.receipt import ReceiptOpened, ReceiptRemoved
from tocsin.domain.events.token import TokenIssued, TokenRevoked
from tocsin.domain.events.user import SessionExtended
from tocsin.domain.group import Group, JoinGroup
from tocsin.domain.personal import Personal
from tocsin.domain.receipt import RemoveFromInbox, ReportOpened
from tocsin.domain.rules import OutOfPlace
from tocsin.domain.token import IssueToken, RevokeToken, allows, grantable
from tocsin.domain.user import CloseSession, CreateUser, ExtendSession, OpenSession, User

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SOON = NOW + timedelta(minutes=15)
LATER = NOW + timedelta(minutes=25)
SESSION = UUID(int=5)
USER = UUID(int=7)


def signed_in(expires_at: datetime | None = SOON) -> User:
    state = user.fold(user.decide(None, CreateUser(name=Personal(USER, "ada"), roles=("admin", "admin"))))
    opening = OpenSession(session_id=SESSION, secret_id=uuid4(), now=NOW, expires_at=expires_at)
    state = user.fold(user.decide(state, opening), state)
    assert state is not None
    return state


def extending(now: datetime = NOW, expires_at: datetime = LATER) -> ExtendSession:
    return ExtendSession(session_id=SESSION, now=now, expires_at=expires_at)


def test_a_session_that_is_used_lasts_longer() -> None:
    state = signed_in()
    [fact] = user.decide(state, extending())
    assert fact == SessionExtended(session_id=SESSION, expires_at=LATER)
    after = user.evolve(state, fact)
    assert after.sessions[SESSION].expires_at == LATER
    assert user.decide(after, extending(expires_at=SOON)) == []
    assert user.decide(after, extending()) == []


def test_a_session_without_an_end_is_not_extended() -> None:
    assert user.decide(signed_in(None), extending()) == []


def test_a_session_that_ended_cannot_be_extended() -> None:
    with pytest.raises(NotFound):
        user.decide(signed_in(), extending(now=SOON))
    state = user.fold(user.decide(signed_in(), CloseSession(session_id=SESSION)), signed_in())
    with pytest.raises(NotFound):
        user.decide(state, extending())


def test_a_user_has_each_role_once() -> None:
    assert signed_in().roles == ("admin",)
    with pytest.raises(Invalid):
        user.decide(None, CreateUser(name=Personal(USER, "ada"), roles=("",)))


def joining(device: int, limit: int = 2, gone: frozenset[UUID] = frozenset()) -> JoinGroup:
    return JoinGroup(user_id=USER, name="phones", device_id=UUID(int=device), limit=limit, gone=gone)


def joined(*devices: int) -> Group | None:
    state = None
    for device in devices:
        state = group.fold(group.decide(state, joining(device)), state)
    return state


def test_the_oldest_device_leaves_a_full_group() -> None:
    facts = group.decide(joined(1, 2), joining(3))
    assert facts == [
        GroupLeft(device_id=UUID(int=1), reason=Leaving.FULL),
        GroupJoined(user_id=USER, name="phones", device_id=UUID(int=3)),
    ]
    after = group.fold(facts, joined(1, 2))
    assert after is not None
    assert after.devices == (UUID(int=2), UUID(int=3))


def test_a_member_does_not_join_again() -> None:
    assert group.decide(joined(1, 2), joining(1)) == []


def test_members_that_are_gone_make_room_and_may_come_back_as_the_youngest() -> None:
    gone = frozenset({UUID(int=1)})
    left = GroupLeft(device_id=UUID(int=1), reason=Leaving.GONE)
    assert group.decide(joined(1, 2), joining(3, gone=gone)) == [
        left,
        GroupJoined(user_id=USER, name="phones", device_id=UUID(int=3)),
    ]
    after = group.fold(group.decide(joined(1, 2), joining(1, gone=gone)), joined(1, 2))
    assert after is not None
    assert after.devices == (UUID(int=2), UUID(int=1))


def test_a_limit_that_was_lowered_makes_several_leave() -> None:
    assert len(group.decide(joined(1, 2), joining(3, limit=1))) == 3
    with pytest.raises(Invalid):
        group.decide(None, joining(1, limit=0))


def test_a_group_takes_no_other_facts() -> None:
    with pytest.raises(OutOfPlace):
        group.evolve(None, AppDisabled())


def issuing(*scope: str, expires_at: datetime = SOON) -> IssueToken:
    return IssueToken(credential_id=USER, scope=scope, now=NOW, expires_at=expires_at)


def test_a_token_is_issued_once_and_revoked_once() -> None:
    [issued] = token.decide(None, issuing("a", "b", "a"))
    assert issued == TokenIssued(credential_id=USER, scope=("a", "b"), expires_at=SOON)
    state = token.fold([issued])
    assert token.decide(state, issuing("a")) == []
    [revoked] = token.decide(state, RevokeToken(reason="lost"))
    assert revoked == TokenRevoked(reason="lost")
    assert token.decide(token.fold([revoked], state), RevokeToken()) == []
    with pytest.raises(NotFound):
        token.decide(None, RevokeToken())


@pytest.mark.parametrize("command", [issuing("a", expires_at=NOW), issuing(""), issuing(*map(str, range(101)))])
def test_a_token_that_cannot_be_is_refused(command: IssueToken) -> None:
    with pytest.raises(Invalid):
        token.decide(None, command)


def test_a_tokens_stream_holds_nothing_else() -> None:
    issued: Fact = TokenIssued(credential_id=USER, expires_at=SOON)
    for facts in ([TokenRevoked()], [issued, issued]):
        with pytest.raises(OutOfPlace):
            token.fold(facts)


@pytest.mark.parametrize(
    ("granted", "wanted", "allowed"),
    [
        (["devices.write"], "devices.write", True),
        (["devices.write"], "devices.read", False),
        (["*"], "anything", True),
        (["send*"], "sender", True),
        (["*.write"], "tags.write", True),
        (["push.application.*"], "push.application.shop", True),
        (["d?vices"], "devices", False),
        (["[ab]"], "a", False),
        (["[ab]*"], "[ab]c", True),
        ([], "a", False),
    ],
)
def test_a_star_in_a_scope_stands_for_anything(granted: list[str], wanted: str, allowed: bool) -> None:
    assert allows(granted, wanted) is allowed


def test_a_client_is_granted_what_it_may_have() -> None:
    assert grantable(["devices.*"], ["devices.read", "tags.read", "devices.read"]) == ("devices.read",)


def test_a_message_is_removed_from_the_inbox_once() -> None:
    removing = RemoveFromInbox(send_id=USER, device_id=SESSION)
    state = receipt.fold(receipt.decide(None, ReportOpened(send_id=USER, device_id=SESSION, at=NOW)))
    [fact] = receipt.decide(state, removing)
    assert fact == ReceiptRemoved(send_id=USER, device_id=SESSION)
    after = receipt.fold([fact], state)
    assert after is not None
    assert (after.removed, after.opened_at) == (True, NOW)
    assert receipt.decide(after, removing) == []
    assert receipt.fold([fact]) == receipt.Receipt(send_id=USER, device_id=SESSION, removed=True)
    assert ReceiptOpened(send_id=USER, device_id=SESSION) in receipt.decide(
        receipt.fold([fact]), ReportOpened(send_id=USER, device_id=SESSION)
    )
