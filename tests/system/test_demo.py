"""``tocsin demo``, which is what a newcomer sees first."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from rich.cells import cell_len

from tocsin.eventlog.embedded import EmbeddedPostgres

COLUMNS = 80


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What it prints on a terminal of 80 columns."""
    with tempfile.TemporaryDirectory(prefix="tocsin-demo-") as directory:
        # As root, the database's own account has to pass through.
        Path(directory).chmod(0o711)
        command = [sys.executable, "-m", "tocsin", "demo", "--data", f"{directory}/data"]
        environment = {**os.environ, "COLUMNS": str(COLUMNS)}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        EmbeddedPostgres(Path(directory, "data", "postgres")).destroy()
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_it_tells_of_every_device_what_became_of_it(told: str) -> None:
    rows = re.findall(r"^(\w+, \w+) +(\w+) +(\w+(?: ×\d)?) +\d\d:\d\d:\d\d +(\S+) *$", told, re.MULTILINE)
    failed = [(device, reason) for device, outcome, _, reason in rows if outcome != "delivered"]
    assert failed == [("erin, ios", "Unregistered")]
    assert len(rows) == 6 + 5 + 5
    assert [via for _, _, via, _ in rows if "×" in via] == ["fcm ×2"], "one was asked again after a 503"


def test_it_ends_with_read_models_built_again_and_nobody_called(told: str) -> None:
    assert "the same as before, row for row" in told
    before, after = re.findall(r"(\d+) pushes before, (\d+) after", told)[0]
    assert before == after


def test_nothing_it_says_of_the_alert_is_broken_at_80_columns(told: str) -> None:
    account = told[told.index("An app, its providers") : told.index("Data and log")]
    assert [line for line in account.splitlines() if cell_len(line.rstrip()) > COLUMNS] == []
    assert len(re.findall(r" [0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12} *$", account, re.MULTILINE)) == 2 + 2 + 2
