"""What is remembered of secrets in memory is let go of: after a minute, and the oldest where it is much."""

from __future__ import annotations

from typing import Literal
from uuid import UUID, uuid4

import argon2
import pytest

from tocsin.commands.context import Context
from tocsin.commands.credentials import issue_credential, revoke_credential
from tocsin.commands.engine import Engine
from tocsin.commands.secrets import REMEMBERED, REMEMBERED_SECONDS, Remembered, SecretChecks
from tocsin.commands.users import change_password, create_user


class Clock:
    """Goes forward when it is told to."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def test_what_is_older_than_a_minute_is_let_go_of_by_whatever_is_asked_for_next() -> None:
    clock = Clock()
    remembered: Remembered[str, bytes] = Remembered(clock)
    remembered.put("one", b"1")
    clock.seconds = REMEMBERED_SECONDS - 1
    remembered.put("other", b"2")
    assert remembered.get("one") == b"1"
    clock.seconds = REMEMBERED_SECONDS
    assert remembered.get("never there") is None
    assert len(remembered) == 1
    assert remembered.get("other") == b"2"


def test_what_is_found_out_again_is_remembered_from_then_on() -> None:
    clock = Clock()
    remembered: Remembered[str, bytes] = Remembered(clock)
    remembered.put("one", b"1")
    clock.seconds = 30
    remembered.put("other", b"2")
    remembered.put("one", b"3")
    clock.seconds = REMEMBERED_SECONDS + 1
    assert (remembered.get("one"), remembered.get("other")) == (b"3", b"2")
    clock.seconds = REMEMBERED_SECONDS + 30
    assert (remembered.get("one"), remembered.get("other"), len(remembered)) == (None, None, 0)


def test_the_oldest_makes_room() -> None:
    remembered: Remembered[int, bool] = Remembered(Clock())
    for number in range(REMEMBERED + 1):
        remembered.put(number, True)
    assert (remembered.get(0), remembered.get(1), len(remembered)) == (None, True, REMEMBERED)


def test_another_password_is_another_secret_at_once(engine: Engine, context: Context, app_id: UUID) -> None:
    checks = SecretChecks(engine)
    user_id = create_user(engine, context, app_id, "ada", password="first").result
    assert user_id.user.secret_id is not None
    assert checks.matches_password(user_id.user.secret_id, "first")
    changed = change_password(engine, Context(context.actor), app_id, user_id.user_id, "second").result
    assert changed.user.secret_id is not None
    assert not checks.matches_password(changed.user.secret_id, "first")
    assert checks.matches_password(changed.user.secret_id, "second")


def test_a_secret_that_was_destroyed_opens_nothing(engine: Engine, context: Context, app_id: UUID) -> None:
    issued = issue_credential(engine, context, app_id, kind="hmac", dialect="some", name="x").result
    secret_id = issued.credential.secret_id
    assert SecretChecks(engine).stored(secret_id) == issued.secret.encode()
    revoke_credential(engine, Context(context.actor), app_id, issued.credential.credential_id)
    assert SecretChecks(engine).stored(secret_id) is None
    assert not SecretChecks(engine).matches("hmac", secret_id, issued.secret)


def test_where_nobody_has_a_password_one_is_checked_all_the_same(
    engine: Engine, context: Context, app_id: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked: list[str] = []

    class Counting(argon2.PasswordHasher):
        def verify(self, hash: str | bytes, password: str | bytes) -> Literal[True]:
            checked.append(str(password))
            return super().verify(hash, password)

    monkeypatch.setattr("tocsin.commands.secrets._hasher", Counting())
    somebody = create_user(engine, context, app_id, "ada", password="first").result.user.secret_id
    checks = SecretChecks(engine)
    assert not checks.matches_password(somebody, "wrong")
    assert not checks.matches_password(None, "of nobody")
    assert not checks.matches_password(uuid4(), "of somebody erased")
    assert checked == ["wrong", "of nobody", "of somebody erased"]
