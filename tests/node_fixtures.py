"""Fixtures for tests that run a published client with Node.js."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from node.installation import node_modules


@pytest.fixture(scope="session")
def npm_project(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path], Path]:
    """Gives a copy of a folder of scripts, a package.json and its package-lock.json, with all that they ask for.

    Node.js is on the path then: run ``["node", "script.mjs", …]`` with the copy as working directory.
    """

    def installed(folder: Path) -> Path:
        modules = node_modules(folder)
        copy = tmp_path_factory.mktemp(folder.name) / folder.name
        shutil.copytree(folder, copy, ignore=shutil.ignore_patterns("*.py", "__pycache__"))
        (copy / "node_modules").symlink_to(modules)
        return copy

    return installed
