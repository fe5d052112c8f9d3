"""One sandbox for all of its tests, in a process of its own, as new before each of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from sandbox_clients import fcm_access_token, wns_access_token

from tocsin.sandbox.server import Sandbox, SandboxHandle, running_sandbox
from tocsin.sandbox.settings import Settings


@pytest.fixture(scope="session")
def shared_sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxHandle]:
    with running_sandbox(Path(tmp_path_factory.mktemp("sandbox"))) as handle:
        yield handle


@pytest.fixture
def sandbox(shared_sandbox: SandboxHandle) -> SandboxHandle:
    shared_sandbox.reset()
    return shared_sandbox


@pytest.fixture
def google_token(sandbox: SandboxHandle) -> str:
    return fcm_access_token(sandbox)


@pytest.fixture
def microsoft_token(sandbox: SandboxHandle) -> str:
    return wns_access_token(sandbox)


@pytest.fixture(scope="session")
def material(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory whose keys several sandboxes share, so that each of them starts at once."""
    return Path(tmp_path_factory.mktemp("material"))


@pytest.fixture
def sandbox_with(material: Path) -> Iterator[Callable[..., SandboxHandle]]:
    """Starts sandboxes of this test's own, with settings by name, in threads."""
    with ExitStack() as running:
        yield lambda **settings: running.enter_context(Sandbox(material, settings=Settings(**settings)))
