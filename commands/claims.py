"""What each stream claims, derived from its entries alone: the claims table can be rebuilt from it and checked."""

from __future__ import annotations

from collections.abc import Sequence

from tocsin.commands.apps import host_claims
from tocsin.commands.credentials import public_claims
from tocsin.commands.engine import Engine, Loaded
from tocsin.commands.people import EXTERNAL_ID, TOKEN, token_digest
from tocsin.domain import app, device
from tocsin.domain.app import App
from tocsin.domain.catalog import name_of
from tocsin.domain.device import Device
from tocsin.domain.entry import Entry
from tocsin.domain.events.device import Retirement
from tocsin.eventlog.unit import Claim


def claims_of(engine: Engine, entries: Sequence[Entry]) -> list[Claim]:
    """The claims that a whole stream's ``entries`` leave it with. Erased values claim nothing that could be derived."""
    kind = name_of(entries[0].fact).partition(".")[0]
    if kind == "app":
        return _of_app(engine, entries)
    if kind == "device":
        return _of_device(engine, entries)
    return []


def _of_app(engine: Engine, entries: Sequence[Entry]) -> list[Claim]:
    loaded: Loaded[App] = Loaded(entries[0].originator_id, app, entries)
    state = loaded.state
    assert state is not None
    claims = host_claims(engine, loaded.stream_id, (), state.hosts, checked=False)
    for credential_id, issued in state.credentials.items():
        if credential_id not in state.revoked:
            claims += public_claims(engine, issued, checked=False)
    return claims


def _of_device(engine: Engine, entries: Sequence[Entry]) -> list[Claim]:
    loaded: Loaded[Device] = Loaded(entries[0].originator_id, device, entries)
    state, app_id = loaded.state, entries[0].app_id
    assert state is not None
    claims = []
    if state.token is not None and not state.token.erased and state.retired is not Retirement.TOKEN_MOVED:
        digest = token_digest(engine.digest, state.provider or state.platform, state.token.value, state.token_scope)
        claims.append(Claim(app_id, TOKEN, digest, loaded.stream_id))
    if state.external_id is not None:
        claims.append(Claim(app_id, EXTERNAL_ID, engine.digest(EXTERNAL_ID, state.external_id), loaded.stream_id))
    return claims
