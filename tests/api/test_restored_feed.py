"""A cursor of the feed outlives everything but a restore from a backup."""

from __future__ import annotations

import psycopg
from calling import Caller


def test_a_cursor_of_before_a_restore_is_gone_with_instructions(campus: Caller, database_url: str) -> None:
    cursor = campus.get("/events").json["next"]
    with psycopg.connect(database_url, autocommit=True) as connection:
        # As a restore does.
        connection.execute("update record.head set epoch = epoch + 1")
    answer = campus.get(f"/events?cursor={cursor}")
    assert (answer.status_code, answer.json["code"]) == (410, "gone")
    assert "begin again" in answer.json["detail"]
    assert campus.get("/events").status_code == 200
