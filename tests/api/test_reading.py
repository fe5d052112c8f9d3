"""Reading one's own writes, and reading while the read models lag or the database is away."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import psycopg
import pytest
from calling import Caller, token
from patience import eventually

from tocsin.api.app import create_app
from tocsin.api.services import Services
from tocsin.commands.engine import Engine
from tocsin.commands.secrets import SecretChecks
from tocsin.eventlog import database
from tocsin.eventlog.record import Record
from tocsin.projections.registry import NAMES, passed
from tocsin.projections.waiting import Waiter

StandingStill = Callable[[str], AbstractContextManager[None]]


@pytest.fixture
def standing_still(database_url: str, record: Record) -> StandingStill:
    """Makes a block in which a read model, and all of its group, cannot move on; it ends when they have caught up."""

    @contextmanager
    def block(projection: str) -> Iterator[None]:
        with database.connect(database_url) as connection:
            with connection.transaction():
                connection.execute("select from projections.cursors where projection = %s for update", (projection,))
                yield
            eventually(lambda: passed(connection, NAMES) >= record.head().position, "the read models catch up")

    return block


def test_a_reader_waits_for_no_position_that_was_never_recorded(campus: Caller, record: Record) -> None:
    answer = campus.get(f"/devices?min_position={record.head().position + 1000}")
    assert (answer.status_code, answer.json["field"]) == (422, "min_position")


def test_a_write_that_changes_nothing_names_no_position(campus: Caller) -> None:
    body = {"platform": "ios", "token": token(1)}
    campus.post("/devices", body)
    assert "Tocsin-Position" not in campus.post("/devices", body).headers


@pytest.fixture
def without_read_models(database_url: str, engine: Engine, campus: Caller) -> Iterator[Caller]:
    """The API where a read model was never built."""
    waiter = Waiter(engine.record.sessions)
    services = Services(engine=engine, checks=SecretChecks(engine), waiter=waiter, readiness=lambda: {"database": None})
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("alter schema users_v1 rename to users_away")
        yield Caller(create_app(services), campus.token, campus.prefix)
        connection.execute("alter schema users_away rename to users_v1")
    waiter.close()


def test_what_no_read_model_can_answer_is_503(without_read_models: Caller) -> None:
    answer = without_read_models.get("/users")
    assert (answer.status_code, answer.json["code"]) == (503, "unavailable")
    assert answer.headers["Retry-After"] == "1"


def test_what_was_written_is_read_at_once_by_whoever_wrote_it(campus: Caller) -> None:
    for number in range(30):
        written = campus.post("/devices", {"platform": "ios", "token": token(number)})
        assert "Tocsin-Lag" not in written.headers
        assert campus.get(written.headers["Location"]).status_code == 200


def test_who_does_not_want_to_wait_is_answered_at_once(campus: Caller, standing_still: StandingStill) -> None:
    with standing_still("devices_v1"):
        written = campus.post("/devices", {"platform": "ios"}, headers={"Prefer": "respond-async, wait=5"})
        assert (written.status_code, written.headers["Preference-Applied"]) == (201, "respond-async")
        assert campus.get(written.headers["Location"]).status_code == 404
    position = written.headers["Tocsin-Position"]
    assert campus.get_readable(f"{written.headers['Location']}?min_position={position}").status_code == 200


@pytest.fixture
def unaltered(make_services: Callable[..., Services], engine: Engine, campus: Caller) -> Iterator[Caller]:
    """The API that waits for its read models no longer than it does for anybody."""
    waiter = Waiter(engine.record.sessions)
    yield Caller(create_app(make_services(waiter=waiter)), campus.token, campus.prefix)
    waiter.close()


def test_a_write_is_a_success_and_says_so_when_its_read_model_lags(
    campus: Caller, unaltered: Caller, standing_still: StandingStill
) -> None:
    with standing_still("devices_v1"):
        first = unaltered.post("/devices", {"platform": "ios"})
        second = unaltered.post("/devices", {"platform": "android"})
        assert (first.status_code, second.status_code) == (201, 201)
        assert f"min_position={second.headers['Tocsin-Position']}" in second.headers["Tocsin-Lag"]
        behind = unaltered.get(f"/devices?min_position={second.headers['Tocsin-Position']}")
        assert (behind.status_code, behind.json["code"]) == (503, "behind")
        assert behind.headers["Retry-After"] == "1"
        later = {"message": {"title": "x"}, "audience": {"everyone": True}, "not_before": "2100-01-01T00:00:00Z"}
        assert "Tocsin-Lag" not in campus.post("/sends", later).headers, "its own read model does not lag"
