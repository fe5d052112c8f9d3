"""Node.js, npm and what npm fetches: found, or installed where that is allowed, or asked for."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import system_packages
from fetching import fetched_once
from system_packages import CannotInstall

OLDEST_NODE = 18
MANIFESTS = ("package.json", "package-lock.json")

ADVICE = f"""\
the tests run published clients with Node.js, and {{missing}}.
Install Node.js {OLDEST_NODE} or later and npm, for example
  Debian, Ubuntu:  apt-get install nodejs npm
  Fedora:          dnf install nodejs npm
  macOS:           brew install node"""


class NoNode(Exception):
    """There is no Node.js, no npm, or no way to a package; the message says what to do."""


def require_node() -> None:
    """Have ``node`` and ``npm`` on the path. Raises NoNode."""
    if _missing():
        try:
            system_packages.install("nodejs", "npm")
        except CannotInstall as refusal:
            raise NoNode(ADVICE.format(missing=f"{_missing()} ({refusal})")) from refusal
    if missing := _missing():
        raise NoNode(ADVICE.format(missing=missing))


def node_modules(project: Path) -> Path:
    """The ``node_modules`` that the package-lock.json in ``project`` describes, fetched once. Raises NoNode.

    No package's install script is run. ``npm install --package-lock-only --omit-lockfile-registry-resolved`` makes
    such a lock file: it names versions and checksums, and no registry.
    """
    require_node()
    description = b"".join((project / name).read_bytes() for name in MANIFESTS)
    return fetched_once("node", description, lambda folder: _fetch(project, folder)) / "node_modules"


def _fetch(project: Path, folder: Path) -> None:
    for name in MANIFESTS:
        shutil.copy(project / name, folder)
    command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise NoNode(f"npm could not fetch what {project.name} needs:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")


def _missing() -> str:
    """What is not here; empty when all is."""
    if _node_version() < OLDEST_NODE:
        return f"there is no Node.js {OLDEST_NODE} or later on the path"
    return "" if shutil.which("npm") else "npm is missing"


def _node_version() -> int:
    """The major version on the path; 0 without any."""
    if shutil.which("node") is None:
        return 0
    shown = subprocess.run(["node", "--version"], capture_output=True, text=True, check=False).stdout
    found = re.match(r"v(\d+)\.", shown)
    return int(found[1]) if found else 0
