"""Programs that are not Python's: installed by the system's package manager where the tests may do that."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess

from fetching import only_one_process

SECONDS_FOR_THE_LOCK = 300
"""How long somebody else's installation may take before ours gives up."""


class CannotInstall(Exception):
    """The package manager is not ours to use, or it failed; the message says which."""


def is_offered(package: str) -> bool:
    """Whether the package manager could install a package. Raises CannotInstall where its lists cannot be had."""
    if not _may_install():
        return False
    with only_one_process("system-packages"):
        _update_lists()
    # A package that others merely name is shown like one that can be had; only the attempt tells them apart.
    return (
        subprocess.run(["apt-get", "install", "--simulate", package], capture_output=True, check=False).returncode == 0
    )


def install(*packages: str) -> None:
    """Install packages. Raises CannotInstall."""
    if not _may_install():
        raise CannotInstall("the tests may not install it: they are not root, or there is no apt-get")
    with only_one_process("system-packages"):
        _update_lists()
        _apt("install", "-y", "--no-install-recommends", *packages)


def _may_install() -> bool:
    return os.geteuid() == 0 and shutil.which("apt-get") is not None


@functools.cache
def _update_lists() -> None:
    _apt("update")


def _apt(*arguments: str) -> None:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    command = ["apt-get", "-o", f"DPkg::Lock::Timeout={SECONDS_FOR_THE_LOCK}", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode != 0:
        raise CannotInstall(f"apt-get {' '.join(arguments)} failed: {done.stderr[-1000:]}")
