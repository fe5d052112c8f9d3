"""A published client's packages are there as its lock file says, and whoever lacks Node.js is told what to install."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import fetching
import pytest

from node.installation import NoNode, require_node

CLIENT = Path(__file__).with_name("client")


@pytest.fixture
def bare_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Nothing on the path and nobody to install it; the folder that is the path."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(fetching, "CACHE", tmp_path / "cache")
    return tmp_path


def node(folder: Path, version: str) -> None:
    program = folder / "node"
    program.write_text(f"#!/bin/sh\necho v{version}\n")
    program.chmod(0o755)


@pytest.mark.usefixtures("bare_machine")
def test_a_machine_without_node_is_told_how_to_get_it() -> None:
    with pytest.raises(NoNode, match=r"no Node\.js 18 or later(?s:.)*apt-get install nodejs npm"):
        require_node()


def test_a_node_that_is_too_old_counts_as_none(bare_machine: Path) -> None:
    node(bare_machine, "16.20.2")
    with pytest.raises(NoNode, match=r"no Node\.js 18 or later"):
        require_node()


def test_a_machine_without_npm_is_told_how_to_get_it(bare_machine: Path) -> None:
    node(bare_machine, "20.1.0")
    with pytest.raises(NoNode, match="npm is missing"):
        require_node()


def test_a_script_finds_the_version_that_its_lock_file_names(npm_project: Callable[[Path], Path]) -> None:
    done = subprocess.run(["node", "version.mjs"], cwd=npm_project(CLIENT), capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("7.6.3\n", "")
