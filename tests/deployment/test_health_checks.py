"""A health check is asked every few seconds beside every container: it loads only what it needs."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import psycopg
import pytest
from patience import PATIENCE

from tocsin.health import Role, sessions_of

HEAVY = {"argon2", "curl", "firebase_admin", "flask", "google", "gunicorn", "kafka", "marshmallow"}

# As the command itself does it, and then what came in with it.
CHECK = """
import sys
from tocsin.cli import main
main(["healthy", *sys.argv[1:]], standalone_mode=False)
print(*sorted({name.partition(".")[0] for name in sys.modules}))
"""


def loaded(url: str, *arguments: str) -> set[str]:
    """The packages that a check which finds all well has loaded at its end; the stream is said to be Kafka."""
    settings = {"TOCSIN_DATABASE_URL": url, "TOCSIN_KAFKA": "localhost:9092"}
    done = subprocess.run(
        [sys.executable, "-c", CHECK, *arguments],
        env=os.environ | settings,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


class Well(BaseHTTPRequestHandler):
    """Says yes to everything."""

    def do_GET(self) -> None:
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None: ...


@contextmanager
def answering() -> Iterator[int]:
    """The port of a server that says that all is well."""
    with HTTPServer(("127.0.0.1", 0), Well) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


@pytest.fixture
def working(migrated_database_url: str) -> Iterator[str]:
    """The URL of a database at which every role has the sessions that it has while it works."""
    names = frozenset[str]().union(*map(sessions_of, Role))
    with ExitStack() as sessions:
        for name in names:
            sessions.enter_context(psycopg.connect(migrated_database_url, application_name=name))
        yield migrated_database_url


@pytest.mark.parametrize("role", sorted(set(Role) - {Role.API}))
def test_a_check_of_a_worker_loads_a_client_of_the_database_and_little_else(working: str, role: Role) -> None:
    found = loaded(working, role.value)
    assert "psycopg" in found
    assert not found & HEAVY


def test_a_check_of_the_api_loads_not_even_that() -> None:
    with answering() as port:
        found = loaded("postgresql://nowhere.invalid/tocsin", "api", "--port", str(port))
    assert not found & (HEAVY | {"psycopg", "psycopg_pool", "eventsourcing"})
