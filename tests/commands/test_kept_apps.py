"""Apps are kept in memory between commands, and nothing is ever appended on what an app is no more."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from tocsin.commands.apps import change_app
from tocsin.commands.context import Context
from tocsin.commands.devices import Registration, register_device
from tocsin.commands.engine import Engine
from tocsin.domain.app import DisableApp, EnableApp
from tocsin.domain.errors import Conflict
from tocsin.eventlog.record import Record
from tocsin.eventlog.unit import VersionConflict


@pytest.fixture
def elsewhere(migrated_database_url: str, tmp_path: Path, engine: Engine) -> Iterator[Engine]:
    """Another process on the same record."""
    record = Record.open(migrated_database_url, tmp_path / "master.key")
    yield Engine(record)
    record.close()


def registration(token: str | None = None) -> Registration:
    return Registration(platform="ios", token=token or uuid4().hex * 2)


def test_a_command_reads_nothing_of_an_app_that_has_not_changed(
    engine: Engine, context: Context, app_id: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    register_device(engine, context, app_id, registration())
    monkeypatch.setattr(Record, "load", None)
    assert register_device(engine, context, app_id, registration()).result.created


def test_no_device_is_registered_with_an_app_that_was_disabled_elsewhere(
    engine: Engine, elsewhere: Engine, context: Context, app_id: UUID
) -> None:
    register_device(engine, context, app_id, registration())
    change_app(elsewhere, context, app_id, DisableApp())
    before = engine.record.head().position
    with pytest.raises(Conflict, match="disabled"):
        register_device(engine, context, app_id, registration())
    assert engine.record.head().position == before


def test_a_device_that_is_reported_unchanged_is_refused_by_an_app_that_was_disabled_elsewhere(
    engine: Engine, elsewhere: Engine, context: Context, app_id: UUID
) -> None:
    same = registration("5a" * 32)
    register_device(engine, context, app_id, same)
    change_app(elsewhere, context, app_id, DisableApp())
    with pytest.raises(Conflict, match="disabled"):
        register_device(engine, context, app_id, same)


def test_an_app_that_was_enabled_again_elsewhere_takes_devices(
    engine: Engine, elsewhere: Engine, context: Context, app_id: UUID
) -> None:
    change_app(engine, context, app_id, DisableApp())
    with pytest.raises(Conflict, match="disabled"):
        register_device(engine, context, app_id, registration())
    change_app(elsewhere, context, app_id, EnableApp())
    assert register_device(engine, context, app_id, registration()).result.created


def test_what_relies_on_a_stream_that_has_gone_on_is_not_appended(
    engine: Engine, elsewhere: Engine, context: Context, app_id: UUID
) -> None:
    version = len(engine.record.load(app_id))
    change_app(elsewhere, context, app_id, DisableApp())
    with pytest.raises(VersionConflict) as refused:
        engine.record.append([], unchanged={app_id: version})
    assert refused.value.stream_id == app_id
    engine.record.append([], unchanged={app_id: version + 1})
