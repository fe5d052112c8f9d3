"""The transport against servers that break, and the adapters against the sandbox."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from provider_tools import Opener, Script, configuration
from scripted_provider import Deed, ScriptedProvider, Seen

from tocsin.sandbox.handle import SandboxHandle, running_sandbox
from tocsin.workers.providers.adapters import open_provider
from tocsin.workers.providers.credentials import parse_credential
from tocsin.workers.providers.port import Provider
from tocsin.workers.providers.transport import Transport


@pytest.fixture
def transport() -> Iterator[Transport]:
    opened = Transport()
    yield opened
    opened.close(0.0)


@pytest.fixture
def scripted(tmp_path: Path) -> Iterator[Script]:
    """Starts scripted providers that end with the test."""
    started: list[ScriptedProvider] = []

    def start(behave: Callable[[Seen], Deed], **options: Any) -> ScriptedProvider:
        directory = tmp_path / f"scripted{len(started)}"
        directory.mkdir()
        started.append(ScriptedProvider(directory, behave, **options))
        return started[-1]

    yield start
    for provider in started:
        provider.close()


@pytest.fixture(scope="session")
def shared_sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxHandle]:
    with running_sandbox(Path(tmp_path_factory.mktemp("sandbox"))) as handle:
        yield handle


@pytest.fixture
def sandbox(shared_sandbox: SandboxHandle) -> SandboxHandle:
    shared_sandbox.reset()
    return shared_sandbox


@pytest.fixture
def opened(sandbox: SandboxHandle, transport: Transport) -> Opener:
    """Opens a provider at the sandbox; keywords change its configuration, ``secret`` its secret."""

    def open_one(provider: str, secret: bytes | None = None, **changes: Any) -> Provider:
        entered, its_secret = configuration(sandbox, provider)
        credential = parse_credential(provider, {**entered, **changes}, its_secret if secret is None else secret)
        return open_provider(credential, transport)

    return open_one
