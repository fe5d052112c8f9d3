"""Sessions with the database that are lent: there again as soon as it is, however long it was away."""

from __future__ import annotations

import socket
from contextlib import closing
from typing import Any
from urllib.parse import urlsplit

import pytest
from cutting_proxy import CuttingProxy
from psycopg_pool import ConnectionPool, PoolTimeout

from tocsin.eventlog import database


def is_lent(sessions: ConnectionPool[Any]) -> bool:
    """Whether a session can be had, within a second."""
    try:
        with sessions.connection() as connection:
            return connection.execute("select 1").fetchone() == (1,)
    except PoolTimeout:
        return False


def test_a_session_is_had_at_once_when_the_database_is_back_however_long_it_was_away(
    migrated_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "CONNECT_SECONDS", 1)
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        port = nobody.getsockname()[1]
        parts = urlsplit(migrated_database_url)
        url = parts._replace(netloc=f"{parts.netloc.rpartition('@')[0]}@127.0.0.1:{port}").geturl()
        with closing(database.pool(url, size=2)) as sessions:
            assert not any(is_lent(sessions) for _ in range(8))
            nobody.close()
            with CuttingProxy(migrated_database_url, port):
                # Whoever asks first may have come just after the last try of before.
                assert any(is_lent(sessions) for _ in range(3))
