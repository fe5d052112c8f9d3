"""``tocsin up``: the whole of Tocsin on one machine, as supervised processes."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import random
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import urlopen

from rich.console import Console

from tocsin import bootstrap
from tocsin.administration import (
    SANDBOX_ENV,
    ensure_admin_token,
    sandbox_apps,
    write_private,
)
from tocsin.database import postgres_directory
from tocsin.domain.platforms import PROVIDERS
from tocsin.eventlog.embedded import EmbeddedPostgres
from tocsin.eventlog.keys import KeyFileError
from tocsin.eventlog.migrate import MigrationError
from tocsin.logs import configure_logging
from tocsin.settings import Settings, SettingsError
from tocsin.supervisor import NeverReady, ProcessSpec, Supervisor, read_status

LOOPBACK = "127.0.0.0/8,::1/128"

FROZEN_AFTER = 60.0
"""Seconds without a sign of life after which a role is killed and started again."""

# Below those that systems give to connections and to whoever names none, and above the embedded server's: until all is
# up, which takes seconds, others are given thousands.
_QUIET_PORTS = range(30_000, 32_768)

_API_GRACE = 15.0
_LEFT_BEHIND = _API_GRACE + 5
"""Seconds for the API of a supervisor that was killed to leave its port."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What to run. ``workers``: processes of the API. ``sandbox_ports``: for its control, for pushes, and for
    pushes to APNs' development environment; 0 for a free one.
    """

    settings: Settings
    host: str = "127.0.0.1"
    port: int = 8080
    workers: int = 1
    sandbox: bool = False
    sandbox_ports: tuple[int, int, int] = (0, 0, 0)

    @property
    def url(self) -> str:
        """Where the API answers."""
        return f"http://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"

    @property
    def sandbox_directory(self) -> Path:
        """Where the sandbox keeps its keys and says where it listens."""
        return self.settings.directory / "sandbox"


def processes(plan: Plan) -> list[ProcessSpec]:
    """Every process of the plan, with what it waits for."""
    specs = []
    settings = plan.settings
    if settings.database_url is None:
        specs.append(_postgres(settings))
    base = [spec.name for spec in specs]
    if plan.sandbox:
        specs.append(_sandbox(plan))
    if settings.kafka is not None:
        specs.append(_role("relay", ["relay"], settings, base))
    specs.append(_role("project", ["project"], settings, base))
    specs.append(_role("plan", ["plan"], settings, base))
    specs.append(_role("schedule", ["schedule"], settings, base))
    specs += [_role(f"deliver-{name}", ["deliver", "--provider", name], settings, base) for name in PROVIDERS]
    specs.append(_webhooks(plan, base))
    specs.append(_api(plan, [*base, "project"]))
    return specs


def _role(name: str, arguments: Sequence[str], settings: Settings, depends_on: Sequence[str]) -> ProcessSpec:
    return ProcessSpec(
        name, _command(*arguments), _environment(settings), depends_on, grace=20.0, frozen_after=FROZEN_AFTER
    )


def _webhooks(plan: Plan, depends_on: Sequence[str]) -> ProcessSpec:
    spec = _role("webhooks", ["webhooks"], plan.settings, depends_on)
    if not plan.sandbox or plan.settings.webhook_networks:
        return spec
    # Who tries things out has a receiver on the same machine.
    return replace(spec, env={**spec.env, "TOCSIN_WEBHOOK_NETWORKS": LOOPBACK})


def _postgres(settings: Settings) -> ProcessSpec:
    directory = postgres_directory(settings)

    def ready() -> bool:
        if EmbeddedPostgres(directory).connection() is None:
            return False
        try:
            bootstrap.prepare(settings)
        except (KeyFileError, MigrationError) as error:
            raise NeverReady(str(error)) from error
        return True

    # It owns a postmaster outside its process group: forced, it must still be able to end that.
    return ProcessSpec(
        "postgres",
        _command("postgres"),
        _environment(settings),
        ready=ready,
        # Until it has, a server that is found there may be one that a killed supervisor's guard is just stopping.
        says_when_up=True,
        grace=75.0,
        forced_signal=signal.SIGTERM,
        frozen_after=FROZEN_AFTER,
    )


def _sandbox(plan: Plan) -> ProcessSpec:
    control, push, development = plan.sandbox_ports
    argv = [sys.executable, "-m", "tocsin.sandbox", "--dir", str(plan.sandbox_directory)]
    argv += ["--port", str(control), "--push-port", str(push), "--development-port", str(development)]
    former = _providers_file(plan)
    # Where a supervisor was killed, the sandbox it leaves behind keeps the ports until everything else has ended.
    return ProcessSpec("sandbox", argv, ready=lambda: _sandbox_serves(plan, former), longest_pause=2.0)


def _providers_file(plan: Plan) -> tuple[int, int] | None:
    """Which ``providers.json`` there is: every sandbox writes another. No clock tells, which may be set."""
    try:
        found = (plan.sandbox_directory / "providers.json").stat()
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_mtime_ns


def _sandbox_serves(plan: Plan, former: tuple[int, int] | None) -> bool:
    """Whether a sandbox serves that was started since; what a ``former`` one wrote says nothing."""
    if _providers_file(plan) in (None, former):
        return False
    return _answers(f"{providers_of_sandbox(plan)['control_url']}/stats")


def _api(plan: Plan, depends_on: Sequence[str]) -> ProcessSpec:
    argv = _command("api", "--host", plan.host, "--port", str(plan.port), "--workers", str(plan.workers))

    def ready() -> bool:
        return _answers(f"{plan.url}/healthz")

    return ProcessSpec(
        "api",
        argv,
        _environment(plan.settings),
        depends_on,
        ready=ready,
        grace=_API_GRACE,
        frozen_after=FROZEN_AFTER,
    )


def _answers(url: str) -> bool:
    try:
        with urlopen(url, timeout=1) as answer:  # noqa: S310 - our own address
            return bool(answer.status == 200)
    except OSError:
        return False


def _command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "tocsin", *arguments]


def _environment(settings: Settings) -> Mapping[str, str]:
    """What a role needs to find everything; the rest it inherits."""
    environment = {"PYTHONUNBUFFERED": "1"}
    if settings.data is not None:
        environment["TOCSIN_DATA"] = str(settings.data)
    return environment


def listenable(host: str, port: int = 0) -> int:
    """The port, or for 0 one that the system gives, if it can be listened on now. Raises OSError."""
    family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        # As the API does: connections that are on their way out do not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(address)
        return int(probe.getsockname()[1])


def free_port(host: str) -> int:
    """A port that can be listened on, and that nobody is given before we do. Raises OSError."""
    for port in random.sample(_QUIET_PORTS, len(_QUIET_PORTS)):
        try:
            return listenable(host, port)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
    return listenable(host)


def with_ports(plan: Plan) -> Plan:
    """The plan with every free port chosen. A sandbox keeps the ports it had: apps are configured with them.

    Raises SettingsError where the API cannot listen, as what else listens there would be taken for it.
    """
    ports = plan.sandbox_ports
    if plan.sandbox and not all(ports):
        ports = _former_ports(plan) or (free_port("127.0.0.1"), free_port("127.0.0.1"), free_port("127.0.0.1"))
    return replace(plan, port=_port(plan), sandbox_ports=ports)


def _port(plan: Plan) -> int:
    deadline = time.monotonic() + _LEFT_BEHIND
    while True:
        try:
            return listenable(plan.host, plan.port) if plan.port else free_port(plan.host)
        except OSError as error:
            if error.errno == errno.EADDRINUSE and _former_api_runs(plan) and time.monotonic() < deadline:
                time.sleep(0.1)
                continue
            what = "is taken" if error.errno == errno.EADDRINUSE else f"cannot be listened on: {error.strerror}"
            raise SettingsError(f"port {plan.port} of {plan.host} {what}; choose another with --port") from error


def _former_api_runs(plan: Plan) -> bool:
    """Whether an API that was started here before still runs: where the supervisor was killed, its guard ends it."""
    file = plan.settings.status_file
    pids = [process.pid for process in read_status(file) if process.name == "api"] if file else ()
    return any(pid is not None and _runs(pid) for pid in pids)


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


@contextmanager
def _alone(data: Path | None) -> Iterator[None]:
    """Keep others off a data directory: two would each say of their own processes that they are all there are.

    The system lets go of it when this process ends, however it does. Raises SettingsError where another runs there.
    """
    if data is None:
        yield
        return
    directory = _taken(data)
    try:
        yield
    finally:
        os.close(directory)


def _taken(data: Path) -> int:
    try:
        data.mkdir(parents=True, exist_ok=True)
        directory = os.open(data, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise SettingsError(f"the data directory {data} cannot be used: {error.strerror}") from error
    try:
        fcntl.flock(directory, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(directory)
        raise SettingsError(f"`tocsin up` runs on {data} already; stop it, or name another --data") from error
    return directory


def _former_ports(plan: Plan) -> tuple[int, int, int] | None:
    try:
        known = providers_of_sandbox(plan)
    except FileNotFoundError:
        return None
    urls = (known["control_url"], known["push_url"], known["apns"]["development_url"])
    control, push, development = (urlsplit(url).port for url in urls)
    if control is None or push is None or development is None:
        return None
    return control, push, development


def providers_of_sandbox(plan: Plan) -> dict[str, Any]:
    """What the sandbox says of itself. Raises FileNotFoundError before its first start."""
    text = (plan.sandbox_directory / "providers.json").read_text(encoding="utf-8")
    known: dict[str, Any] = json.loads(text)
    return known


def run(plan: Plan, console: Console, on_ready: Callable[[Plan], None] | None = None) -> int:
    """Run everything until Ctrl-C; returns the exit status. ``on_ready`` is called once all is up.

    Raises SettingsError where something else runs on the data directory or the port.
    """
    with _alone(plan.settings.data):
        return _run(with_ports(plan), console, on_ready)


def _run(chosen: Plan, console: Console, on_ready: Callable[[Plan], None] | None) -> int:
    configure_logging("up")
    bootstrap.ensure_master_key(chosen.settings)
    bootstrap.check_named_database(chosen.settings)

    def ready() -> None:
        announce(chosen, console)
        if on_ready is not None:
            on_ready(chosen)

    return Supervisor(processes(chosen), status_file=chosen.settings.status_file, on_ready=ready).run()


def announce(plan: Plan, console: Console) -> None:
    """Write what scripts need, and say where everything is."""
    if plan.settings.data is None:
        console.print(f"[bold]Tocsin[/bold] answers at {plan.url}")
        return
    token_file = plan.settings.directory / "admin.token"
    ensure_admin_token(plan.settings)
    console.print(f"[bold]Tocsin[/bold] answers at {plan.url}  (stop with Ctrl-C)", soft_wrap=True)
    console.print(f"  admin token  {token_file}", soft_wrap=True)
    if plan.sandbox:
        known = providers_of_sandbox(plan)
        write_sandbox_env(plan, known)
        console.print(f"  sandbox      {known['control_url']}/", soft_wrap=True)
        console.print(f"  for scripts  {plan.settings.directory / SANDBOX_ENV}", soft_wrap=True)


def write_sandbox_env(plan: Plan, providers: Mapping[str, Any]) -> None:
    """``sandbox.env``: where everything is and how to get in, for scripts; with apps that are ready to use."""
    file = plan.settings.directory / SANDBOX_ENV
    values = {
        **_former(file),
        "TOCSIN_URL": plan.url,
        "TOCSIN_ADMIN_TOKEN": ensure_admin_token(plan.settings),
        "SANDBOX_URL": providers["control_url"],
        "SANDBOX_PUSH_URL": providers["push_url"],
        "SANDBOX_CA_FILE": providers["ca_path"],
    }
    values.update(sandbox_apps(plan.settings, providers, values))
    write_private(file, "".join(f"{name}={value}\n" for name, value in values.items()))


def _former(file: Path) -> dict[str, str]:
    """What the file said before: the apps of the sandbox's first start are kept, with their credentials."""
    if not file.exists():
        return {}
    return dict(line.partition("=")[::2] for line in file.read_text(encoding="utf-8").splitlines() if line)
