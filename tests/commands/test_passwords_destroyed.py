"""A password's hash is destroyed with the event after which nobody needs it, and a session leaves no secret."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest
from vault_contents import is_kept, kept

from tocsin.commands.context import Context
from tocsin.commands.engine import Engine
from tocsin.commands.secrets import SecretChecks
from tocsin.commands.users import change_password, change_user, close_session, create_user, load_user, open_session
from tocsin.domain.errors import Conflict, NotFound, Unauthenticated
from tocsin.domain.user import DisableUser, EraseUser
from tocsin.projections import users
from tocsin.projections.rebuild import rebuild


def password_of(engine: Engine, app_id: UUID, user_id: UUID) -> UUID:
    """The id of a user's password."""
    state = load_user(engine, app_id, user_id).state
    assert state is not None
    assert state.secret_id is not None
    return state.secret_id


def test_a_replaced_passwords_hash_is_destroyed(engine: Engine, context: Context, app_id: UUID) -> None:
    user_id = create_user(engine, context, app_id, "ada", password="first").result.user_id
    other = create_user(engine, Context(context.actor), app_id, "bea", password="first").result.user_id
    change_password(engine, Context(context.actor), app_id, user_id, "second")
    second = password_of(engine, app_id, user_id)
    assert kept(engine) == {second, password_of(engine, app_id, other)}
    checks = SecretChecks(engine)
    assert checks.matches_password(second, "second")
    change_user(engine, Context(context.actor), app_id, user_id, DisableUser())
    assert is_kept(engine, second), "a user can be enabled again"
    change_password(engine, Context(context.actor), app_id, user_id, None)
    assert kept(engine) == {password_of(engine, app_id, other)}


def test_an_erased_users_password_goes_with_the_user(engine: Engine, context: Context, app_id: UUID) -> None:
    user_id = create_user(engine, context, app_id, "ada", password="first").result.user_id
    change_user(engine, Context(context.actor), app_id, user_id, EraseUser())
    assert kept(engine) == set()
    create_user(engine, Context(context.actor), app_id, "ada", password="another")
    assert kept(engine) == {password_of(engine, app_id, user_id)}


def test_a_password_that_is_refused_leaves_the_one_before(engine: Engine, context: Context, app_id: UUID) -> None:
    user_id = create_user(engine, context, app_id, "ada", password="first").result.user_id
    with pytest.raises(NotFound):
        change_password(engine, Context(context.actor), uuid4(), user_id, "second")
    with pytest.raises(Conflict):
        create_user(engine, Context(context.actor), app_id, "ada", password="second")
    assert kept(engine) == {password_of(engine, app_id, user_id)}


def test_nobody_signs_in_with_a_password_that_was_replaced_meanwhile(
    engine: Engine, context: Context, app_id: UUID
) -> None:
    user_id = create_user(engine, context, app_id, "ada", password="first").result.user_id
    proven = password_of(engine, app_id, user_id)
    assert open_session(engine, Context(context.actor), app_id, user_id, password=proven).changed
    change_password(engine, Context(context.actor), app_id, user_id, "second")
    with pytest.raises(Unauthenticated):
        open_session(engine, Context(context.actor), app_id, user_id, password=proven)


def test_a_session_leaves_nothing_in_the_vault(engine: Engine, context: Context, app_id: UUID) -> None:
    user_id = create_user(engine, context, app_id, "ada", password="first").result.user_id
    session_id = open_session(engine, Context(context.actor), app_id, user_id).result.session_id
    assert kept(engine) == {password_of(engine, app_id, user_id)}
    close_session(engine, Context(context.actor), app_id, user_id, session_id, "signed out")
    assert kept(engine) == {password_of(engine, app_id, user_id)}


def test_users_are_read_anew_without_what_was_destroyed(engine: Engine, context: Context, app_id: UUID) -> None:
    user_id = create_user(engine, context, app_id, "ada", password="first").result.user_id
    change_password(engine, Context(context.actor), app_id, user_id, "second")
    rebuild(engine.record, ["users"])
    with engine.record.sessions.connection() as connection:
        user = users.user(connection, app_id, user_id)
    assert user is not None
    assert kept(engine) == {user.secret_id}
