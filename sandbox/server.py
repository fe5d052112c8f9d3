"""The sandbox as one asyncio server: two TLS ports that play the providers, and a plain control port."""

import asyncio
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

from tocsin.sandbox.connections import ConnectionFactory
from tocsin.sandbox.control import Control
from tocsin.sandbox.handle import SandboxHandle, running_sandbox, start_in_subprocess
from tocsin.sandbox.http1 import Http1Protocol
from tocsin.sandbox.material import Addresses, ensure_material, write_providers
from tocsin.sandbox.service import PushService
from tocsin.sandbox.settings import Identity, Settings

__all__ = ["Listeners", "Sandbox", "SandboxHandle", "running_sandbox", "start_in_subprocess"]

BACKLOG = 1024


@dataclass(frozen=True, slots=True)
class Listeners:
    """Where to listen; port 0 takes a free one. ``development_port`` plays Apple's development host."""

    host: str = "127.0.0.1"
    control_port: int = 0
    push_port: int = 0
    development_port: int = 0


@dataclass
class Sandbox:
    """Stand-in APNs, FCM and WNS servers.

    In an asyncio program: ``await start()``, later ``await stop()``. In any other, as a context manager, which serves
    from a thread and gives a handle::

        with Sandbox(Path("sandbox-data")) as sandbox:
            print(sandbox.push_url)

    ``directory`` gets keys, certificates and ``providers.json``. Raises OSError where a port is taken or the directory
    cannot be written.
    """

    directory: Path
    listeners: Listeners = field(default_factory=Listeners)
    settings: Settings = field(default_factory=Settings)
    identity: Identity = field(default_factory=Identity)
    providers: dict[str, Any] = field(default_factory=dict, init=False)

    async def start(self) -> dict[str, Any]:
        """Listen, and write ``providers.json``; returns what it says."""
        self.directory = self.directory.resolve()
        ensure_material(self.directory, self.identity, self.listeners.host)
        service = PushService(self.directory, self.identity, self.settings)
        self._connections = ConnectionFactory(service.respond, self.settings)
        control = Control(service)
        self._servers: list[asyncio.Server] = []
        try:
            addresses = await self._listen(control)
        except OSError:
            await self.stop()
            raise
        self.providers = write_providers(self.directory, self.identity, addresses)
        return self.providers

    async def stop(self) -> None:
        """Take no more connections, send the open ones away with GOAWAY and "Shutdown", and cut them."""
        for server in self._servers:
            server.close()
        self._connections.leave()
        # One turn of the loop lets the GOAWAY frames out before the cut.
        await asyncio.sleep(0.05)
        self._connections.abort()

    def __enter__(self) -> SandboxHandle:
        started = threading.Event()
        failures: list[BaseException] = []
        self._thread = threading.Thread(target=self._serve_in_thread, args=(started, failures), daemon=True)
        self._thread.start()
        started.wait()
        if failures:
            raise failures[0]
        return SandboxHandle(self.providers)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._leave.set)
        self._thread.join()

    def _serve_in_thread(self, started: threading.Event, failures: list[BaseException]) -> None:
        try:
            asyncio.run(self._serve_until_left(started))
        except Exception as error:
            failures.append(error)
        finally:
            started.set()

    async def _serve_until_left(self, started: threading.Event) -> None:
        self._loop, self._leave = asyncio.get_running_loop(), asyncio.Event()
        await self.start()
        started.set()
        await self._leave.wait()
        await self.stop()

    async def _listen(self, control: Control) -> Addresses:
        tls = self._tls()
        wanted = self.listeners
        push = await self._serve(lambda: self._connections.connect(False), wanted.push_port, tls)
        development = await self._serve(lambda: self._connections.connect(True), wanted.development_port, tls)
        plain = await self._serve(lambda: Http1Protocol(control.respond), wanted.control_port, None)
        host = f"[{wanted.host}]" if ":" in wanted.host else wanted.host
        return Addresses(f"http://{host}:{plain}", f"https://{host}:{push}", f"https://{host}:{development}")

    async def _serve(self, factory: Callable[[], asyncio.Protocol], port: int, tls: ssl.SSLContext | None) -> int:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(factory, self.listeners.host, port, ssl=tls, backlog=BACKLOG)
        self._servers.append(server)
        return int(server.sockets[0].getsockname()[1])

    def _tls(self) -> ssl.SSLContext:
        """HTTP/2 first, HTTP/1.1 too; a client certificate is taken where one is shown, and must be of our own CA."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(self.directory / "srv.pem", self.directory / "srv.key")
        context.load_verify_locations(self.directory / "ca.pem")
        context.verify_mode = ssl.CERT_OPTIONAL
        context.set_alpn_protocols(["h2", "http/1.1"])
        return context
