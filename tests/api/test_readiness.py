"""An instance is ready where somebody does everything that it needs done."""

from __future__ import annotations

from calling import Caller
from patience import eventually

from tocsin.eventlog import database
from tocsin.eventlog.record import Record
from tocsin.health import Role, sessions_of
from tocsin.readiness import readiness
from tocsin.settings import Settings

WNS = {"configuration": {"client_id": "ms-app://s-1-15-2-1"}, "secret": "a secret"}
HOOK = {"name": "pager", "url": "https://hook.example.org/", "events": ["send.completed"]}


def absent(record: Record) -> set[str]:
    """The roles of which it is said that nobody does their work."""
    told = readiness(Settings(), record)
    assert told["database"] is None
    return {part.removeprefix("role ") for part, wrong in told.items() if part.startswith("role ") and wrong}


def test_who_makes_sends_and_ends_them_is_always_needed_and_who_delivers_where_an_app_wants_it(
    campus: Caller, record: Record
) -> None:
    assert absent(record) >= {"plan", "schedule"}
    assert not any(role.startswith("deliver") for role in absent(record))
    assert "webhooks" not in absent(record)
    campus.put("/providers/wns", WNS)
    campus.post("/webhooks", HOOK)
    assert {role for role in absent(record) if role.startswith("deliver")} == {"deliver --provider wns"}
    assert "webhooks" in absent(record)


def test_a_role_that_somebody_does_is_not_missed(campus: Caller, record: Record, database_url: str) -> None:
    (session,) = sessions_of(Role.SCHEDULE)
    with database.connect(database_url, application_name=session):
        assert "schedule" not in absent(record)
    eventually(lambda: "schedule" in absent(record), "its session is gone")
    told = readiness(Settings(), record)["role schedule"]
    assert told == "no process does its work, on any machine: no session tocsin scheduler at the database"
