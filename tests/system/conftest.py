"""One instance with stand-in providers for all of these tests, and an app of many devices in it."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from system.campaign import Campaign
from system.instance import Instance
from tocsin.sandbox.handle import running_sandbox

DEVICES = 3000


@pytest.fixture(scope="package")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    directory = Path(tempfile.mkdtemp(prefix="tocsin-system-"))
    # As root, the database's own account has to pass through.
    directory.chmod(0o711)
    # What a clone is called.
    (directory / "tocsin").mkdir()
    instance = Instance(directory / "data", tmp_path_factory.mktemp("log") / "up.log", "--sandbox")
    try:
        instance.start()
        yield instance
    finally:
        instance.close()
        shutil.rmtree(directory)


@pytest.fixture(scope="package")
def campaign(instance: Instance, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Campaign]:
    with running_sandbox(tmp_path_factory.mktemp("carrier")) as carrier:
        campaign = Campaign(instance, carrier)
        campaign.prepare(DEVICES)
        yield campaign
