"""Apps that are known by one public id: it is theirs from their first event to their last, and nobody's after."""

from __future__ import annotations

from uuid import UUID

import pytest
from commands.test_claims import derived, stored

from tocsin.commands.app_lives import close_app, open_app
from tocsin.commands.apps import change_app, load_app
from tocsin.commands.context import Context
from tocsin.commands.credentials import issue_credential
from tocsin.commands.engine import Engine
from tocsin.commands.providers import configure_provider
from tocsin.domain.app import CreateTag, DisableApp
from tocsin.domain.errors import Conflict


def opened(engine: Engine, context: Context, name: str = "myapp", *, disabled: bool = False) -> UUID:
    own = Context(context.actor)
    return open_app(
        engine, own, name, kind="app-secret", dialect="other", public_id=name, disabled=disabled
    ).result.app_id


def test_an_app_is_opened_with_its_credential_in_one_append(engine: Engine, context: Context) -> None:
    app_id = opened(engine, context)

    state = load_app(engine, app_id).state
    assert state is not None
    assert [one.public_id for one in state.credentials.values()] == ["myapp"]
    assert len({entry.command_id for entry in engine.record.load(app_id)}) == 1
    assert stored(engine) == derived(engine)


def test_an_id_that_is_taken_opens_nothing(engine: Engine, context: Context) -> None:
    opened(engine, context)
    before = engine.record.head().position

    with pytest.raises(Conflict):
        opened(engine, context)
    assert engine.record.head().position == before


@pytest.mark.parametrize("disabled", [True, False])
def test_a_closed_app_has_nothing_left_and_its_id_is_free(engine: Engine, context: Context, disabled: bool) -> None:
    app_id = opened(engine, context)
    configure_provider(engine, Context(context.actor), app_id, "wns", {"client_id": "ms-app://x"}, b"secret")
    change_app(engine, Context(context.actor), app_id, CreateTag(tag="news"))
    native = issue_credential(engine, Context(context.actor), app_id, kind="bearer", dialect="native", name="auditor")
    if disabled:
        change_app(engine, Context(context.actor), app_id, DisableApp())

    state = close_app(engine, Context(context.actor), app_id, "other").result.app
    assert (state.disabled, state.tags, state.providers) == (True, {}, {})
    assert set(state.credentials) - state.revoked == {native.result.credential.credential_id}
    assert stored(engine) == derived(engine)
    assert not close_app(engine, Context(context.actor), app_id, "other").changed
    assert opened(engine, context) != app_id
