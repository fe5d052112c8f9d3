"""Commands on apps: created, updated, disabled, their tags, templates and segments."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar
from uuid import NAMESPACE_URL, UUID, uuid5

from tocsin.commands.context import Context
from tocsin.commands.engine import Decision, Done, Engine, Loaded
from tocsin.commands.ids import new_id
from tocsin.commands.secrets import no_longer_needed
from tocsin.domain import app
from tocsin.domain.app import App, CreateApp
from tocsin.domain.errors import Conflict, NotFound
from tocsin.eventlog.unit import Claim, Secret

INSTANCE = uuid5(NAMESPACE_URL, "tocsin:instance")
"""The app that stands for the instance itself: its credentials are good for every app, and alone create new ones."""

HOST = "host"

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class AppResult:
    """An app as it stands after the command."""

    app_id: UUID
    app: App


def create_app(
    engine: Engine,
    context: Context,
    name: str,
    *,
    hosts: Sequence[str] = (),
    settings: Mapping[str, Any] | None = None,
    app_id: UUID | None = None,
) -> Done[AppResult]:
    """Create an app. Raises Invalid, Conflict where it exists or a host belongs to another app."""
    chosen = app_id or new_id()
    command = CreateApp(name=name, hosts=tuple(hosts), settings=dict(settings or {}))
    return engine.carry_out(
        context, lambda: decision(engine, engine.load(chosen, app), [command], partial(AppResult, chosen))
    )


def change_app(engine: Engine, context: Context, app_id: UUID, command: Any) -> Done[AppResult]:
    """Carry out any command on an app that needs no secret: update, disable, enable, tags, templates, removals.

    Raises NotFound, Conflict, Invalid.
    """
    return engine.carry_out(
        context, lambda: decision(engine, load_app(engine, app_id), [command], partial(AppResult, app_id))
    )


def decision(
    engine: Engine,
    loaded: Loaded[App],
    commands: Iterable[Any],
    result: Callable[[App], R],
    claims: Callable[[App], Sequence[Claim]] = lambda _: (),
    secrets: Sequence[Secret] = (),
) -> Decision[R]:
    """What commands on an app come to, one after the other: all of them or none.

    ``result``: what is answered, of the app after them. ``claims``, besides those of its hosts, and ``secrets`` go with
    what happens, and so does the destruction of every secret that the app needs no more. Raises NotFound, Conflict,
    Invalid.
    """
    facts, state = loaded.decide_all(commands)
    assert state is not None
    app_id, before = loaded.stream_id, loaded.state
    if not facts:
        return Decision(result(state))
    hosts = host_claims(engine, app_id, () if before is None else before.hosts, state.hosts)
    gone = [] if before is None else no_longer_needed(engine, app_id, before, state)
    change = loaded.change(app_id, facts)
    return Decision(result(state), [change], [*hosts, *claims(state)], [*secrets, *gone])


def load_app(engine: Engine, app_id: UUID) -> Loaded[App]:
    """An app, disabled or not. Raises NotFound."""
    loaded = engine.load_kept(app_id, app)
    if loaded.state is None:
        raise NotFound("there is no such app", app=str(app_id))
    return loaded


def load_enabled(engine: Engine, app_id: UUID) -> App:
    """An app that may be used. Raises NotFound, Conflict where it is disabled."""
    state = load_app(engine, app_id).state
    assert state is not None
    if state.disabled:
        raise Conflict("this app is disabled", app=str(app_id))
    return state


def ensure_instance(engine: Engine, context: Context) -> None:
    """Create the app that stands for the instance, where it is not there yet."""
    if engine.load(INSTANCE, app).state is None:
        try:
            create_app(engine, context, "instance", app_id=INSTANCE)
        except Conflict:
            # Another process was quicker.
            return


def host_claims(
    engine: Engine, app_id: UUID, before: Sequence[str], after: Sequence[str], *, checked: bool = True
) -> list[Claim]:
    """The hosts that an app takes, and those it lets go of. Raises Conflict where one is another's, if ``checked``."""
    if set(before) == set(after):
        return []
    digests = {host: engine.digest(HOST, host) for host in {*before, *after}}
    if checked:
        owners = engine.record.owners(INSTANCE, HOST, list(digests.values()))
        for host in after:
            if owners.get(digests[host], app_id) != app_id:
                raise Conflict(f"another app answers at {host}", field="hosts")
    taken = [Claim(INSTANCE, HOST, digests[host], app_id) for host in after if host not in before]
    left = [Claim(INSTANCE, HOST, digests[host], None, app_id) for host in before if host not in after]
    return taken + left
