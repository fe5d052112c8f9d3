"""One sandbox for all of its tests, in a process of its own, as new before each of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sandbox_clients import fcm_access_token, wns_access_token

from tocsin.sandbox.server import SandboxHandle, running_sandbox


@pytest.fixture(scope="session")
def shared_sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxHandle]:
    with running_sandbox(Path(tmp_path_factory.mktemp("sandbox"))) as handle:
        yield handle


@pytest.fixture
def sandbox(shared_sandbox: SandboxHandle) -> SandboxHandle:
    shared_sandbox.reset()
    return shared_sandbox


@pytest.fixture(scope="session")
def google_token(shared_sandbox: SandboxHandle) -> str:
    return fcm_access_token(shared_sandbox)


@pytest.fixture(scope="session")
def microsoft_token(shared_sandbox: SandboxHandle) -> str:
    return wns_access_token(shared_sandbox)
