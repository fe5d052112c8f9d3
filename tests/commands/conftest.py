"""An engine on a record of its own, an app to work with, and somebody to be the actor."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest

from tocsin.commands.apps import create_app
from tocsin.commands.context import Context
from tocsin.commands.engine import Engine
from tocsin.domain.entry import Actor
from tocsin.eventlog.keys import MasterKeys
from tocsin.eventlog.record import Record


@pytest.fixture
def engine(migrated_database_url: str, tmp_path: Path) -> Iterator[Engine]:
    MasterKeys.create(tmp_path / "master.key")
    record = Record.open(migrated_database_url, tmp_path / "master.key")
    yield Engine(record)
    record.close()


@pytest.fixture
def context() -> Context:
    return Context(Actor(principal="credential:test", address="192.0.2.1"))


@pytest.fixture
def app_id(engine: Engine, context: Context) -> UUID:
    return create_app(engine, context, "Campus alerts").result.app_id
