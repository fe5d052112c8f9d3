"""How long an idempotency key is remembered."""

from __future__ import annotations

import psycopg
import pytest
from record_builders import APP, subscription

from tocsin.eventlog import idempotency
from tocsin.eventlog.record import Record
from tocsin.eventlog.unit import CommandRecord


@pytest.fixture
def aged(record: Record, record_url: str) -> list[bytes]:
    """Keys of commands carried out 0, 29, 31 and 60 days ago."""
    keys = []
    for days in (0, 29, 31, 60):
        keys.append(f"{days} days".encode())
        record.append([subscription()], command=CommandRecord(APP, keys[-1], b"request", b"answer"))
        with psycopg.connect(record_url) as connection:
            connection.execute(
                "update record.commands set recorded_at = clock_timestamp() - %s * interval '1 day' "
                "where key_digest = %s",
                (days, keys[-1]),
            )
    return keys


@pytest.mark.parametrize("batch", [1, 10_000])
def test_answers_are_forgotten_after_thirty_days(
    record: Record, aged: list[bytes], monkeypatch: pytest.MonkeyPatch, batch: int
) -> None:
    monkeypatch.setattr(idempotency, "BATCH", batch)
    with record.sessions.connection() as connection:
        assert idempotency.prune(connection) == 2
        assert idempotency.prune(connection) == 0
    assert [record.answered(APP, key) is not None for key in aged] == [True, True, False, False]
    assert record.head().position == 4
