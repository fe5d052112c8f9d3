"""Java, Maven and the broker's jars: found, or installed where that is allowed, or asked for."""

from __future__ import annotations

import fcntl
import functools
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

POM = Path(__file__).with_name("pom.xml")
CACHE = Path(__file__).parents[2] / ".cache" / "kafka"
OLDEST_JAVA = 17
COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"

ADVICE = f"""\
the tests need a Kafka broker, and {{missing}}.
Install Java {OLDEST_JAVA} or later and Maven, for example
  Debian, Ubuntu:  apt-get install openjdk-{OLDEST_JAVA}-jre-headless maven
  Fedora:          dnf install java-latest-openjdk-headless maven
  macOS:           brew install openjdk maven
or name a running broker: TOCSIN_TEST_KAFKA=host:port"""


class NoBroker(Exception):
    """There is no way to a broker from here; the message says what to do."""


def jars() -> str:
    """The class path of the broker, which is fetched when it is not in the repository's cache."""
    _require_java()
    folder = CACHE / hashlib.sha256(POM.read_bytes()).hexdigest()[:12]
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            _fetch(folder)
    return f"{folder}/*"


def _fetch(folder: Path) -> None:
    if shutil.which("mvn") is None:
        _install(["maven"], "Maven (mvn) is missing")
    with tempfile.TemporaryDirectory(dir=CACHE) as unfinished:
        command = ["mvn", "-B", "-q", "-f", str(POM), COPY, f"-DoutputDirectory={unfinished}/jars"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise NoBroker(f"Maven could not fetch the broker's jars:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
        Path(unfinished, "jars").rename(folder)


def _require_java() -> None:
    if _java_version() >= OLDEST_JAVA:
        return
    for package in ("openjdk-21-jre-headless", "openjdk-17-jre-headless", "default-jre-headless"):
        if _is_offered(package):
            _install([package], "there is no Java")
            break
    if _java_version() < OLDEST_JAVA:
        raise NoBroker(ADVICE.format(missing=f"there is no Java {OLDEST_JAVA} or later on the path"))


def _java_version() -> int:
    """The major version on the path; 0 without any."""
    if shutil.which("java") is None:
        return 0
    shown = subprocess.run(["java", "-version"], capture_output=True, text=True, check=False).stderr
    found = re.search(r'version "(\d+)', shown)
    return int(found[1]) if found else 0


def _may_install() -> bool:
    return os.geteuid() == 0 and shutil.which("apt-get") is not None


def _is_offered(package: str) -> bool:
    if not _may_install():
        return False
    _update_lists()
    return subprocess.run(["apt-cache", "show", package], capture_output=True, check=False).returncode == 0


def _install(packages: Sequence[str], missing: str) -> None:
    if not _may_install():
        raise NoBroker(ADVICE.format(missing=missing))
    _update_lists()
    _apt("install", "-y", "--no-install-recommends", *packages)


@functools.cache
def _update_lists() -> None:
    _apt("update")


def _apt(*arguments: str) -> None:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    done = subprocess.run(["apt-get", *arguments], capture_output=True, text=True, check=False, env=environment)
    if done.returncode != 0:
        raise NoBroker(ADVICE.format(missing=f"apt-get {' '.join(arguments)} failed: {done.stderr[-1000:]}"))
